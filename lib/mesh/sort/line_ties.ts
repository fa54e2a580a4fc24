import type { KeyEncoder } from "../keys/key_encoder.ts";
import { KEY_CUT, KEY_PARTS_WHOLE } from "../records/line_entry.ts";
import { compareKeys, keyOf, type RecordFormat } from "../records/record_format.ts";
import type { LineOrder } from "../records/line_order.ts";
import type { SlabLines } from "./slab_lines.ts";
import type { TieBreaker } from "./sort_kernel.ts";

/** How much of the keys of tied lines is built at once, together and of each. */
const ARENA_BYTES = 4 * 1024 * 1024;
const ARENA_KEY_BYTES = 512;

/**
 * Decides between lines whose keys are equal as far as the kernel sees them: from the lines, if all
 * parts of their keys have been seen, otherwise from their keys, which are built again.
 */
export class LineTies implements TieBreaker {
  readonly #slab: Uint8Array;
  readonly #format: RecordFormat;
  readonly #lines: SlabLines;
  readonly #order: LineOrder;
  /** One for each of two lines that are compared; `undefined` if lines have no keys. */
  readonly #encoders: readonly [KeyEncoder, KeyEncoder] | undefined;
  /** The line whose key the second encoder has. */
  #encoded = -1;
  #arena = new Uint8Array(0);

  constructor(
    slab: Uint8Array,
    { format, order, lines }: { format: RecordFormat; order: LineOrder; lines: SlabLines },
  ) {
    this.#slab = slab;
    this.#format = format;
    this.#order = order;
    this.#lines = lines;
    const encoders = [order.newEncoder(), order.newEncoder()] as const;
    this.#encoders = encoders[0] && encoders[1] ? [encoders[0], encoders[1]] : undefined;
  }

  /** Forgets the lines of the last bucket. */
  clear(): void {
    this.#encoded = -1;
  }

  compare(a: number, b: number): number {
    const encoders = this.#encoders;
    if (encoders === undefined) {
      const [first, second] = [this.#line(a, 0), this.#line(b, 1)];
      return compareKeys(keyOf(this.#format, first), keyOf(this.#format, second));
    }
    if (!this.#isCut(a) && !this.#isCut(b)) return 0;
    if (this.#hasAllParts(a) && this.#hasAllParts(b)) return this.#compareLines(a, b);
    this.#encode(encoders[0], a, 0);
    // In an insertion, one line is compared with many.
    if (this.#encoded !== b) this.#encode(encoders[1], b, 1);
    this.#encoded = b;
    return compareBytes(
      encoders[0].bytes,
      [0, encoders[0].length],
      encoders[1].bytes,
      [0, encoders[1].length],
    );
  }

  sort(addresses: Uint32Array): void {
    if (this.#encoders === undefined) {
      addresses.sort((a, b) => this.compare(a, b));
      return;
    }
    if (!addresses.some((entry) => this.#isCut(entry))) return;
    if (addresses.every((entry) => this.#hasAllParts(entry))) {
      addresses.sort((a, b) => this.#compareLines(a, b));
    } else this.#sortByArena(addresses);
  }

  /** Builds the keys of all lines once, instead of with every comparison, as far as memory allows. */
  #sortByArena(addresses: Uint32Array): void {
    const [encoder] = this.#encoders!;
    if (this.#arena.length === 0) this.#arena = new Uint8Array(ARENA_BYTES);
    const arena = this.#arena;
    const ends = new Map<number, number>();
    const starts = new Map<number, number>();
    let fill = 0;
    for (const entry of addresses) {
      this.#encode(encoder, entry, 0, ARENA_KEY_BYTES);
      const { length } = encoder;
      if (fill + length > ARENA_BYTES) {
        addresses.sort((a, b) => this.compare(a, b));
        return;
      }
      arena.set(encoder.bytes.subarray(0, length), fill);
      starts.set(entry, fill);
      ends.set(entry, fill += length);
    }
    addresses.sort((a, b) => {
      const [aEnd, bEnd] = [ends.get(a)!, ends.get(b)!];
      const [aStart, bStart] = [starts.get(a)!, starts.get(b)!];
      const order = compareBytes(arena, [aStart, aEnd], arena, [bStart, bEnd]);
      return order !== 0 || aEnd - aStart < ARENA_KEY_BYTES ? order : this.compare(a, b);
    });
  }

  #isCut(entry: number): boolean {
    return (this.#slab[entry]! & KEY_CUT) !== 0;
  }

  #hasAllParts(entry: number): boolean {
    return (this.#slab[entry]! & KEY_PARTS_WHOLE) !== 0;
  }

  #encode(encoder: KeyEncoder, entry: number, side: 0 | 1, limitBytes = Infinity): void {
    if (this.#lines.isLong(entry)) {
      const line = this.#lines.join(entry, side);
      encoder.encode(line, 0, line.length, limitBytes);
    } else {
      const from = this.#lines.place(entry);
      encoder.encode(this.#slab, from, from + this.#lines.length(entry), limitBytes);
    }
  }

  #line(entry: number, side: 0 | 1): Uint8Array {
    if (this.#lines.isLong(entry)) return this.#lines.join(entry, side);
    const from = this.#lines.place(entry);
    return this.#slab.subarray(from, from + this.#lines.length(entry));
  }

  #compareLines(a: number, b: number): number {
    const lines = this.#lines;
    let order: number;
    if (lines.isLong(a) || lines.isLong(b)) {
      order = compareKeys(this.#line(a, 0), this.#line(b, 1));
    } else {
      const [aFrom, bFrom] = [lines.place(a), lines.place(b)];
      const aRange = [aFrom, aFrom + lines.length(a)] as const;
      const bRange = [bFrom, bFrom + lines.length(b)] as const;
      order = compareBytes(this.#slab, aRange, this.#slab, bRange);
    }
    return this.#order.reverse ? -order : order;
  }
}

/** Compares two ranges as unsigned bytes; a range sorts after its prefixes. */
function compareBytes(
  a: Uint8Array,
  [aFrom, aTo]: readonly [number, number],
  b: Uint8Array,
  [bFrom, bTo]: readonly [number, number],
): number {
  const common = Math.min(aTo - aFrom, bTo - bFrom);
  for (let i = 0; i < common; i++) {
    const difference = a[aFrom + i]! - b[bFrom + i]!;
    if (difference !== 0) return difference;
  }
  return (aTo - aFrom) - (bTo - bFrom);
}
