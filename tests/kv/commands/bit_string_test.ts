import assert from "node:assert/strict";
import fc from "fast-check";
import {
  bitAt,
  type BitOperation,
  combineBits,
  countBits,
  findBit,
  invertBits,
} from "../../../lib/kv/commands/bit_string.ts";

/** Bytes at any alignment, with long runs of equal bits. */
const someBytes = fc.tuple(
  fc.array(fc.constantFrom(0, 0, 0xff, 0xff, 0x01, 0x80, 0x5a), { minLength: 1, maxLength: 24 }),
  fc.integer({ min: 0, max: 3 }),
).map(([bytes, offset]) => {
  const buffer = new Uint8Array(offset + bytes.length);
  buffer.set(bytes, offset);
  return buffer.subarray(offset);
});

/** Bytes, and a range of bits in them. */
const someRange = someBytes.chain((bytes) => {
  const bit = fc.integer({ min: 0, max: 8 * bytes.length - 1 });
  return fc.tuple(fc.constant(bytes), bit, bit).map(([bytes, a, b]) => ({
    bytes,
    first: Math.min(a, b),
    last: Math.max(a, b),
  }));
});

/** All bits, as text. */
function bitsOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
}

Deno.test("bitAt returns each bit of bytes and of text, and 0 beyond the end", () => {
  fc.assert(fc.property(someBytes, (bytes) => {
    const bits = bitsOf(bytes) + "0".repeat(20);
    const text = String.fromCharCode(...bytes);
    for (let at = 0; at < bits.length; at++) {
      assert.equal(bitAt(bytes, at), Number(bits[at]));
      assert.equal(bitAt(text, at), Number(bits[at]));
    }
  }));
});

Deno.test("countBits counts the ones of any range", () => {
  fc.assert(fc.property(someRange, ({ bytes, first, last }) => {
    const ones = bitsOf(bytes).slice(first, last + 1).replaceAll("0", "").length;
    assert.equal(countBits(bytes, first, last), ones);
  }));
});

Deno.test("findBit finds the first one or zero of any range", () => {
  fc.assert(fc.property(someRange, fc.constantFrom(0, 1), ({ bytes, first, last }, bit) => {
    const at = bitsOf(bytes).slice(first, last + 1).indexOf(String(bit));
    assert.equal(findBit(bytes, bit, first, last), at < 0 ? -1 : first + at);
  }));
});

Deno.test("invertBits turns over the bits of a range of bytes only", () => {
  fc.assert(fc.property(someRange, ({ bytes, first, last }) => {
    const start = first >> 3, end = (last >> 3) + 1;
    const wanted = [...bytes].map((byte, at) => at >= start && at < end ? byte ^ 0xff : byte);
    const copy = new Uint8Array(bytes.length + 1).subarray(1);
    copy.set(bytes);
    invertBits(copy, start, end);
    assert.deepEqual([...copy], wanted);
  }));
});

Deno.test("combineBits combines a range with an array of any length and alignment", () => {
  const rules: Record<BitOperation, (a: number, b: number) => number> = {
    and: (a, b) => a & b,
    or: (a, b) => a | b,
    xor: (a, b) => a ^ b,
  };
  const operation = fc.constantFrom<BitOperation>("and", "or", "xor");
  fc.assert(fc.property(operation, someBytes, someBytes, fc.nat(6), fc.nat(24), (
    operation,
    a,
    b,
    words,
    length,
  ) => {
    const into = a.slice();
    const start = Math.min(4 * words, into.length - into.length % 4);
    const end = Math.min(into.length, start + length);
    const wanted = [...into].map((byte, at) =>
      at >= start && at < end ? rules[operation](byte, b[at] ?? 0) : byte
    );
    combineBits(operation, into, b, { start, end });
    assert.deepEqual([...into], wanted);
  }));
});
