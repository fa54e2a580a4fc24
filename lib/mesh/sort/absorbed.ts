import { CrcSum, type Tally } from "../records/checksum.ts";

/** Counts entries that were absorbed: each only raised the count of another one. */
export class Absorbed {
  #records = 0;
  #bytes = 0;
  #sum = new CrcSum();

  /** Counts one, by its size in a file and its CRC-32. */
  add(bytes: number, crc: number): void {
    this.#records++;
    this.#bytes += bytes;
    this.#sum.addCrc(crc);
  }

  /** The tally of those since the last call; `undefined` if there are none. */
  take(): Tally | undefined {
    if (this.#records === 0) return undefined;
    const tally = { records: this.#records, bytes: this.#bytes, sum: this.#sum.value };
    this.#records = this.#bytes = 0;
    this.#sum = new CrcSum();
    return tally;
  }
}
