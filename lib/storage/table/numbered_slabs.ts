/**
 * Slabs by number. Numbers are small and are used again.
 *
 * @module
 */

import type { Slab } from "./slab.ts";

/** A list of slabs in which each keeps its number. */
export class NumberedSlabs {
  /** By number; `undefined` where there is none at present. */
  readonly slabs: (Slab | undefined)[] = [];
  /** By number: the version of the latest change, also if the slab is gone. */
  readonly versions: number[] = [];
  /** Numbers to use again. Some may be in use, because any number can be set. */
  readonly #unused: number[] = [];

  /** @param first The lowest number to use. */
  constructor(first: number) {
    for (let number = 0; number < first; number++) {
      this.slabs.push(undefined);
      this.versions.push(0);
    }
  }

  /** All numbers are less than this. */
  get limit(): number {
    return this.slabs.length;
  }

  /** A number without a slab. */
  unused(): number {
    for (let number = this.#unused.pop(); number !== undefined; number = this.#unused.pop()) {
      if (this.slabs[number] === undefined) return number;
    }
    return this.slabs.length;
  }

  /** Sets the slab with a number. */
  set(number: number, slab: Slab): void {
    this.extend(number);
    this.slabs[number] = slab;
  }

  /** Makes the limit exceed a number. */
  extend(number: number): void {
    while (this.slabs.length <= number) {
      this.#unused.push(this.slabs.length);
      this.slabs.push(undefined);
      this.versions.push(0);
    }
  }

  /** Removes the slab with a number. */
  remove(number: number): void {
    this.slabs[number] = undefined;
    this.#unused.push(number);
  }

  /** Notes the version of a change in the slab with a number. */
  touched(number: number, version: number): void {
    if (this.versions[number]! < version) this.versions[number] = version;
  }
}
