/**
 * Visits all live records of a table in steps, between which the table may change.
 *
 * @module
 */

import type { RecordMemory } from "./record_memory.ts";
import { type Records, RecordState } from "./records.ts";

/**
 * A position among the records of a table. A record that stays where it is all the time is visited
 * once. One that is added, removed or moved meanwhile is visited or not.
 */
export class RecordCursor {
  readonly #memory: RecordMemory;
  readonly #records: Records;
  #slab = 1;
  #slot = 0;
  #large = 0;

  constructor(memory: RecordMemory, records: Records) {
    this.#memory = memory;
    this.#records = records;
  }

  /**
   * Adds the addresses of the next live records to an array.
   *
   * @param slots The most slots to look at.
   * @returns Whether this was the last step.
   */
  collect(into: number[], slots: number): boolean {
    const memory = this.#memory;
    while (slots > 0 && this.#slab < memory.slabs.limit) {
      const top = memory.slabs.slabs[this.#slab]?.top ?? 0;
      const end = Math.min(top, this.#slot + slots);
      slots -= end - this.#slot + 1;
      for (; this.#slot < end; this.#slot++) {
        this.#collectOne(memory.addressOf(this.#slab, this.#slot), into);
      }
      if (this.#slot >= top) {
        this.#slab++;
        this.#slot = 0;
      }
    }
    for (; slots > 0 && this.#large < memory.large.limit; this.#large++, slots--) {
      if (memory.large.slabs[this.#large] !== undefined) this.#collectOne(~this.#large, into);
    }
    return this.#slab >= memory.slabs.limit && this.#large >= memory.large.limit;
  }

  #collectOne(address: number, into: number[]): void {
    if (this.#records.state(address) === RecordState.live) into.push(address);
  }
}
