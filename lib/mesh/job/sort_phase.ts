/**
 * The third phase of a job: the threads sort the buckets, each one at a time, and write them to their
 * places in the output (output_places.ts). Buckets that are too large are split first.
 *
 * @module
 */

import { bucketsFor, isTooLarge } from "../sort/bucket_size.ts";
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
  /** Called with the number of output bytes written since the last call. */
  onProgress: (bytes: number) => void;
}

/**
 * Sorts all buckets and writes them.
 *
 * @returns The tally of everything written.
 * @throws {Error} If a bucket read back differs from what was stored, or a thread fails.
 */
export async function sortBuckets(options: SortPhaseOptions): Promise<Tally> {
  const { store, places, onProgress } = options;
  const { buckets } = store;
  const written = emptyTally();
  const idle = [...options.threads];
  const busy = new Set<Promise<void>>();
  for (let i = 0; i < buckets.length; i++) {
    const bucket = buckets[i]!;
    if (bucket.records === 0) continue;
    while (idle.length === 0) await Promise.race(busy);
    if (isTooLarge(bucket, store.slots)) {
      await splitBucket(i--, idle[0]!, options);
      continue;
    }
    const { stretches, slots } = await store.stretches(bucket);
    while (idle.length === 0) await Promise.race(busy);
    const thread = idle.pop()!;
    const bytes = bucket.fileBytes;
    const sorted = thread.sort({
      kind: "sort",
      bucket: { stretches, records: bucket.records },
      place: places.next(bytes),
      spillPath: store.spillPath,
    }).then((tally) => {
      if (!sameTally(tally, { records: bucket.records, bytes, sum: bucket.sum })) {
        throw new Error("Cannot sort a bucket: what was read back is not what was stored");
      }
      addTally(written, tally);
      onProgress(tally.bytes);
      store.drop(bucket, slots);
      busy.delete(sorted);
      idle.push(thread);
    });
    // The loop may be waiting for something else; the failure is rethrown by a later wait.
    sorted.catch(() => {});
    busy.add(sorted);
  }
  await Promise.all(busy);
  return written;
}

/** Replaces a bucket by smaller ones: spills it and deals its entries out again. */
async function splitBucket(
  index: number,
  thread: SortThread,
  { store, budget }: SortPhaseOptions,
): Promise<void> {
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
  const options = { nodes: 1, bucketsPerNode: parts, partition: "sample" } as const;
  const splitters = await thread.cut([{ bytes: bucket.bytes, keys }], options);
  const buckets = keyCount(splitters) + 1;
  store.split(index, buckets);
  budget.plan(buckets);
  await budget.deal(thread, { kind: "deal-spilled", entries, splitters }, (pieces) => {
    for (const piece of pieces) store.add(index + piece.bucket, piece);
  });
}
