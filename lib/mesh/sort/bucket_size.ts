/**
 * How large buckets are meant to be, and how large they may be.
 *
 * @module
 */

import type { Bucket } from "./bucket_store.ts";
import { SLOT_BYTES } from "./partitioner.ts";

/** Buckets have about this size, so that what is being sorted stays in the caches. */
const BUCKET_BYTES = 1024 * 1024;
/** Of short entries, a bucket has about this many, */
const BUCKET_RECORDS = 256 * 1024;
/** and never more than this: it bounds the tables that they are sorted with. */
const MAX_BUCKET_RECORDS = 1024 * 1024;
/** A bucket that takes more than this part of the slots is cut into smaller ones. */
const MAX_BUCKET_PART = 1 / 8;

/** Into how many buckets so much is best cut; not a whole number. */
export function bucketsFor({ bytes, records }: { bytes: number; records: number }): number {
  return Math.max(bytes / BUCKET_BYTES, records / BUCKET_RECORDS);
}

/**
 * Whether a bucket has to be cut into smaller ones.
 *
 * @param slots How many slots there are.
 */
export function isTooLarge({ bytes, records }: Bucket, slots: number): boolean {
  return records > 1 &&
    (records > MAX_BUCKET_RECORDS || bytes > slots * SLOT_BYTES * MAX_BUCKET_PART);
}
