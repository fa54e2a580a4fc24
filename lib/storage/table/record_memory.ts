/**
 * The memory of a table: slabs with slots for records of each size class, and large records.
 *
 * An address is a signed 32-bit number. A positive one is the number of a slab (16 bits) and of a
 * slot in it (15 bits); a negative one is the complement of the number of a large record. 0 stands
 * for no record. Slabs have at most 1 MiB, so all slabs together are limited to 64 GiB.
 *
 * @module
 */

import { NumberedSlabs } from "./numbered_slabs.ts";
import { Slab } from "./slab.ts";
import { MAX_SLOT_BYTES, SIZE_CLASSES, sizeClassOf, slotBytesOf } from "./size_classes.ts";

/** The largest slab. */
export const MAX_SLAB_BYTES = 1024 * 1024;

/** The first slab of a class has this size, or one slot; the next ones double the class. */
export const MIN_SLAB_BYTES = 4 * 1024;

const SLOT_BITS = 15;
const SLOT_MASK = (1 << SLOT_BITS) - 1;

/** The most slabs that addresses allow. Number 0 is not used, so that no address is 0. */
const MAX_SLABS = (1 << (31 - SLOT_BITS)) - 1;

/** Thrown when a table cannot hold more, because addresses or memory have run out. */
export class TableFullError extends Error {
  override name = "TableFullError";
}

/** Options for a {@linkcode RecordMemory}. */
export interface RecordMemoryOptions {
  /** Limit on the number of slabs. @default {65535} */
  maxSlabs?: number;
  /**
   * Allocates the buffer of a large record. It may contain anything. By default, a new one.
   *
   * @throws {Error} If that is impossible; the change that needs it then has no effect.
   */
  allocateLarge?(bytes: number): ArrayBuffer;
}

/** The memory of a table. It knows where records are, but not what they contain. */
export class RecordMemory {
  /** The slabs with slots, by number. */
  readonly slabs = new NumberedSlabs(1);
  /** The large records, each in a slab of its own, by number. */
  readonly large = new NumberedSlabs(0);
  /** By size class: the numbers of its slabs with free slots, and the bytes of all its slabs. */
  readonly #open: number[][] = Array.from({ length: SIZE_CLASSES }, () => []);
  readonly #classBytes: number[] = new Array(SIZE_CLASSES).fill(0);
  readonly #maxSlabs: number;
  readonly #allocateLarge: (bytes: number) => ArrayBuffer;
  #largeBytes = 0;

  constructor(options: RecordMemoryOptions = {}) {
    const { maxSlabs = MAX_SLABS, allocateLarge = (bytes) => new ArrayBuffer(bytes) } = options;
    this.#maxSlabs = Math.min(maxSlabs, MAX_SLABS);
    this.#allocateLarge = allocateLarge;
  }

  /** Bytes of all slabs and large records. */
  get bytes(): number {
    return this.#classBytes.reduce((sum, bytes) => sum + bytes, this.#largeBytes);
  }

  /** The slab of a record. */
  slabOf(address: number): Slab {
    return address < 0 ? this.large.slabs[~address]! : this.slabs.slabs[address >> SLOT_BITS]!;
  }

  /** The index of a record's first word in its slab. */
  wordOf(slab: Slab, address: number): number {
    return (address & SLOT_MASK) * slab.slotWords;
  }

  /** The address of a slot. */
  addressOf(slabNumber: number, slot: number): number {
    return slabNumber << SLOT_BITS | slot;
  }

  /**
   * Takes space for a record.
   *
   * @throws {TableFullError}
   */
  allocate(bytes: number): number {
    if (bytes > MAX_SLOT_BYTES) return this.createLarge(this.large.unused(), bytes);
    const sizeClass = sizeClassOf(bytes);
    const open = this.#open[sizeClass]!;
    return this.takeFrom(open.length > 0 ? open[open.length - 1]! : this.#addSlab(sizeClass));
  }

  /** Takes a slot of a slab, which must have a free one. */
  takeFrom(number: number): number {
    const slab = this.slabs.slabs[number]!;
    const slot = slab.take();
    if (slab.full) this.#setFull(slab);
    return number << SLOT_BITS | slot;
  }

  /** Returns the space of a record. */
  free(address: number): void {
    if (address < 0) {
      this.#largeBytes -= this.slabOf(address).bytes.length;
      this.large.remove(~address);
      return;
    }
    const number = address >> SLOT_BITS;
    const slab = this.slabs.slabs[number]!;
    slab.give(address & SLOT_MASK);
    if (slab.openIndex === -1) this.#setOpen(slab, number);
    if (slab.used === 0) this.releaseIfEmpty(number);
  }

  /** Whether a record of some size can take the place of another one. */
  fits(address: number, bytes: number): boolean {
    return address > 0 && bytes <= MAX_SLOT_BYTES &&
      this.slabOf(address).sizeClass === sizeClassOf(bytes);
  }

  /**
   * Gives a large record space for so many bytes, and some to spare if it has to grow.
   *
   * @throws {TableFullError}
   */
  reserve(address: number, bytes: number, { spare }: { spare: number }): void {
    const slab = this.slabOf(address);
    const before = slab.bytes.length;
    if (bytes <= before) return;
    const buffer = this.#bufferFor(bytes + spare);
    slab.moveTo(buffer);
    this.#largeBytes += slab.bytes.length - before;
  }

  /** Notes the version of a change that touches a record. */
  touched(address: number, version: number): void {
    if (address < 0) this.large.touched(~address, version);
    else this.slabs.touched(address >> SLOT_BITS, version);
  }

  /**
   * Creates a slab with a number that is not in use.
   *
   * @throws {TableFullError}
   */
  createSlab(number: number, sizeClass: number, slots: number): void {
    if (number > this.#maxSlabs) {
      throw new TableFullError(`Cannot add a slab: the limit is ${this.#maxSlabs}`);
    }
    const slab = orFull(() => Slab.ofSlots(sizeClass, slotBytesOf(sizeClass), slots));
    this.slabs.set(number, slab);
    this.#classBytes[sizeClass]! += slab.bytes.length;
    this.#setOpen(slab, number);
  }

  /**
   * Creates the slab of a large record with a number that is not in use; returns its address.
   *
   * @throws {TableFullError}
   */
  createLarge(number: number, bytes: number): number {
    const slab = Slab.ofOne(this.#bufferFor(bytes));
    this.large.set(number, slab);
    this.#largeBytes += slab.bytes.length;
    return ~number;
  }

  /**
   * Releases a slab if it is empty. The last open slab of a class stays if the others are full, or
   * if it is small: or else a key that comes and goes would create and release one each time.
   */
  releaseIfEmpty(number: number): void {
    const slab = this.slabs.slabs[number]!;
    if (slab.used > 0) return;
    const rest = this.#classBytes[slab.sizeClass]! - slab.bytes.length;
    const lastOpen = this.#open[slab.sizeClass]!.length === 1;
    if (lastOpen && (rest > 0 || slab.bytes.length <= MIN_SLAB_BYTES)) return;
    this.#setFull(slab);
    this.#classBytes[slab.sizeClass] = rest;
    this.slabs.remove(number);
  }

  #bufferFor(bytes: number): ArrayBuffer {
    return orFull(() => this.#allocateLarge(Math.ceil(bytes / 8) * 8));
  }

  #addSlab(sizeClass: number): number {
    const bytes = Math.min(Math.max(this.#classBytes[sizeClass]!, MIN_SLAB_BYTES), MAX_SLAB_BYTES);
    const slots = Math.max(1, Math.floor(bytes / slotBytesOf(sizeClass)));
    const number = this.slabs.unused();
    this.createSlab(number, sizeClass, slots);
    return number;
  }

  /** Adds a slab to those of its class that have free slots. */
  #setOpen(slab: Slab, number: number): void {
    const open = this.#open[slab.sizeClass]!;
    slab.openIndex = open.length;
    open.push(number);
  }

  /** Removes a slab from those of its class that have free slots. */
  #setFull(slab: Slab): void {
    const open = this.#open[slab.sizeClass]!;
    const last = open.pop()!;
    if (slab.openIndex < open.length) {
      open[slab.openIndex] = last;
      this.slabs.slabs[last]!.openIndex = slab.openIndex;
    }
    slab.openIndex = -1;
  }
}

/** Calls a function that allocates memory. */
function orFull<T>(allocate: () => T): T {
  try {
    return allocate();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new TableFullError("Cannot allocate memory for records", { cause: error });
  }
}
