/**
 * The hash of keys: HalfSipHash-1-3 with a random seed.
 *
 * Clients choose the keys, so the hash must not let them choose keys that collide. Mixing a seed into
 * the start of FNV or of another chain of multiplications and shifts is not enough. A difference in
 * the top bit of a word survives multiplication by any odd number as it is, and the next word can
 * cancel it: such pairs of keys collide with every seed. HalfSipHash is a pseudorandom function of
 * a key and a 64-bit seed, made for hash tables on 32-bit words. Without the seed, collisions cannot
 * be computed in advance. Finding them by measuring how long requests take is out of scope, as in
 * Redis.
 *
 * Source: J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF", 2012, and the
 * HalfSipHash variant in the reference implementation of SipHash.
 *
 * @module
 */

/** A hash function of ranges of bytes with a seed of its own. */
export class KeyHash {
  readonly #k0: number;
  readonly #k1: number;

  /** @param seed Two words. @default {two random words} */
  constructor(seed: Uint32Array = crypto.getRandomValues(new Uint32Array(2))) {
    this.#k0 = seed[0]! | 0;
    this.#k1 = seed[1]! | 0;
  }

  /** The hash of a range: a signed 32-bit number. */
  of(bytes: Uint8Array, start: number, end: number): number {
    let v0 = this.#k0, v1 = this.#k1, v2 = 0x6c796765 ^ v0, v3 = 0x74656462 ^ v1;
    const length = end - start;
    let last = length << 24;
    for (; end - start >= 4; start += 4) {
      const block = bytes[start]! | bytes[start + 1]! << 8 | bytes[start + 2]! << 16 |
        bytes[start + 3]! << 24;
      v3 ^= block;
      v0 = (v0 + v1) | 0;
      v1 = (v1 << 5 | v1 >>> 27) ^ v0;
      v0 = v0 << 16 | v0 >>> 16;
      v2 = (v2 + v3) | 0;
      v3 = (v3 << 8 | v3 >>> 24) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = (v3 << 7 | v3 >>> 25) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = (v1 << 13 | v1 >>> 19) ^ v2;
      v2 = v2 << 16 | v2 >>> 16;
      v0 ^= block;
    }
    for (let shift = 0; start < end; start++, shift += 8) last |= bytes[start]! << shift;
    v3 ^= last;
    // The same round once more for the last block, then three times to finish. A function for the
    // round would have to return four numbers.
    for (let round = 0; round < 4; round++) {
      v0 = (v0 + v1) | 0;
      v1 = (v1 << 5 | v1 >>> 27) ^ v0;
      v0 = v0 << 16 | v0 >>> 16;
      v2 = (v2 + v3) | 0;
      v3 = (v3 << 8 | v3 >>> 24) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = (v3 << 7 | v3 >>> 25) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = (v1 << 13 | v1 >>> 19) ^ v2;
      v2 = v2 << 16 | v2 >>> 16;
      if (round === 0) {
        v0 ^= last;
        v2 ^= 0xff;
      }
    }
    return v1 ^ v3;
  }
}
