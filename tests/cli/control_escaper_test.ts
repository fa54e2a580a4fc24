import assert from "node:assert/strict";
import fc from "fast-check";
import { ControlEscaper, escapeControls } from "../../lib/cli/control_escaper.ts";

/** What is shown of chunks of bytes that arrive one after the other. */
function show(...chunks: Uint8Array[]): Uint8Array {
  const escaper = new ControlEscaper();
  const shown = [...chunks.map((chunk) => escaper.push(chunk).slice()), escaper.end()];
  return Uint8Array.from(shown.flatMap((bytes) => [...bytes]));
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("ControlEscaper: shows text as it is, and control characters as \\x1b", () => {
  const cases: [string, string][] = [
    ["plain\ttext\nof two lines\r\n", "plain\ttext\nof two lines\r\n"],
    ["é ß € 漢 😀", "é ß € 漢 😀"],
    ["\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"],
    ["\x1b]0;title\x07", "\\x1b]0;title\\x07"],
    ["over\rwritten", "over\\x0dwritten"],
    ["at the end\r", "at the end\\x0d"],
    ["\0\b\v\f\x7f", "\\x00\\x08\\x0b\\x0c\\x7f"],
    ["\u0080\u009b31m\u009f\u00a0", "\\xc2\\x80\\xc2\\x9b31m\\xc2\\x9f\u00a0"],
  ];
  for (const [text, shown] of cases) assert.equal(escapeControls(text), shown);
});

Deno.test("ControlEscaper: escapes each byte that is no part of valid UTF-8", () => {
  const cases: [number[], string][] = [
    [[0x9b, 0x33], "\\x9b3"],
    [[0xc0, 0x9b], "\\xc0\\x9b"],
    [[0xe0, 0x80, 0x9b], "\\xe0\\x80\\x9b"],
    [[0xed, 0xa0, 0x80], "\\xed\\xa0\\x80"],
    [[0xf0, 0x80, 0x80, 0x9b], "\\xf0\\x80\\x80\\x9b"],
    [[0xf4, 0x90, 0x80, 0x80], "\\xf4\\x90\\x80\\x80"],
    [[0xf5, 0x80, 0x80, 0x80], "\\xf5\\x80\\x80\\x80"],
    [[0xe2, 0x82, 0x41], "\\xe2\\x82A"],
    [[0xe2, 0x82], "\\xe2\\x82"],
  ];
  for (const [bytes, shown] of cases) {
    assert.equal(new TextDecoder().decode(show(Uint8Array.from(bytes))), shown);
  }
});

Deno.test("ControlEscaper: shows the same however the bytes are cut", () => {
  const text = bytesOf("a\r\nb\rc é€😀\x1b\u009b");
  const bytes = Uint8Array.of(...text, 0xff, 0xe2, 0x82, 0x0d);
  const whole = show(bytes);
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) {
      const chunks = [bytes.slice(0, first), bytes.slice(first, second), bytes.slice(second)];
      assert.deepEqual(show(...chunks), whole, `cut at ${first} and ${second}`);
    }
  }
});

Deno.test("ControlEscaper: whatever arrives, only valid text without controls is shown", () => {
  const chunk = fc.uint8Array({ maxLength: 12 });
  fc.assert(fc.property(fc.array(chunk, { maxLength: 6 }), (chunks) => {
    const shown = new TextDecoder("utf-8", { fatal: true }).decode(show(...chunks));
    assert.doesNotMatch(shown.replaceAll("\r\n", ""), /[^\P{Cc}\t\n]/u);
  }));
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    const harmless = text.replaceAll(/[^\P{Cc}\t\n]/gu, "");
    assert.equal(escapeControls(harmless), harmless);
  }));
});
