/**
 * Input for fuzzing: samples of what a parser accepts, joined and damaged. Everything comes from
 * fast-check, which finds the smallest input that fails and repeats it from a seed.
 *
 * @module
 */

import fc from "fast-check";
import { joinBytes } from "../../lib/join_bytes.ts";

const encoder = new TextEncoder();

/** A valid input, or the start of one. */
export type Sample = string | Uint8Array;

/** Pieces at which parsers have failed before: limits of numbers, line ends, quotes, long blanks. */
const TROUBLESOME: readonly Sample[] = [
  ...["\r", "\n", "\r\n", " ", "\t", "\0", "'", '"', "\\", "\x7f", ",", "=", ":", "*", "$", "-"],
  ...["-1", "0", "00", "1e9", "255", "65535", "65536", "2147483648", "4294967295", "4294967296"],
  ...["9007199254740993", "9223372036854775808", "18446744073709551616", "9".repeat(30), "NaN"],
  ...["__proto__", "constructor", "toString", "null", "{}", "[]", "ä", "\u{1f600}", "\ufeff"],
  ...[" ".repeat(5000), "a".repeat(5000), "[".repeat(2000)],
  Uint8Array.of(0xff),
  Uint8Array.of(0x80),
  Uint8Array.of(0xc0, 0x80),
  Uint8Array.of(0xed, 0xa0, 0x80),
];

/** The most samples that one input joins, and the most places at which it is damaged. */
const SAMPLES_MAX = 5, EDITS_MAX = 6;
/** The most bytes that one edit removes. */
const REMOVED_MAX_BYTES = 30;

/** What lies around a piece. */
const MARGIN_BYTES = 16;

/** A place, some bytes to remove there and others to put in instead. */
interface Edit {
  /** Taken modulo the length. */
  at: number;
  removed: number;
  inserted: Uint8Array;
}

/** A sample as bytes. */
export function bytesOf(sample: Sample): Uint8Array {
  return typeof sample === "string" ? encoder.encode(sample) : sample;
}

/** Bytes that begin as valid input and are damaged in a few places, or not at all. */
export function damaged(samples: readonly Sample[]): fc.Arbitrary<Uint8Array> {
  const sample = fc.constantFrom(...samples.map(bytesOf));
  const inserted = fc.oneof(
    fc.constantFrom(...TROUBLESOME.map(bytesOf)),
    fc.uint8Array({ maxLength: 8 }),
    sample,
  );
  const edit = fc.record({
    at: fc.nat(0xffff),
    removed: fc.oneof(fc.constant(0), fc.constant(1), fc.nat(REMOVED_MAX_BYTES)),
    inserted: fc.oneof(fc.constant(new Uint8Array(0)), inserted),
  });
  return fc.tuple(
    fc.array(sample, { minLength: 1, maxLength: SAMPLES_MAX }),
    fc.array(edit, { maxLength: EDITS_MAX }),
  ).map(([parts, edits]) => edits.reduce(apply, joinBytes(parts)));
}

function apply(bytes: Uint8Array, { at, removed, inserted }: Edit): Uint8Array {
  const start = at % (bytes.length + 1);
  return joinBytes([bytes.subarray(0, start), inserted, bytes.subarray(start + removed)]);
}

/** Lengths of pieces, used again and again until an input is used up. */
export const pieceLengths: fc.Arbitrary<number[]> = fc.array(
  fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 5000 })),
  { minLength: 1, maxLength: 8 },
);

/**
 * Cuts bytes into pieces. Each is a view of a larger array that is filled with `around` before and
 * behind it, and all over once the next piece is asked for. So a parser that reads beyond its piece,
 * or keeps it, gives itself away.
 */
export function* cut(
  bytes: Uint8Array,
  lengths: readonly number[],
  around: number,
): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const piece = bytes.subarray(at, at + lengths[i % lengths.length]!);
    const array = new Uint8Array(piece.length + 2 * MARGIN_BYTES).fill(around);
    array.set(piece, MARGIN_BYTES);
    yield array.subarray(MARGIN_BYTES, MARGIN_BYTES + piece.length);
    array.fill(around);
    at += piece.length;
  }
}

/** Puts pieces together again. */
export function joined(pieces: Iterable<Uint8Array>): Uint8Array {
  return joinBytes(Array.from(pieces, (piece) => piece.slice()));
}
