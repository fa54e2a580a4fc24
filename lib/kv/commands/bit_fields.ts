/**
 * Integers of 1 to 64 bits at any position in a string of bits, as BITFIELD has them: the most
 * significant bit first, signed ones in two's complement.
 *
 * @module
 */

/** The type of a field: `u8`, `i16` and so on. */
export interface FieldType {
  signed: boolean;
  /** 1 to 64 if signed, otherwise 1 to 63. */
  bits: number;
}

/** What to do with a value that a field cannot hold. */
export type OverflowRule = "wrap" | "sat" | "fail";

/** The largest field spans this many bytes: 64 bits that do not begin at a byte. */
const MAX_FIELD_BYTES = 9;

/** The number of bytes up to and including a field that begins at bit `offset`. */
export function bytesUpTo(offset: number, { bits }: FieldType): number {
  return Math.ceil((offset + bits) / 8);
}

/** Reads a field that begins at bit `offset`. Bytes beyond the end of the array count as 0. */
export function readField(bytes: Uint8Array, offset: number, type: FieldType): bigint {
  const { signed, bits } = type;
  const { word, shift } = wordAt(bytes, offset, type);
  const value = word >> shift;
  return signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

/** Writes a field, all of which lies inside the array; higher bits of the value are ignored. */
export function writeField(
  bytes: Uint8Array,
  value: bigint,
  { offset, type }: { offset: number; type: FieldType },
): void {
  const { word, shift } = wordAt(bytes, offset, type);
  const mask = ((1n << BigInt(type.bits)) - 1n) << shift;
  let rest = (word & ~mask) | ((value << shift) & mask);
  for (let at = bytesUpTo(offset, type) - 1; at >= Math.floor(offset / 8); at--) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}

/**
 * Makes a value fit a field.
 *
 * @returns The value to write, or `undefined` if the rule is to fail.
 */
export function fitField(
  value: bigint,
  { signed, bits }: FieldType,
  rule: OverflowRule,
): bigint | undefined {
  const max = (1n << BigInt(signed ? bits - 1 : bits)) - 1n;
  const min = signed ? -max - 1n : 0n;
  if (value >= min && value <= max) return value;
  if (rule === "fail") return undefined;
  if (rule === "sat") return value < min ? min : max;
  return signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

/** The bytes that a field touches as one integer, and how many of its lowest bits follow the field. */
function wordAt(bytes: Uint8Array, offset: number, type: FieldType) {
  const start = Math.floor(offset / 8), end = bytesUpTo(offset, type);
  let high = 0, low = 0;
  // Two halves of up to 48 bits are exact as numbers, and faster to build than one bigint.
  const middle = Math.min(end, start + MAX_FIELD_BYTES - 4);
  for (let at = start; at < middle; at++) high = high * 256 + (bytes[at] ?? 0);
  for (let at = middle; at < end; at++) low = low * 256 + (bytes[at] ?? 0);
  const word = (BigInt(high) << BigInt(8 * (end - middle))) | BigInt(low);
  return { word, shift: BigInt(8 * end - offset - type.bits) };
}
