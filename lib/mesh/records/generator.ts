/**
 * The records of the sort benchmarks, byte for byte as gensort 1.5 writes them.
 *
 * All randomness comes from one linear congruential generator of 128 bits. Record n uses the states
 * X(n+1) to X(n+10), so neighbours share nine of ten states and a record costs one step. The state is
 * kept in limbs of 24 bits: their products add up exactly in doubles, and the ten high bytes, of which
 * records are made, are limbs 2 to 5, so no bits have to be shifted across limbs.
 *
 * @module
 */

/** Size of a generated record: a key of 10 bytes and a value of 90. */
export const GENERATED_RECORD_BYTES = 100;

/** Options for {@linkcode RecordGenerator}. */
export interface GeneratorOptions {
  /** Printable records that end in CR LF. @default {false} */
  ascii?: boolean;
  /** Keys that are distributed unevenly. @default {false} */
  skew?: boolean;
  /** The number of the first record. @default {0} */
  first?: number;
}

const MODULUS = 1n << 128n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;
const INCREMENT = 0x4a696d47726179524950202020202001n;

const LIMBS = 6;
const LIMB_BITS = 24;
const LIMB = 2 ** LIMB_BITS;
const LIMB_INVERSE = 2 ** -LIMB_BITS;
/** The last limb has the remaining 8 of 128 bits. */
const TOP_LIMB = 2 ** (128 - LIMB_BITS * (LIMBS - 1));

const KEY_BYTES = 10;
const HALVES_PER_DRAW = KEY_BYTES / 2;
const DRAWS_PER_RECORD = 10;
const HALVES_PER_RECORD = GENERATED_RECORD_BYTES / 2;
/** The number of records per block, which are first drawn and then written out. */
const RECORDS_PER_BLOCK = 512;

/** The masks for the ten draws of a binary record. That of the first draw, the key, is zero. */
const VALUE_MASKS = "00000000000000000000" +
  "F0E8E4E2E1D8D4D2D1CC" + "CAC9C6C5C3B8B4B2B1AC" + "AAA9A6A5A39C9A999695" +
  "938E8D8B87787472716C" + "6A696665635C5A595655" + "534E4D4B473C3A393635" +
  "332E2D2B271E1D1B170F" + "C8C4C2C1989492918CE0" + "170F332E2D2B271E1D1B";

const MASK_HALVES = new Uint16Array(Uint8Array.fromHex(VALUE_MASKS).buffer);

/** Skewed binary keys start with up to 48 bits of another key, skewed text keys with up to 6 bytes. */
const MAX_SKEW_BITS = 48;
const MAX_SKEW_BYTES = 6;

/** The number of strings of four printable characters, which are written at a time. */
const FOUR_CHARACTERS = 95 ** 4;
const SPACE = 0x20;
const HEX = new TextEncoder().encode("0123456789ABCDEF");

/** The state `n` steps after state 0, in O(log n). */
function stateAfter(n: number): bigint {
  let [factor, addend] = [1n, 0n];
  let [stepFactor, stepAddend] = [MULTIPLIER, INCREMENT];
  for (let left = BigInt(n); left > 0n; left >>= 1n) {
    if (left & 1n) {
      factor = factor * stepFactor % MODULUS;
      addend = (addend * stepFactor + stepAddend) % MODULUS;
    }
    stepAddend = (stepFactor + 1n) * stepAddend % MODULUS;
    stepFactor = stepFactor * stepFactor % MODULUS;
  }
  return addend;
}

function toLimbs(value: bigint): Float64Array {
  const limbs = new Float64Array(LIMBS);
  for (let i = 0; i < LIMBS; i++) {
    limbs[i] = Number((value >> BigInt(LIMB_BITS * i)) & BigInt(LIMB - 1));
  }
  return limbs;
}

type Limbs = [number, number, number, number, number, number];
const [A0, A1, A2, A3, A4, A5] = [...toLimbs(MULTIPLIER)] as Limbs;
const [C0, C1, C2, C3, C4, C5] = [...toLimbs(INCREMENT)] as Limbs;

/** Advances the state by one step. */
function step(x: Float64Array): void {
  const x0 = x[0]!, x1 = x[1]!, x2 = x[2]!, x3 = x[3]!, x4 = x[4]!, x5 = x[5]!;
  let t = A0 * x0 + C0;
  let carry = Math.floor(t * LIMB_INVERSE);
  x[0] = t - carry * LIMB;
  t = A0 * x1 + A1 * x0 + C1 + carry;
  carry = Math.floor(t * LIMB_INVERSE);
  x[1] = t - carry * LIMB;
  t = A0 * x2 + A1 * x1 + A2 * x0 + C2 + carry;
  carry = Math.floor(t * LIMB_INVERSE);
  x[2] = t - carry * LIMB;
  t = A0 * x3 + A1 * x2 + A2 * x1 + A3 * x0 + C3 + carry;
  carry = Math.floor(t * LIMB_INVERSE);
  x[3] = t - carry * LIMB;
  t = A0 * x4 + A1 * x3 + A2 * x2 + A3 * x1 + A4 * x0 + C4 + carry;
  carry = Math.floor(t * LIMB_INVERSE);
  x[4] = t - carry * LIMB;
  t = A0 * x5 + A1 * x4 + A2 * x3 + A3 * x2 + A4 * x1 + A5 * x0 + C5 + carry;
  x[5] = t - Math.floor(t / TOP_LIMB) * TOP_LIMB;
}

/** Writes the ten high bytes of a state, the highest first. */
function writeKey(x: Float64Array, into: Uint8Array, at: number): void {
  into[at] = x[5]!;
  for (let limb = 4; limb >= 2; limb--) {
    const value = x[limb]!;
    into[at + 13 - 3 * limb] = value >>> 16;
    into[at + 14 - 3 * limb] = value >>> 8;
    into[at + 15 - 3 * limb] = value;
  }
}

/** Writes `count` characters of `value` in base 95, the lowest digit first. */
function writeCharacters(value: number, count: number, into: Uint8Array, at: number): void {
  for (let i = 0; i < count; i++) {
    into[at + i] = SPACE + value % 95;
    value = Math.floor(value / 95);
  }
}

/** Divides a number of 64 bits by 95^4. */
function divide(high: number, low: number): { quotient: number; remainder: number } {
  const q2 = Math.floor(high / FOUR_CHARACTERS);
  const middle = (high - q2 * FOUR_CHARACTERS) * 0x10000 + (low >>> 16);
  const q1 = Math.floor(middle / FOUR_CHARACTERS);
  const last = (middle - q1 * FOUR_CHARACTERS) * 0x10000 + (low & 0xffff);
  const q0 = Math.floor(last / FOUR_CHARACTERS);
  return {
    quotient: q2 * 2 ** 32 + q1 * 0x10000 + q0,
    remainder: last - q0 * FOUR_CHARACTERS,
  };
}

/** Writes the ten characters of a text key. */
function writeTextKey(x: Float64Array, into: Uint8Array, at: number): void {
  const upper = divide(x[5]! * LIMB + x[4]!, ((x[3]! << 8) | (x[2]! >>> 16)) >>> 0);
  writeCharacters(upper.remainder, 4, into, at);
  writeCharacters(upper.quotient % FOUR_CHARACTERS, 4, into, at + 4);
  const lower = divide(
    (x[2]! & 0xffff) * 0x10000 + (x[1]! >>> 8),
    (((x[1]! & 0xff) << 24) | x[0]!) >>> 0,
  );
  writeCharacters(lower.remainder, 2, into, at + 8);
}

/** The keys from which skewed keys take their prefixes, one for each bit length. */
function skewKeys(write: typeof writeKey): Uint8Array[] {
  const state = toLimbs(stateAfter(1));
  return Array.from({ length: 54 }, () => {
    const key = new Uint8Array(KEY_BYTES);
    write(state, key, 0);
    step(state);
    return key;
  });
}

function bitLength(n: number): number {
  return n < 1 ? 0 : n < 2 ** 32 ? 32 - Math.clz32(n) : 64 - Math.clz32(Math.floor(n / 2 ** 32));
}

/** Generates consecutive records. */
export class RecordGenerator {
  readonly #ascii: boolean;
  readonly #keys: Uint8Array[] | undefined;
  #next: number;
  /** The first state of the next record. */
  readonly #state: Float64Array;

  constructor(options: GeneratorOptions = {}) {
    this.#ascii = options.ascii ?? false;
    this.#next = options.first ?? 0;
    if (options.skew) this.#keys = skewKeys(this.#ascii ? writeTextKey : writeKey);
    this.#state = toLimbs(stateAfter(this.#next + 1));
  }

  /**
   * Fills a buffer with the next records.
   *
   * @param into The buffer. Its length is a multiple of {@linkcode GENERATED_RECORD_BYTES}, and its
   * offset in its buffer is even.
   */
  fill(into: Uint8Array): void {
    const count = into.length / GENERATED_RECORD_BYTES;
    for (let done = 0; done < count; done += RECORDS_PER_BLOCK) {
      const n = Math.min(RECORDS_PER_BLOCK, count - done);
      const at = done * GENERATED_RECORD_BYTES;
      const block = into.subarray(at, at + n * GENERATED_RECORD_BYTES);
      if (this.#ascii) this.#fillText(block, n);
      else this.#fillBinary(block, n);
      this.#next += n;
    }
  }

  readonly #draws = new Uint8Array((RECORDS_PER_BLOCK + DRAWS_PER_RECORD) * KEY_BYTES);
  readonly #skewBits = new Uint8Array(RECORDS_PER_BLOCK);

  #fillBinary(block: Uint8Array, n: number): void {
    const state = this.#state.slice();
    const draws = this.#draws;
    for (let i = 0; i < n + DRAWS_PER_RECORD - 1; i++) {
      if (i === n) this.#state.set(state);
      if (i < n) this.#skewBits[i] = (state[1]! >>> 8) & 63;
      writeKey(state, draws, i * KEY_BYTES);
      step(state);
    }
    const from = new Uint16Array(draws.buffer);
    const to = new Uint16Array(block.buffer, block.byteOffset, n * HALVES_PER_RECORD);
    for (let i = 0; i < n; i++) {
      const source = i * HALVES_PER_DRAW;
      const target = i * HALVES_PER_RECORD;
      for (let j = 0; j < HALVES_PER_RECORD; j++) {
        to[target + j] = from[source + j]! ^ MASK_HALVES[j]!;
      }
    }
    if (!this.#keys) return;
    for (let i = 0; i < n; i++) {
      const bits = this.#skewBits[i]!;
      if (bits > MAX_SKEW_BITS) continue;
      const key = this.#keys[bitLength(this.#next + i)]!;
      const at = i * GENERATED_RECORD_BYTES;
      const whole = bits >>> 3;
      for (let j = 0; j < whole; j++) block[at + j] = key[j]!;
      const mask = 0xff00 >>> (bits & 7) & 0xff;
      block[at + whole] = (key[whole]! & mask) | (block[at + whole]! & ~mask);
    }
  }

  #fillText(block: Uint8Array, n: number): void {
    const x = this.#state;
    for (let i = 0; i < n; i++) {
      const at = i * GENERATED_RECORD_BYTES;
      const number = this.#next + i;
      writeTextKey(x, block, at);
      const skew = (x[1]! >>> 8) & 7;
      if (this.#keys && skew <= MAX_SKEW_BYTES) {
        const key = this.#keys[bitLength(number)]!;
        for (let j = 0; j < skew; j++) block[at + j] = key[j]!;
      }
      block[at + 10] = block[at + 11] = SPACE;
      block.fill(HEX[0]!, at + 12, at + 44);
      for (let j = 43, rest = number; rest > 0; j--) {
        block[at + j] = HEX[rest % 16]!;
        rest = Math.floor(rest / 16);
      }
      block[at + 44] = block[at + 45] = SPACE;
      let low = ((x[1]! & 0xff) << 24) | x[0]!;
      let high = (x[2]! & 0xffff) << 16 | (x[1]! >>> 8);
      for (let j = 12; j >= 0; j--) {
        const digit = HEX[low & 15]!;
        const to = at + 46 + 4 * j;
        block[to] =
          block[to + 1] =
          block[to + 2] =
          block[to + 3] =
            digit;
        low = (low >>> 4) | (high << 28);
        high >>>= 4;
      }
      block[at + 98] = 0x0d;
      block[at + 99] = 0x0a;
      step(x);
    }
  }
}
