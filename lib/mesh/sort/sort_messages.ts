/**
 * The messages between the main thread and its sort workers.
 *
 * @module
 */

import type { OutputPlace } from "./bucket_output.ts";
import type { BucketToReduce, ReducedBucket } from "./bucket_reducer.ts";
import type { BucketEntries } from "./bucket_order.ts";
import type { Tally } from "../records/checksum.ts";
import type { KeyList } from "./key_list.ts";
import type { Piece } from "./open_pieces.ts";
import type { CopyNames } from "./plain_copy.ts";
import type { RecordFormat } from "../records/record_format.ts";
import type { Extent } from "./spilled_blocks.ts";
import type { SplitterOptions } from "./splitters.ts";
import type { TopEntry } from "./top_list.ts";
import type { ConnectMessage } from "./worker_starter.ts";

/** A file of an input, in which several follow one another. */
export interface InputFile {
  /** What people call it. */
  name: string;
  /** Where it can be read: elsewhere if it was copied because it is a stream or compressed. */
  path: string;
  /** Its size in bytes. */
  size: number;
  /** Where its entries begin, behind a header. */
  start: number;
  /** The position of its first byte in the input. */
  base: number;
}

/** Part of an input file. */
export interface FilePart extends InputFile {
  /** The part has the entries that begin at or after this byte, */
  start: number;
  /** and before this one. */
  end: number;
  /** Of CSV: whether the start is within quotes. */
  quoted?: boolean;
}

/** Spilled entries; each extent holds whole ones. */
export interface SpilledEntries {
  path: string;
  extents: Extent[];
}

/** Samples the keys of an input or of spilled entries. */
export type SampleTask =
  | { kind: "sample-files"; files: readonly InputFile[]; node: number; keys: number }
  | { kind: "sample-spilled"; entries: SpilledEntries; records: number; keys: number };

/** The keys that represent so many bytes. */
export interface SizedSample {
  bytes: number;
  keys: KeyList;
}

/** Chooses the cuts between buckets. */
export interface CutTask {
  kind: "cut";
  samples: SizedSample[];
  options: SplitterOptions;
}

/** Counts the quotes in a part of a file of CSV. */
export interface QuotesTask {
  kind: "count-quotes";
  part: FilePart;
}

/** Deals entries out to buckets. */
export type DealTask =
  | { kind: "deal-files"; parts: readonly FilePart[]; splitters: KeyList; node: number }
  | { kind: "deal-spilled"; entries: SpilledEntries; splitters: KeyList };

/** What was dealt out since the last report. */
export interface DealtReport {
  pieces: Piece[];
  /** Bytes of input. */
  bytes: number;
  /** Of a sort that reduces: the entries that only raised the count of another one. */
  absorbed?: Tally | undefined;
}

/** Copies an input that is a stream or compressed to a file that can be read at any place. */
export interface CopyTask {
  kind: "copy";
  names: CopyNames;
}

/** A task for a worker, which runs one at a time. */
export type SortTask =
  | CopyTask
  | SampleTask
  | CutTask
  | QuotesTask
  | DealTask
  | { kind: "return-slots" }
  | { kind: "sort"; bucket: BucketEntries; place: OutputPlace; spillPath: string }
  | { kind: "write"; bytes: Uint8Array; place: OutputPlace }
  | ReduceTask
  | { kind: "take-top" };

/** Sorts and reduces a bucket. */
export interface ReduceTask {
  kind: "reduce";
  bucket: BucketToReduce;
  /** Where it goes; `undefined` if only the top entries are wanted. */
  place: OutputPlace | undefined;
  spillPath: string;
}

/** A message to a worker. */
export type ToSortWorker =
  | ConnectMessage
  | { kind: "start"; slab: SharedArrayBuffer; format: RecordFormat }
  | { kind: "slots"; slots: number[] }
  | SortTask;

/**
 * A message from a worker. While it deals, it sends `pieces`, and `starved` when it has to wait for
 * slots. Each task ends with one of the others.
 */
export type FromSortWorker =
  | ({ kind: "pieces" } & DealtReport)
  /** `received` counts the slots that arrived since the last `returned`. */
  | { kind: "starved"; received: number }
  | { kind: "copied"; bytes: number }
  | { kind: "sampled"; keys: KeyList }
  | { kind: "cut"; splitters: KeyList }
  | { kind: "counted"; quotes: number }
  | { kind: "dealt" }
  | { kind: "returned"; slots: number[] }
  | { kind: "sorted"; tally: Tally }
  | { kind: "reduced"; reduced: ReducedBucket }
  | { kind: "top"; entries: TopEntry[] }
  | { kind: "written" }
  /** `isClosed` is set if standard output has no reader any more. */
  | { kind: "failed"; message: string; isClosed?: boolean };
