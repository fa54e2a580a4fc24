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
const SHORT_COPY_BYTES = 256;
/** A bucket has fewer entries. */
const RANKS_PER_BUCKET = 2 ** 24;

/** Entries with equal keys. */
interface Group {
  /** The first of them. */
  entry: number;
  /** How many entries of the inputs they stand for. */
  count: number;
  /** The CRC-32 of the first, as it is in an input. */
  crc: number;
}

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
  /** Of the bucket that is being reduced: where it goes, and the rank of its first group. */
  #output: SortedBytes | undefined;
  #firstRank = 0;
  /** What was written of it, and how full the block is. */
  #writtenGroups = 0;
  #writtenBytes = 0;
  #writtenSum = new CrcSum();
  #fill = 0;

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
    const distinct = this.#distinct || reduce === undefined;
    const [stored, represented] = [emptyTally(), emptyTally()];
    const [storedSum, singleSum] = [new CrcSum(), new CrcSum()];
    this.#output = output;
    this.#firstRank = bucket.index * RANKS_PER_BUCKET;
    this.#writtenGroups = this.#writtenBytes = this.#fill = 0;
    this.#writtenSum = new CrcSum();
    // A group is written as soon as it ends, while its first entry is still in the cache.
    const group: Group = { entry: 0, count: 0, crc: 0 };
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
      if (i > 0 && reduce !== undefined && this.#sameKey(entry, group.entry)) {
        group.count += count;
        continue;
      }
      if (i > 0) this.#end(group);
      group.entry = entry;
      group.count = count;
      group.crc = crc;
    }
    if (entries > 0) this.#end(group);
    stored.records = entries;
    stored.sum = storedSum.value;
    represented.sum += singleSum.value;
    if (!output) return { stored, represented, written: emptyTally() };
    output.write(this.#block.subarray(0, this.#fill));
    const written = {
      records: this.#writtenGroups,
      bytes: this.#writtenBytes,
      sum: this.#writtenSum.value,
    };
    return { stored, represented, written };
  }

  /** Writes a group, or offers it to the top entries. */
  #end(group: Group): void {
    if (this.#output) this.#write(group, this.#output);
    else this.#addToTop(group, this.#firstRank + this.#writtenGroups);
    this.#writtenGroups++;
  }

  #write(group: Group, output: SortedBytes): void {
    const block = this.#block;
    const bytes = this.#fileBytes(group.entry);
    const countBytes = this.#form.bytesOf(group.count);
    const size = countBytes + bytes;
    this.#writtenBytes += size;
    if (this.#fill + size > OUTPUT_BLOCK_BYTES) {
      output.write(block.subarray(0, this.#fill));
      this.#fill = 0;
    }
    if (size > OUTPUT_BLOCK_BYTES) {
      const long = new Uint8Array(size);
      this.#put(group, long, 0);
      this.#writtenSum.add(long);
      output.write(long);
      return;
    }
    const at = this.#fill;
    this.#put(group, block, at);
    this.#fill = at + size;
    this.#writtenSum.addCrc(countBytes > 0 ? crc32Of(block, at, at + size) : group.crc);
  }

  /** The top entries of all buckets so far. */
  top(): TopEntry[] {
    return this.#top?.entries() ?? [];
  }

  #addToTop(group: Group, rank: number): void {
    const top = this.#top!;
    const count = this.#format.reduce === "count" ? group.count : 0;
    if (!top.accepts(count, rank)) return;
    const size = this.#form.bytesOf(group.count) + this.#fileBytes(group.entry);
    const bytes = new Uint8Array(size);
    this.#put(group, bytes, 0);
    top.add({ count, rank, bytes });
  }

  /** The size of an entry in an input. */
  #fileBytes(entry: number): number {
    return this.#format.recordBytes || this.#order.lines.length(entry) + 1;
  }

  /** Puts a group, as it is in the output, into a block. */
  #put({ entry, count }: Group, into: Uint8Array, at: number): void {
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
