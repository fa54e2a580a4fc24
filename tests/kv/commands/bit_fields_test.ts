import assert from "node:assert/strict";
import fc from "fast-check";
import {
  bytesUpTo,
  type FieldType,
  fitField,
  readField,
  writeField,
} from "../../../lib/kv/commands/bit_fields.ts";

const someType: fc.Arbitrary<FieldType> = fc.boolean().chain((signed) =>
  fc.integer({ min: 1, max: signed ? 64 : 63 }).map((bits) => ({ signed, bits }))
);
const someOffset = fc.nat(40);
const someInteger = fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n });

/** All bits, as text. */
function bitsOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
}

Deno.test("readField reads the bits of a field; those beyond the end are 0", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 16 }), someOffset, someType, (bytes, offset, type) => {
      const { signed, bits } = type;
      const text = bitsOf(bytes).padEnd(200, "0").slice(offset, offset + bits);
      const value = BigInt(`0b${text}`);
      const wanted = signed ? BigInt.asIntN(bits, value) : value;
      assert.equal(readField(bytes, offset, type), wanted);
    }),
  );
});

Deno.test("writeField changes the bits of the field and no others", () => {
  const bytes = fc.uint8Array({ minLength: 14, maxLength: 14 });
  fc.assert(fc.property(bytes, someOffset, someType, someInteger, (bytes, offset, type, value) => {
    const before = bitsOf(bytes);
    writeField(bytes, value, { offset, type });
    const { signed, bits } = type;
    const kept = signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
    assert.equal(readField(bytes, offset, type), kept);
    const after = bitsOf(bytes);
    assert.equal(after.slice(0, offset), before.slice(0, offset));
    assert.equal(after.slice(offset + bits), before.slice(offset + bits));
  }));
});

Deno.test("bytesUpTo returns the number of bytes that a field needs", () => {
  assert.equal(bytesUpTo(0, { signed: false, bits: 1 }), 1);
  assert.equal(bytesUpTo(0, { signed: false, bits: 8 }), 1);
  assert.equal(bytesUpTo(1, { signed: false, bits: 8 }), 2);
  assert.equal(bytesUpTo(7, { signed: true, bits: 64 }), 9);
});

Deno.test("fitField keeps what fits, and wraps, saturates or fails otherwise", () => {
  const u8 = { signed: false, bits: 8 }, i8 = { signed: true, bits: 8 };
  const i64 = { signed: true, bits: 64 };
  assert.equal(fitField(255n, u8, "fail"), 255n);
  assert.equal(fitField(256n, u8, "fail"), undefined);
  assert.equal(fitField(-1n, u8, "fail"), undefined);
  assert.equal(fitField(256n, u8, "wrap"), 0n);
  assert.equal(fitField(-1n, u8, "wrap"), 255n);
  assert.equal(fitField(300n, u8, "sat"), 255n);
  assert.equal(fitField(-300n, u8, "sat"), 0n);
  assert.equal(fitField(128n, i8, "wrap"), -128n);
  assert.equal(fitField(128n, i8, "sat"), 127n);
  assert.equal(fitField(-129n, i8, "sat"), -128n);
  assert.equal(fitField(2n ** 63n, i64, "wrap"), -(2n ** 63n));
  assert.equal(fitField(2n ** 63n, i64, "sat"), 2n ** 63n - 1n);
});
