/**
 * What the main thread and its sort workers say to each other.
 *
 * @module
 */

import type { BucketToSort } from "./bucket_sorter.ts";
import type { Tally } from "../records/checksum.ts";
import type { Piece } from "./partitioner.ts";
import type { RecordFormat } from "../records/record_format.ts";
import type { Extent } from "./sampler.ts";
import type { SampledKey, Splitter } from "./splitters.ts";

/** A part of an input file. */
export interface FilePart {
  path: string;
  /** The size of the whole file. */
  size: number;
  /** Entries that begin from here on, */
  start: number;
  /** and before here. */
  end: number;
}

/** Entries that were spilled; each extent holds whole ones. */
export interface SpilledEntries {
  path: string;
  extents: Extent[];
}

/** What a worker can be asked to do; it does one thing at a time. */
export type SortTask =
  | { kind: "sample-file"; path: string; size: number; node: number }
  | { kind: "sample-spilled"; entries: SpilledEntries }
  | { kind: "deal-file"; part: FilePart; splitters: Splitter[]; node: number }
  | { kind: "deal-spilled"; entries: SpilledEntries; splitters: Splitter[] }
  | { kind: "sort"; bucket: BucketToSort; outputPath: string; spillPath: string };

/** What a worker is sent. */
export type ToSortWorker =
  | { kind: "start"; slab: SharedArrayBuffer; format: RecordFormat }
  | { kind: "slots"; slots: number[] }
  | SortTask;

/** What it says: pieces while it deals, and at the end of every task one of the others. */
export type FromSortWorker =
  | { kind: "pieces"; pieces: Piece[]; bytes: number }
  | { kind: "sampled"; sample: SampledKey[] }
  | { kind: "dealt" }
  | { kind: "sorted"; tally: Tally }
  | { kind: "failed"; message: string };
