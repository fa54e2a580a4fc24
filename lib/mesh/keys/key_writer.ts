/**
 * The bytes of a key while it is being built.
 *
 * @module
 */

const FIRST_CAPACITY_BYTES = 64;
/** Ends a text. Bytes below {@linkcode FIRST_PLAIN} are written as two, so that none equals it. */
const TEXT_END = 0x00;
const ESCAPE = 0x01;
const FIRST_PLAIN = 0x02;

/**
 * Collects the bytes of a key up to a limit. It keeps its memory between keys.
 *
 * While `reversed` is set, every byte is complemented. That reverses the order of keys, as long as
 * none is the beginning of another.
 */
export class KeyWriter {
  /** The key; only the first `length` bytes count. */
  bytes = new Uint8Array(FIRST_CAPACITY_BYTES);
  /** The length of the key so far. */
  length = 0;
  /** Whether the key is longer than the limit, so that its end is missing. */
  cut = false;
  #limitBytes = 0;
  #mask = 0;

  /** Begins a key of at most `limitBytes`, which may be infinite. */
  begin(limitBytes: number): void {
    this.length = 0;
    this.cut = false;
    this.#limitBytes = limitBytes;
    this.#mask = 0;
  }

  /** Sets whether the bytes that follow are complemented. */
  set reversed(reversed: boolean) {
    this.#mask = reversed ? 0xff : 0;
  }

  /** Complements the bytes that follow, unless they already are; then no longer. */
  flip(): void {
    this.#mask ^= 0xff;
  }

  /** Adds a byte, or notes that there is no space for it. */
  put(byte: number): void {
    const at = this.length;
    if (at >= this.#limitBytes) {
      this.cut = true;
      return;
    }
    if (at === this.bytes.length) this.#grow(at + 1);
    this.bytes[at] = byte ^ this.#mask;
    this.length = at + 1;
  }

  /** Adds a number below 2^32 as four bytes. */
  putWord(word: number): void {
    for (let shift = 24; shift >= 0; shift -= 8) this.put(word >>> shift & 0xff);
  }

  /**
   * Adds a text and an end mark that is below all its bytes, so that a text sorts after its own
   * beginnings, no matter what follows in the key.
   *
   * @param map Replaces each byte of the text; without it they stay as they are.
   */
  putText(source: Uint8Array, from: number, to: number, map?: Uint8Array): void {
    for (let i = from; i < to && !this.cut; i++) {
      const byte = map === undefined ? source[i]! : map[source[i]!]!;
      if (byte < FIRST_PLAIN) {
        this.put(ESCAPE);
        this.put(byte + 1);
      } else {
        this.put(byte);
      }
    }
    this.put(TEXT_END);
  }

  /** Adds bytes as they are. They must be the last ones of the key, and not reversed. */
  putRest(source: Uint8Array, from: number, to: number): void {
    const count = Math.min(to - from, this.#limitBytes - this.length);
    if (count < to - from) this.cut = true;
    const end = this.length + count;
    if (end > this.bytes.length) this.#grow(end);
    const bytes = this.bytes;
    for (let i = this.length, j = from; i < end; i++, j++) bytes[i] = source[j]!;
    this.length = end;
  }

  #grow(bytes: number): void {
    const larger = new Uint8Array(Math.max(bytes, 2 * this.bytes.length));
    larger.set(this.bytes);
    this.bytes = larger;
  }
}
