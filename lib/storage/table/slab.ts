/**
 * A slab: one buffer divided into slots of the same size. A record too large for any slot has a slab
 * to itself.
 *
 * @module
 */

/** A slab. Its users keep to the slots that {@linkcode Slab.take} returned. */
export class Slab {
  /** Its size class; -1 if it holds one large record. */
  readonly sizeClass: number;
  /** The distance between slots in words of 4 bytes; 0 if there is only one. */
  readonly slotWords: number;
  readonly slots: number;
  /** Slots that have been taken at some time; those from here on were never touched. */
  top = 0;
  /** Slots in use. */
  used = 0;
  /** Its index among the slabs of its class with free slots; -1 if it has none. */
  openIndex = -1;
  /** Whether views of the value were handed out, so that its bytes must not change any more. */
  lent = false;
  words: Uint32Array<ArrayBuffer>;
  floats: Float64Array<ArrayBuffer>;
  bytes: Uint8Array<ArrayBuffer>;
  /** The slot freed last, plus one; 0 if there is none. A free slot begins with the next such number. */
  #firstFree = 0;

  private constructor(sizeClass: number, slotBytes: number, slots: number, buffer: ArrayBuffer) {
    this.sizeClass = sizeClass;
    this.slotWords = slotBytes >> 2;
    this.slots = slots;
    this.words = new Uint32Array(buffer);
    this.floats = new Float64Array(buffer);
    this.bytes = new Uint8Array(buffer);
  }

  /**
   * Creates a slab of slots; `slotBytes` is a multiple of 8.
   *
   * @throws {RangeError} If there is no memory.
   */
  static ofSlots(sizeClass: number, slotBytes: number, slots: number): Slab {
    return new Slab(sizeClass, slotBytes, slots, new ArrayBuffer(slots * slotBytes));
  }

  /** Creates a slab for one large record; the length of the buffer is a multiple of 8. */
  static ofOne(buffer: ArrayBuffer): Slab {
    const slab = new Slab(-1, 0, 1, buffer);
    slab.top = slab.used = 1;
    return slab;
  }

  /** Whether no slot is free. */
  get full(): boolean {
    return this.used === this.slots;
  }

  /** Takes a free slot, which there must be. */
  take(): number {
    this.used++;
    if (this.#firstFree === 0) return this.top++;
    const slot = this.#firstFree - 1;
    this.#firstFree = this.words[slot * this.slotWords]!;
    return slot;
  }

  /** Returns a slot. Overwrites its first word. */
  give(slot: number): void {
    this.used--;
    this.words[slot * this.slotWords] = this.#firstFree;
    this.#firstFree = slot + 1;
  }

  /** Moves a large record to another buffer. Views of the old one stay valid and do not change. */
  moveTo(buffer: ArrayBuffer): void {
    const old = this.bytes;
    this.bytes = new Uint8Array(buffer);
    this.bytes.set(old);
    this.words = new Uint32Array(buffer);
    this.floats = new Float64Array(buffer);
    this.lent = false;
  }
}
