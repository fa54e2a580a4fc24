/**
 * The bytes of jobs, outside the JavaScript heap: a million jobs then cost the garbage collector
 * little. A job has one record in a slab:
 *
 * ```
 * created f64 · due f64 · delay f64 · time to run f64 · body length u32 · seven counts u32 · body
 * ```
 *
 * The times are there because V8 would box each of them in 16 bytes of its own.
 *
 * @module
 */

import {
  RecordMemory,
  type RecordMemoryOptions,
  TableFullError,
} from "../../storage/table/record_memory.ts";
import { copyValue, type Value, valueFrom } from "../../storage/value.ts";

/** The times of a job, in the order in which its record begins with them. */
export const TIME = { created: 0, due: 1, delay: 2, ttr: 3 } as const;

/** Which of its times to read or to write. */
export type TimeIndex = typeof TIME[keyof typeof TIME];

/** The counts of a job, as words of its record. `moved` is 0 or 1. */
export const COUNT = {
  reserves: 9,
  timeouts: 10,
  releases: 11,
  buries: 12,
  kicks: 13,
  attempts: 14,
  moved: 15,
} as const;

/** Which of its counts to read or to write. */
export type CountIndex = typeof COUNT[keyof typeof COUNT];

const LENGTH_WORD = 8;

/** The length of a record before its body. */
const HEAD_WORDS = 16;
const HEAD_BYTES = 4 * HEAD_WORDS;

/** Up to this length a loop is faster than a call to a native function. */
const MAX_LOOP_BYTES = 48;

/** The memory of the jobs of a queue. */
export class JobMemory {
  readonly #memory: RecordMemory;
  #jobs = 0;

  constructor(options: RecordMemoryOptions = {}) {
    this.#memory = new RecordMemory(options);
  }

  /** The number of jobs that have space. */
  get jobs(): number {
    return this.#jobs;
  }

  /**
   * Takes space for a job, and copies its body there. All times and counts are 0.
   *
   * @returns The address of the record.
   * @throws {TableFullError} If there is no memory.
   */
  add(body: Value): number {
    const address = this.#allocate(body.length);
    const slab = this.#memory.slabOf(address);
    copyValue(body, slab.bytes, 4 * this.#memory.wordOf(slab, address) + HEAD_BYTES);
    return address;
  }

  /**
   * As `add`, for all of these jobs or none.
   *
   * @returns The addresses of the records; `null` if there is not enough memory.
   */
  addAll(jobs: readonly { readonly body: Value }[]): number[] | null {
    const added: number[] = [];
    try {
      for (const { body } of jobs) added.push(this.add(body));
      return added;
    } catch (error) {
      for (const address of added) this.free(address);
      if (error instanceof TableFullError) return null;
      throw error;
    }
  }

  /** As `add`; the body is `bytes[start]` to `bytes[end - 1]`. */
  addRange(bytes: Uint8Array, start: number, end: number): number {
    const address = this.#allocate(end - start);
    const slab = this.#memory.slabOf(address);
    const at = 4 * this.#memory.wordOf(slab, address) + HEAD_BYTES;
    if (end - start > MAX_LOOP_BYTES) slab.bytes.set(bytes.subarray(start, end), at);
    else {for (let index = start; index < end; index++) {
        slab.bytes[at + index - start] = bytes[index]!;
      }}
    return address;
  }

  /** Returns the space of a job. */
  free(address: number): void {
    this.#memory.free(address);
    this.#jobs--;
  }

  /** One of the times of a job, in milliseconds. */
  time(address: number, index: TimeIndex): number {
    const slab = this.#memory.slabOf(address);
    return slab.floats[(this.#memory.wordOf(slab, address) >> 1) + index]!;
  }

  /** Sets one of the times of a job. */
  setTime(address: number, index: TimeIndex, timeMs: number): void {
    const slab = this.#memory.slabOf(address);
    slab.floats[(this.#memory.wordOf(slab, address) >> 1) + index] = timeMs;
  }

  /** One of the counts of a job. */
  count(address: number, index: CountIndex): number {
    const slab = this.#memory.slabOf(address);
    return slab.words[this.#memory.wordOf(slab, address) + index]!;
  }

  /** Sets one of the counts of a job. */
  setCount(address: number, index: CountIndex, count: number): void {
    const slab = this.#memory.slabOf(address);
    slab.words[this.#memory.wordOf(slab, address) + index] = count;
  }

  /** The length of the body of a job. */
  bodyLength(address: number): number {
    const slab = this.#memory.slabOf(address);
    return slab.words[this.#memory.wordOf(slab, address) + LENGTH_WORD]!;
  }

  /** A copy of the body of a job, or of its first `maxBytes`. */
  body(address: number, maxBytes = Infinity): Value {
    const slab = this.#memory.slabOf(address);
    const word = this.#memory.wordOf(slab, address);
    const start = 4 * word + HEAD_BYTES;
    const length = Math.min(slab.words[word + LENGTH_WORD]!, maxBytes);
    return valueFrom(slab.bytes, start, start + length);
  }

  #allocate(bodyBytes: number): number {
    const memory = this.#memory;
    const address = memory.allocate(HEAD_BYTES + bodyBytes);
    const slab = memory.slabOf(address);
    const word = memory.wordOf(slab, address);
    // A loop, because a native function takes longer for so few.
    for (let at = word; at < word + HEAD_WORDS; at++) slab.words[at] = 0;
    slab.words[word + LENGTH_WORD] = bodyBytes;
    this.#jobs++;
    return address;
  }
}
