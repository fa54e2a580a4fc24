import assert from "node:assert/strict";
import fc from "fast-check";
import { addInt64, negateInt64, parseInt64 } from "../../lib/kv/int64.ts";

const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };

Deno.test("parseInt64 parses every 64-bit integer", () => {
  fc.assert(fc.property(fc.bigInt(INT64), (value) => {
    const parsed = parseInt64(String(value));
    assert.equal(BigInt(parsed!), value);
    assert.equal(typeof parsed === "number", Number.isSafeInteger(Number(value)));
  }));
});

for (
  const text of ["", "-", "+1", "01", "-0", " 1", "1 ", "1.0", "0x1", "9223372036854775808", "--1"]
) {
  Deno.test(`parseInt64 rejects ${JSON.stringify(text)}`, () => {
    assert.equal(parseInt64(text), undefined);
  });
}

Deno.test("addInt64 and negateInt64 are exact, and detect overflow", () => {
  fc.assert(fc.property(fc.bigInt(INT64), fc.bigInt(INT64), (a, b) => {
    const fits = (value: bigint) => value >= INT64.min && value <= INT64.max;
    const sum = addInt64(parseInt64(String(a))!, parseInt64(String(b))!);
    assert.equal(sum === undefined ? undefined : BigInt(sum), fits(a + b) ? a + b : undefined);
    const negated = negateInt64(parseInt64(String(a))!);
    assert.equal(negated === undefined ? undefined : BigInt(negated), fits(-a) ? -a : undefined);
  }));
});
