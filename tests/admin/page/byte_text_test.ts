import assert from "node:assert/strict";
import { bytesOfText, hexLines, readableKey, textIn } from "../../../lib/admin/page/byte_text.ts";

Deno.test("keys and values are shown as text only if they are text", () => {
  const utf8 = bytesOfText("größe:√");
  assert.equal(utf8, "gr\xc3\xb6\xc3\x9fe:\xe2\x88\x9a");
  assert.equal(readableKey(utf8), "größe:√");
  assert.equal(readableKey("b\xff\0 c\n"), "b\\xff\\x00 c\\x0a");
  assert.equal(readableKey("a\nb"), "a\\x0ab");
  const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
  assert.equal(textIn(bytes("two\r\nlines\t.")), "two\r\nlines\t.");
  assert.equal(textIn(bytes("bell\x07")), undefined);
  assert.equal(textIn(bytes("\x1b[2J")), undefined);
  assert.equal(textIn(bytes("\xc2\x9b2J")), undefined);
  assert.equal(textIn(bytes("\xff")), undefined);
});

Deno.test("hexLines() shows positions, bytes and text", () => {
  const bytes = Uint8Array.from({ length: 18 }, (_, i) => i === 17 ? 0x41 : i);
  assert.equal(
    hexLines(bytes),
    "000000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  ................\n" +
      `000010  10 41${" ".repeat(42)}  .A`,
  );
  assert.equal(hexLines(new Uint8Array(0)), "");
});
