import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import fc from "fast-check";
import { KeyWriter } from "../../../lib/mesh/keys/key_writer.ts";
import { putGeneral, putHuman, putNumeric } from "../../../lib/mesh/keys/number_key.ts";

/** The key of a text. */
function keyOf(put: typeof putNumeric, text: string): Uint8Array {
  const writer = new KeyWriter();
  writer.begin(Infinity);
  const bytes = new TextEncoder().encode(text);
  put(writer, bytes, 0, bytes.length);
  return writer.bytes.slice(0, writer.length);
}

function compare(put: typeof putNumeric, a: string, b: string): number {
  return Math.sign(Buffer.compare(keyOf(put, a), keyOf(put, b)));
}

/** Numbers of up to 80 digits before and after the point, as text and as multiples of 10^-80. */
const numbers = fc.tuple(
  fc.constantFrom("", "-"),
  fc.oneof(fc.constantFrom("", "0", "00"), fc.stringMatching(/^[0-9]{0,80}$/)),
  fc.oneof(fc.constantFrom("", "0", "00"), fc.stringMatching(/^[0-9]{0,80}$/)),
).map(([sign, whole, fraction]) => ({
  text: `${sign}${whole}${fraction === "" ? "" : "."}${fraction}`,
  value: BigInt(`${whole || "0"}${fraction.padEnd(80, "0")}`) * (sign === "-" ? -1n : 1n),
}));

for (const put of [putNumeric, putGeneral]) {
  Deno.test(`${put.name}() writes numbers of any length in their exact order`, () => {
    fc.assert(
      fc.property(numbers, numbers, (a, b) => {
        const hasDigits = /\d/.test(a.text) && /\d/.test(b.text);
        if (!hasDigits && put === putGeneral) return;
        const expected = a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
        assert.equal(compare(put, a.text, b.text), expected, `${a.text} and ${b.text}`);
      }),
      { numRuns: 2000 },
    );
  });
}

Deno.test("putNumeric() reads anything but a number as zero, and ignores what follows a number", () => {
  for (const text of ["", "-", "x1", "+1", ".", "-.", "0x", "- 1", "-0.00", "  \t"]) {
    assert.equal(compare(putNumeric, text, "0"), 0, text);
  }
  assert.equal(compare(putNumeric, " \t12.50.7", "12.5"), 0);
  assert.equal(compare(putNumeric, "1e9", "1"), 0);
  for (const text of ["1.5", "1.50", "1.500", "01.5"]) {
    assert.equal(compare(putNumeric, text, "1.5"), 0, text);
  }
});

Deno.test("putGeneral() knows exponents, infinity and NaN, and puts all else first", () => {
  const ascending = [
    ..."x nan -inf -1e1000000 -2 -1E1 1e-1000000 0.5 1 +1.5e0 15e-0 1e2 1e999999 inf".split(" "),
  ];
  const sorted = ["x", "nan", "-inf", "-1e1000000", "-1E1", "-2", "1e-1000000"];
  sorted.push("0.5", "1", "+1.5e0", "15e-0", "1e2", "1e999999", "inf");
  ascending.sort((a, b) => compare(putGeneral, a, b));
  assert.deepEqual(ascending, sorted);
  assert.equal(compare(putGeneral, "1.50e2", "150"), 0);
  assert.equal(compare(putGeneral, "1e", "1"), 0, "an exponent without digits");
  assert.equal(compare(putGeneral, "-infinity", "-inf"), 0);
  assert.equal(compare(putGeneral, "1e99999999999", "1e9999999999"), 0, "beyond the limit");
});

Deno.test("putHuman() compares the sign, then the unit, then the number", () => {
  const sorted = ["-1R", "-1M", "-9K", "-1K", "-5", "0Q", "7", "1k", "2K", "1M", "1G", "1T", "2Q"];
  const found = sorted.toReversed().sort((a, b) => compare(putHuman, a, b));
  assert.deepEqual(found, sorted);
  assert.equal(compare(putHuman, "1k", "1K"), 0);
});

Deno.test("a number that does not fit is cut, and says so", () => {
  const writer = new KeyWriter();
  writer.begin(8);
  putNumeric(writer, new TextEncoder().encode("1".repeat(100_000)), 0, 100_000);
  assert.deepEqual([writer.length, writer.cut], [8, true]);
});
