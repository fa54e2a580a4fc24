import assert from "node:assert/strict";
import { commonHeader } from "../../../lib/mesh/job/csv_header.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("commonHeader() is the first header that is not empty, with a newline", () => {
  assert.equal(decode(commonHeader([])), "");
  assert.equal(decode(commonHeader([encode(""), encode("")])), "");
  assert.equal(decode(commonHeader([encode(""), encode("a,b")])), "a,b\n");
  assert.equal(decode(commonHeader([encode("a,b\r\n"), encode("a,b")])), "a,b\r\n");
});

Deno.test("commonHeader() completes a header of a megabyte that ends without a newline", () => {
  const header = new Uint8Array(2 ** 20).fill(0x61);
  const common = commonHeader([header]);
  assert.equal(common.length, 2 ** 20 + 1);
  assert.equal(common.at(-1), 0x0a);
});
