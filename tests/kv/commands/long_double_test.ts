import assert from "node:assert/strict";
import fc from "fast-check";
import { addDecimals, isDecimal } from "../../../lib/kv/commands/long_double.ts";
import { assertQuick } from "../../support/within.ts";

// Replies of Redis 7.0 on x86-64.
const SUMS: [a: string, b: string, sum: string][] = [
  ["10.5", "0.1", "10.6"],
  ["0.1", "0.2", "0.3"],
  ["5.0e3", "2.0e2", "5200"],
  ["1", "-1.1", "-0.1"],
  ["1.5", "-1.5", "0"],
  ["-0.000000000000000001", "0", "0"],
  ["17179869184", "1.5", "17179869185.5"],
  ["3", "1.000000000000000005", "4.00000000000000001"],
  ["0x1p3", "0x.8p0", "8.5"],
  ["1e30", "1", "1000000000000000000024696061952"],
  ["9007199254740993", "0.5", "9007199254740993.5"],
];

for (const [a, b, sum] of SUMS) {
  Deno.test(`addDecimals: ${a} + ${b} = ${sum}`, () => {
    assert.deepEqual(addDecimals(a, b), { ok: true, sum });
  });
}

Deno.test("addDecimals rejects invalid numbers and infinite sums", () => {
  for (const text of ["", " 1", "1 ", "a", "1e", "nan", "0x", ".", "1_0", "1e5000", "1e-5000"]) {
    assert.ok(!isDecimal(text), text);
  }
  assert.deepEqual(addDecimals("inf", "1"), { ok: false, failure: "infinite" });
  assert.deepEqual(addDecimals("1e4932", "1e4932"), { ok: false, failure: "infinite" });
});

Deno.test("addDecimals rejects huge exponents quickly", async () => {
  await assertQuick(500, () => {
    for (
      const text of ["1e999999999999", "1e-999999999999", "0x1p99999999999", "0x1p-9999999999"]
    ) {
      assert.ok(!isDecimal(text));
    }
  });
});

Deno.test("addDecimals is at least as precise as a sum of doubles", () => {
  const number = fc.double({ noNaN: true, min: -1e15, max: 1e15 });
  fc.assert(fc.property(number, number, (a, b) => {
    const result = addDecimals(String(a), String(b));
    assert.ok(result.ok);
    const error = Math.abs(Number(result.sum) - (a + b));
    assert.ok(error <= 1e-15 * (Math.abs(a) + Math.abs(b)) + 1e-17);
    assert.ok(/^-?\d+(\.\d{1,17})?$/.test(result.sum) && !/\.\d*0$/.test(result.sum));
  }));
});
