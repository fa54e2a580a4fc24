/**
 * The third phase of a job that reduces or wants only the top entries: as sort_phase.ts, but
 * how much is written is known only at the end.
 *
 * @module
 */

import { addTally, emptyTally, type Tally } from "../records/checksum.ts";
import type { RecordFormat } from "../records/record_format.ts";
import { type TopEntry, TopList } from "../sort/top_list.ts";
import { eachBucket, type SortPhaseOptions } from "./sort_phase.ts";

/** What all buckets were reduced to. */
export interface Reduced {
  /** The entries that were stored, those included that were absorbed in a split. */
  stored: Tally;
  /** The entries of the inputs that the output stands for, see {@linkcode ReducedBucket}. */
  represented: Tally;
  /** What was written. */
  written: Tally;
  /** The top entries, if only these are wanted. */
  top: TopEntry[];
}

/**
 * Reduces all buckets, and writes them unless only the top entries are wanted.
 *
 * @throws {Error} As `sortBuckets` does, or if the top entries have too many bytes.
 */
export async function reduceBuckets(
  { format, ...options }: SortPhaseOptions & { format: RecordFormat },
): Promise<Reduced> {
  const { threads, places, store: { spillPath } } = options;
  const betweenKeys = format.reduce !== undefined;
  const [represented, written] = [emptyTally(), emptyTally()];
  const stored = await eachBucket({ ...options, betweenKeys }, async (thread, bucket) => {
    const { entries, fileBytes, index } = bucket;
    const reduced = await thread.reduce({
      kind: "reduce",
      bucket: { ...entries, index },
      place: format.top === undefined ? places.next(fileBytes) : undefined,
      spillPath,
    });
    addTally(represented, reduced.represented);
    addTally(written, reduced.written);
    return reduced.stored;
  });
  if (format.top === undefined) return { stored, represented, written, top: [] };
  const lists = await Promise.all(threads.map((thread) => thread.takeTop()));
  return { stored, represented, written, top: mergeTop(lists, format.top) };
}

/** The top entries of all lists together. */
export function mergeTop(lists: readonly TopEntry[][], limit: number): TopEntry[] {
  const merged = new TopList(limit);
  for (const entry of lists.flat()) merged.add(entry);
  return merged.entries();
}
