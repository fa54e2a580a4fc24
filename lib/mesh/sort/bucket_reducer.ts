/**
 * Sorts one bucket, reduces it, and writes it: of the entries with equal keys, the first is kept, with
 * the number of all.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { crc32Of, crc32With, CrcSum, emptyTally, type Tally } from "../records/checksum.ts";
import { CountForm } from "../records/count_form.ts";
import { readCount } from "../records/counted_entry.ts";
import { KEY_CUT, KEY_LENGTH } from "../records/line_entry.ts";
import { LineOrder } from "../records/line_order.ts";
import type { RecordFormat } from "../records/record_format.ts";
import { type BucketEntries, BucketOrder } from "./bucket_order.ts";
import type { SortedBytes } from "./bucket_sorter.ts";
import { type TopEntry, TopList } from "./top_list.ts";

/** A bucket to be sorted and reduced. */
export interface BucketToReduce extends BucketEntries {
  /** Its place among the buckets of this node, which are in the order of keys. */
  index: number;
}

/** What a bucket was reduced to. */
export interface ReducedBucket {
  /** The entries of the bucket as they were stored. */
  stored: Tally;
  /**
   * The entries of the inputs that these stand for. Their size and checksum are known only if entries
   * with equal keys are equal; otherwise they are 0.
   */
  represented: Tally;
  /** What was written. */
  written: Tally;
}

const NEWLINE = 0x0a;
const OUTPUT_BLOCK_BYTES = 1024 * 1024;
/** Up to this length a loop copies faster than `set`. */
const SHORT_COPY_BYTES = 48;
/** A bucket has fewer entries. */
const RANKS_PER_BUCKET = 2 ** 24;

/** Reduces buckets, one at a time. */
export class BucketReducer {
  readonly #format: RecordFormat;
  readonly #slab: Uint8Array;
  readonly #order: BucketOrder;
  readonly #form: CountForm;
  readonly #keyed: boolean;
  readonly #distinct: boolean;
  readonly #top: TopList | undefined;
  readonly #block = new Uint8Array(OUTPUT_BLOCK_BYTES);
  /** The number of groups of entries with equal keys, and how many entries each stands for. */
  #groups = 0;
  #counts = new Float64Array(0);

  /** @param slab The memory that holds the buckets. */
  constructor(slab: SharedArrayBuffer, format: RecordFormat) {
    this.#format = format;
    this.#slab = new Uint8Array(slab);
    const order = new LineOrder(format);
    this.#order = new BucketOrder(this.#slab, format, order);
    this.#form = new CountForm(format, order);
    this.#keyed = order.keyed;
    this.#distinct = order.distinct;
    if (format.top !== undefined) this.#top = new TopList(format.top);
  }

  /**
   * Sorts, reduces and writes a bucket. If only the top entries are wanted, they are kept instead.
   *
   * @param output Takes the entries; `undefined` if only the top entries are wanted.
   * @param spill The spill file, if a stretch is spilled.
   * @throws {Error} If a file cannot be read or written, the bucket has too many records, or the top
   * entries have too many bytes.
   */
  reduce(
    bucket: BucketToReduce,
    output: SortedBytes | undefined,
    spill: Deno.FsFile | undefined,
  ): ReducedBucket {
    const entries = this.#order.sort(bucket, spill);
    const { addresses } = this.#order;
    const { reduce } = this.#format;
    if (this.#counts.length < entries) this.#counts = new Float64Array(addresses.length);
    const counts = this.#counts;
    const distinct = this.#distinct || reduce === undefined;
    const [stored, represented] = [emptyTally(), emptyTally()];
    const [storedSum, singleSum] = [new CrcSum(), new CrcSum()];
    let groups = 0;
    for (let i = 0; i < entries; i++) {
      const entry = addresses[i]!;
      const bytes = this.#fileBytes(entry);
      const crc = this.#crcOf(entry);
      const count = reduce === undefined ? 1 : readCount(this.#slab, entry);
      stored.bytes += bytes;
      storedSum.addCrc(crc);
      represented.records += count;
      if (distinct) {
        represented.bytes += count * bytes;
        if (count === 1) singleSum.addCrc(crc);
        else represented.sum += BigInt(crc) * BigInt(count);
      }
      if (reduce !== undefined && groups > 0 && this.#sameKey(entry, addresses[groups - 1]!)) {
        counts[groups - 1]! += count;
        continue;
      }
      addresses[groups] = entry;
      counts[groups++] = count;
    }
    stored.records = entries;
    stored.sum = storedSum.value;
    represented.sum += singleSum.value;
    this.#groups = groups;
    if (output) return { stored, represented, written: this.#write(output) };
    this.#addToTop(bucket.index);
    return { stored, represented, written: emptyTally() };
  }

  #write(output: SortedBytes): Tally {
    const groups = this.#groups;
    const block = this.#block;
    const sum = new CrcSum();
    let fill = 0;
    let bytes = 0;
    for (let i = 0; i < groups; i++) {
      const size = this.#outputBytes(i);
      bytes += size;
      if (fill + size > OUTPUT_BLOCK_BYTES) {
        output.write(block.subarray(0, fill));
        fill = 0;
      }
      if (size > OUTPUT_BLOCK_BYTES) {
        const long = new Uint8Array(size);
        this.#put(i, long, 0);
        sum.add(long);
        output.write(long);
        continue;
      }
      this.#put(i, block, fill);
      sum.addCrc(crc32Of(block, fill, fill + size));
      fill += size;
    }
    output.write(block.subarray(0, fill));
    return { records: groups, bytes, sum: sum.value };
  }

  /** The top entries of all buckets so far. */
  top(): TopEntry[] {
    return this.#top?.entries() ?? [];
  }

  #addToTop(bucket: number): void {
    const top = this.#top!;
    const counted = this.#format.reduce === "count";
    for (let i = 0; i < this.#groups; i++) {
      const count = counted ? this.#counts[i]! : 0;
      const rank = bucket * RANKS_PER_BUCKET + i;
      if (!top.accepts(count, rank)) continue;
      const bytes = new Uint8Array(this.#outputBytes(i));
      this.#put(i, bytes, 0);
      top.add({ count, rank, bytes });
    }
  }

  /** The size of an entry in an input. */
  #fileBytes(entry: number): number {
    return this.#format.recordBytes || this.#order.lines.length(entry) + 1;
  }

  /** The size of the entry of a group in the output. */
  #outputBytes(group: number): number {
    const entry = this.#order.addresses[group]!;
    return this.#form.bytesOf(this.#counts[group]!) + this.#fileBytes(entry);
  }

  /** Puts the entry of a group, as it is in the output, into a block. */
  #put(group: number, into: Uint8Array, at: number): void {
    const entry = this.#order.addresses[group]!;
    const count = this.#counts[group]!;
    const { lines } = this.#order;
    const { recordBytes } = this.#format;
    const slab = this.#slab;
    this.#form.write(into, at, count);
    let to = at + this.#form.bytesOf(count);
    if (recordBytes === 0 && lines.isLong(entry)) {
      for (const { address, bytes } of lines.parts(entry)) {
        into.set(slab.subarray(address, address + bytes), to);
        to += bytes;
      }
    } else {
      const start = recordBytes ? entry : lines.place(entry);
      const length = recordBytes || lines.length(entry);
      if (length > SHORT_COPY_BYTES) into.set(slab.subarray(start, start + length), to);
      else for (let i = 0; i < length; i++) into[to + i] = slab[start + i]!;
      to += length;
    }
    if (recordBytes === 0) into[to] = NEWLINE;
  }

  /** The CRC-32 of an entry as it is in an input, its newline included. */
  #crcOf(entry: number): number {
    const { recordBytes } = this.#format;
    const { lines } = this.#order;
    if (recordBytes) return crc32Of(this.#slab, entry, entry + recordBytes);
    if (!lines.isLong(entry)) {
      const start = lines.place(entry);
      return crc32With(crc32Of(this.#slab, start, start + lines.length(entry)), NEWLINE);
    }
    let crc = 0;
    for (const { address, bytes } of lines.parts(entry)) {
      crc = crc32(this.#slab.subarray(address, address + bytes), crc);
    }
    return crc32With(crc, NEWLINE);
  }

  /** Whether two entries have equal keys. */
  #sameKey(entry: number, first: number): boolean {
    const slab = this.#slab;
    const { recordBytes, keyStart, keyEnd } = this.#format;
    const { lines, ties } = this.#order;
    if (recordBytes) {
      for (let i = keyStart; i < keyEnd; i++) if (slab[entry + i] !== slab[first + i]) return false;
      return true;
    }
    if (this.#keyed) {
      const [header, other] = [slab[entry]!, slab[first]!];
      const length = header & KEY_LENGTH;
      if (length !== (other & KEY_LENGTH)) return false;
      for (let i = 1; i <= length; i++) if (slab[entry + i] !== slab[first + i]) return false;
      return ((header | other) & KEY_CUT) === 0 || ties.compare(entry, first) === 0;
    }
    if (lines.isLong(entry) || lines.isLong(first)) return ties.compare(entry, first) === 0;
    const length = Math.min(lines.length(entry), keyEnd);
    if (Math.max(length, keyStart) !== Math.max(Math.min(lines.length(first), keyEnd), keyStart)) {
      return false;
    }
    const [start, other] = [lines.place(entry), lines.place(first)];
    for (let i = keyStart; i < length; i++) if (slab[start + i] !== slab[other + i]) return false;
    return true;
  }
}
