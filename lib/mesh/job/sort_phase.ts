/**
 * The third phase of a job: the threads sort the buckets, each one at a time, and write them to their
 * places in the output (output_places.ts). Buckets that are too large are split first.
 *
 * @module
 */

import { bucketsFor, isTooLarge } from "../sort/bucket_size.ts";
import type { BucketEntries } from "../sort/bucket_order.ts";
import type { BucketStore } from "../sort/bucket_store.ts";
import { keyCount } from "../sort/key_list.ts";
import type { OutputPlaces } from "./output_places.ts";
import { addTally, emptyTally, sameTally, type Tally } from "../records/checksum.ts";
import { maxOpenBuckets, type SlotBudget } from "../sort/slot_budget.ts";
import type { SortThread } from "../sort/sort_pool.ts";

/** The sampled keys for each part of a bucket that is split; they make the parts equal to a tenth. */
const KEYS_PER_PART = 128;

/** Options for {@linkcode sortBuckets}. */
export interface SortPhaseOptions {
  store: BucketStore;
  budget: SlotBudget;
  threads: readonly SortThread[];
  /** Where the buckets go. */
  places: OutputPlaces;
  /** Whether all entries of a key belong to one bucket. @default {false} */
  betweenKeys?: boolean;
  /** Called with the size in a file of the entries that were processed since the last call. */
  onProgress: (bytes: number) => void;
}

/**
 * Sorts all buckets and writes them.
 *
 * @returns The tally of everything written.
 * @throws {Error} If a bucket read back differs from what was stored, or a thread fails.
 */
export async function sortBuckets(options: SortPhaseOptions): Promise<Tally> {
  const { places, store: { spillPath } } = options;
  return await eachBucket(options, (thread, { entries, fileBytes }) => {
    const place = places.next(fileBytes);
    return thread.sort({ kind: "sort", bucket: entries, place, spillPath });
  });
}

/** A bucket whose entries are in memory, or about to be. */
export interface ReadyBucket {
  entries: BucketEntries;
  /** The size of its entries in a file. */
  fileBytes: number;
  /** The number of buckets before it. */
  index: number;
}

/**
 * Hands all buckets to the threads, in order, one at a time to each. Those that are too large are split
 * first, and empty ones are left out.
 *
 * @param work Has a thread process a bucket; returns the tally of the entries that it found.
 * @returns The tally of all entries, those included that were absorbed in a split.
 * @throws {Error} If a bucket read back differs from what was stored, or a thread fails.
 */
export async function eachBucket(
  options: SortPhaseOptions,
  work: (thread: SortThread, bucket: ReadyBucket) => Promise<Tally>,
): Promise<Tally> {
  const { store, onProgress } = options;
  const { buckets } = store;
  const total = emptyTally();
  const idle = [...options.threads];
  const busy = new Set<Promise<void>>();
  for (let i = 0; i < buckets.length; i++) {
    const bucket = buckets[i]!;
    if (bucket.records === 0) continue;
    while (idle.length === 0) await Promise.race(busy);
    if (isTooLarge(bucket, store.slots)) {
      addTally(total, await splitBucket(i--, idle[0]!, options));
      continue;
    }
    const { stretches, slots } = await store.stretches(bucket);
    while (idle.length === 0) await Promise.race(busy);
    const thread = idle.pop()!;
    const { records, fileBytes, sum } = bucket;
    const entries = { stretches, records };
    const done = work(thread, { entries, fileBytes, index: i }).then((tally) => {
      if (!sameTally(tally, { records, bytes: fileBytes, sum })) {
        throw new Error("Cannot sort a bucket: what was read back is not what was stored");
      }
      addTally(total, tally);
      onProgress(tally.bytes);
      store.drop(bucket, slots);
      busy.delete(done);
      idle.push(thread);
    });
    // The loop may be waiting for something else; the failure is rethrown by a later wait.
    done.catch(() => {});
    busy.add(done);
  }
  await Promise.all(busy);
  return total;
}

/**
 * Replaces a bucket by smaller ones: spills it and deals its entries out again.
 *
 * @returns The tally of the entries that were absorbed.
 */
async function splitBucket(
  index: number,
  thread: SortThread,
  { store, budget, betweenKeys = false }: SortPhaseOptions,
): Promise<Tally> {
  const bucket = store.buckets[index]!;
  const extents = await store.spillAll(bucket);
  const entries = { path: store.spillPath, extents };
  const wanted = Math.ceil(bucketsFor(bucket));
  const parts = Math.max(2, Math.min(wanted, Math.floor(maxOpenBuckets(store.slots))));
  const { records } = bucket;
  const sampling = {
    kind: "sample-spilled",
    entries,
    records,
    keys: parts * KEYS_PER_PART,
  } as const;
  const keys = await thread.sample(sampling);
  const options = { nodes: 1, bucketsPerNode: parts, partition: "sample", betweenKeys } as const;
  const splitters = await thread.cut([{ bytes: bucket.bytes, keys }], options);
  const buckets = keyCount(splitters) + 1;
  store.split(index, buckets);
  budget.plan(buckets);
  const absorbed = emptyTally();
  await budget.deal(thread, { kind: "deal-spilled", entries, splitters }, (report) => {
    for (const piece of report.pieces) store.add(index + piece.bucket, piece);
    if (report.absorbed) addTally(absorbed, report.absorbed);
  });
  return absorbed;
}
