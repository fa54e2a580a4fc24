import type { LineOrder } from "./line_order.ts";
import type { RecordFormat } from "./record_format.ts";

/** `uniq -c` aligns counts of up to so many digits. */
const ALIGNED_DIGITS = 7;
const RECORD_COUNT_BYTES = 8;
const SPACE = 0x20;
const ZERO = 0x30;
const HEADER = "count";

/**
 * How a count is written in front of its entry in the output: as `uniq -c` does in front of a line, as
 * one more field in front of a record of CSV, and as a big-endian u64 in front of a record of fixed
 * size, so that `--record` and `--key 0:8` can sort the output by it.
 */
export class CountForm {
  readonly #isWanted: boolean;
  readonly #isRecord: boolean;
  /** The byte behind a count, and how many digits are aligned. */
  readonly #end: number;
  readonly #alignedDigits: number;

  constructor({ recordBytes, reduce }: RecordFormat, { csv, separator }: LineOrder) {
    this.#isWanted = reduce === "count";
    this.#isRecord = recordBytes > 0;
    this.#end = csv ? separator! : SPACE;
    this.#alignedDigits = csv ? 1 : ALIGNED_DIGITS;
  }

  /** How many bytes a count takes; none if entries are not counted. */
  bytesOf(count: number): number {
    if (!this.#isWanted) return 0;
    if (this.#isRecord) return RECORD_COUNT_BYTES;
    let digits = 1;
    for (let most = 10; count >= most; most *= 10) digits++;
    return Math.max(digits, this.#alignedDigits) + 1;
  }

  /** Writes a count to its `bytesOf` bytes. */
  write(into: Uint8Array, at: number, count: number): void {
    const bytes = this.bytesOf(count);
    if (bytes === 0) return;
    if (this.#isRecord) {
      for (let i = bytes - 1, rest = count; i >= 0; i--, rest = Math.floor(rest / 256)) {
        into[at + i] = rest % 256;
      }
      return;
    }
    into[at + bytes - 1] = this.#end;
    let rest = count;
    for (let i = bytes - 2; i >= 0; i--) {
      into[at + i] = rest === 0 && i < bytes - 2 ? SPACE : ZERO + rest % 10;
      rest = Math.floor(rest / 10);
    }
  }

  /** The header of the output of CSV: that of the inputs, with a field for the counts if there are any. */
  header(header: Uint8Array): Uint8Array {
    if (!this.#isWanted || header.length === 0) return header;
    const field = new TextEncoder().encode(HEADER);
    const whole = new Uint8Array(field.length + 1 + header.length);
    whole.set(field);
    whole[field.length] = this.#end;
    whole.set(header, field.length + 1);
    return whole;
  }
}
