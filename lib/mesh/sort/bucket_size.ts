/**
 * The intended size of buckets, and the limits beyond which they are split.
 *
 * @module
 */

import type { Bucket } from "./bucket_store.ts";
import { SLOT_BYTES } from "./open_pieces.ts";

/** Intended size of a bucket: small enough to be sorted within the processor caches. */
const BUCKET_BYTES = 1024 * 1024;
/** Intended number of entries, for short ones, */
const BUCKET_RECORDS = 256 * 1024;
/** and the most that a bucket may have: this bounds the tables of the sort. */
const MAX_BUCKET_RECORDS = 1024 * 1024;
/** A bucket that takes more than this part of the slots is split. */
const MAX_BUCKET_PART = 1 / 8;

/** The best number of buckets for this much data; not rounded. */
export function bucketsFor({ bytes, records }: { bytes: number; records: number }): number {
  return Math.max(bytes / BUCKET_BYTES, records / BUCKET_RECORDS);
}

/**
 * Whether a bucket has to be split.
 *
 * @param slots The number of slots of the store.
 */
export function isTooLarge({ bytes, records }: Bucket, slots: number): boolean {
  return records > 1 &&
    (records > MAX_BUCKET_RECORDS || bytes > slots * SLOT_BYTES * MAX_BUCKET_PART);
}
