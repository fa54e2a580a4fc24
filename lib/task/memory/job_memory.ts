/**
 * The bytes of jobs, outside the JavaScript heap: a million jobs then cost the garbage collector
 * little. A job has one record in a slab:
 *
 * ```
 * created f64 · due f64 · delay f64 · time to run f64 · body length u32 · reserves u32 · body
 * ```
 *
 * The numbers are there because V8 would box each of the times in 16 bytes of its own.
 *
 * @module
 */

import { RecordMemory } from "../../storage/table/record_memory.ts";
import { copyValue, type Value, valueFrom } from "../../storage/value.ts";

/** The times of a job, as indexes of the numbers that its record begins with. */
export const TIME = { created: 0, due: 1, delay: 2, ttr: 3 } as const;

/** Which of its times to read or to write. */
export type TimeIndex = typeof TIME[keyof typeof TIME];

const LENGTH_WORD = 8;
const RESERVES_WORD = 9;

/** The length of a record before its body. */
const HEAD_BYTES = 40;

/** The memory of the jobs of a queue. */
export class JobMemory {
  readonly #memory = new RecordMemory();
  #jobs = 0;

  /** The number of jobs that have space. */
  get jobs(): number {
    return this.#jobs;
  }

  /**
   * Takes space for a job, and copies its body there. The numbers are left for the caller to set.
   *
   * @returns The address of the record.
   * @throws {TableFullError} If there is no memory.
   */
  add(body: Value): number {
    const memory = this.#memory;
    const address = memory.allocate(HEAD_BYTES + body.length);
    const slab = memory.slabOf(address);
    const word = memory.wordOf(slab, address);
    slab.words[word + LENGTH_WORD] = body.length;
    slab.words[word + RESERVES_WORD] = 0;
    copyValue(body, slab.bytes, 4 * word + HEAD_BYTES);
    this.#jobs++;
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

  /** How often a job was reserved. */
  reserves(address: number): number {
    const slab = this.#memory.slabOf(address);
    return slab.words[this.#memory.wordOf(slab, address) + RESERVES_WORD]!;
  }

  /** Sets how often a job was reserved. */
  setReserves(address: number, reserves: number): void {
    const slab = this.#memory.slabOf(address);
    slab.words[this.#memory.wordOf(slab, address) + RESERVES_WORD] = reserves;
  }

  /** The length of the body of a job. */
  bodyLength(address: number): number {
    const slab = this.#memory.slabOf(address);
    return slab.words[this.#memory.wordOf(slab, address) + LENGTH_WORD]!;
  }

  /** A copy of the body of a job. */
  body(address: number): Value {
    const slab = this.#memory.slabOf(address);
    const word = this.#memory.wordOf(slab, address);
    const start = 4 * word + HEAD_BYTES;
    return valueFrom(slab.bytes, start, start + slab.words[word + LENGTH_WORD]!);
  }
}
