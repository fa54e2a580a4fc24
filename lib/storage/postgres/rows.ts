/**
 * The rows of the key-value store in PostgreSQL: the schema of the table, the statements that read
 * and write many rows at once, and their parameters (see packed_values.ts for their form).
 *
 * A deleted key remains for a while as a row that expired in 1970. So every write is an upsert of
 * rows in key order, and since all statements take their locks in that order, daemons may wait for
 * each other but never deadlock.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { joinValues, listOf } from "./packed_values.ts";
import { type Entry, type Key, type Place, StorageUnavailableError } from "../store.ts";
import { type Value, valueFrom } from "../value.ts";

/** The steps to each version of the table; see `PostgresDatabase.migrate`. */
export const KV_MIGRATIONS: readonly string[] = [
  `CREATE TABLE quartet.kv (
     space smallint NOT NULL,
     key bytea NOT NULL,
     value bytea NOT NULL,
     version bigint NOT NULL,
     -- Milliseconds since the Unix epoch by the clock of the database; NULL for never.
     expires_at bigint,
     PRIMARY KEY (space, key)
   );
   CREATE INDEX kv_expires_at ON quartet.kv (expires_at) WHERE expires_at IS NOT NULL;
   -- Each number stands for a block of versions that a daemon gives to what it writes.
   CREATE SEQUENCE quartet.kv_version_blocks;`,
];

/** Storage parameters of the table: room for new versions of a row beside the old one. */
export const KV_TUNING: readonly string[] = ["ALTER TABLE quartet.kv SET (fillfactor = 80)"];

/** The longest key. Three rows of an index must fit into a page of 8 KiB. */
export const MAX_KEY_BYTES = 2048;

/** Versions that a daemon takes from the sequence at once. */
export const VERSION_BLOCK = 2 ** 30;

/** The clock of the database, in milliseconds since the Unix epoch. */
export const CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/** Longer values are read one operation at a time, to bound the memory of a reply. */
export const MAX_SHARED_VALUE_BYTES = 64 * 1024;

/** The longest value. */
const MAX_VALUE_BYTES = 2 ** 30;

/** The expiry time of a deleted key. */
const DELETED_AT_MS = 0;

/** A row to write. If `value` is `undefined`, it deletes the key. */
export interface Row extends Place {
  readonly value: Value | undefined;
  readonly version: number;
  /** 0 for never. */
  readonly expiresAtMs: number;
}

/** A row as a statement returns it. */
export interface StoredRow {
  /** The number of the place, from 1; 0 for the row whose version is the clock. */
  i: number;
  /** `null` if it is longer than the requested limit. */
  value: Buffer | null;
  version: number;
  expires_at: number | null;
}

const PLACES = `unnest($1::text::int2[], $2::text::int4[], $3::text::int4[])`;

/**
 * Reads places; the first row is the clock. Its parameters are those of {@linkcode packPlaces} and
 * the longest value to return; see {@linkcode readParameters}.
 */
export const READ_ROWS = `
  SELECT 0::bigint AS i, NULL::bytea AS value, ${CLOCK} AS version, NULL::bigint AS expires_at
  UNION ALL
  SELECT p.i, CASE WHEN octet_length(kv.value) <= $5::int4 THEN kv.value END, kv.version,
    kv.expires_at
  FROM ${PLACES} WITH ORDINALITY AS p (space, start, length, i)
  JOIN quartet.kv ON kv.space = p.space
    AND kv.key = substring($4::bytea FROM p.start FOR p.length)`;

/**
 * Locks places in their order. A place without a row gets one in the form of a deleted key; an
 * existing row is locked but, since the condition is false, not written. Its parameters are those of
 * {@linkcode packPlaces} and the version of the new rows.
 */
export const LOCK_ROWS = `
  INSERT INTO quartet.kv (space, key, value, version, expires_at)
  SELECT p.space, substring($4::bytea FROM p.start FOR p.length), '', $5::bigint, ${DELETED_AT_MS}
  FROM ${PLACES} AS p (space, start, length)
  ON CONFLICT (space, key) DO UPDATE SET version = kv.version WHERE false`;

/**
 * Removes at most $1 expired rows, skipping locked ones. The clock is read in a subquery, once:
 * compared with a volatile function, an index could only be read from its start to its end.
 */
export const REMOVE_EXPIRED = `
  WITH expired AS MATERIALIZED (
    SELECT space, key FROM quartet.kv WHERE expires_at <= (SELECT ${CLOCK})
    ORDER BY expires_at LIMIT $1::text::int8 FOR UPDATE SKIP LOCKED
  )
  DELETE FROM quartet.kv USING expired
  WHERE kv.space = expired.space AND kv.key = expired.key`;

/** Writes rows. Its parameters are those of {@linkcode packRows}. */
export const WRITE_ROWS = `
  INSERT INTO quartet.kv (space, key, value, version, expires_at)
  SELECT r.space, substring($4::bytea FROM r.start FOR r.length),
    substring($5::bytea FROM r.value_start FOR r.value_length), r.version, r.expires_at
  FROM unnest($1::text::int2[], $2::text::int4[], $3::text::int4[], $6::text::int4[],
    $7::text::int4[], $8::text::int8[], $9::text::int8[])
    AS r (space, start, length, value_start, value_length, version, expires_at)
  ON CONFLICT (space, key) DO UPDATE
  SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at`;

/** A parameter of a statement. */
export type Parameter = string | Uint8Array;

/** Compares places in the order of the primary key. */
export function comparePlaces(a: Place, b: Place): number {
  return a.space - b.space || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

/**
 * Checks the length of a key to be written.
 *
 * @throws {StorageUnavailableError} If it is longer than {@linkcode MAX_KEY_BYTES}.
 */
export function checkKey(key: Key): void {
  if (key.length <= MAX_KEY_BYTES) return;
  throw new StorageUnavailableError(
    `a key of ${key.length} bytes is too long for PostgreSQL, which takes ${MAX_KEY_BYTES}`,
  );
}

/** The parameters for places. */
export function packPlaces(places: readonly Place[]): Parameter[] {
  const spaces: number[] = [];
  const keys: Key[] = [];
  for (const { space, key } of places) {
    spaces.push(space);
    keys.push(key);
  }
  const packed = joinValues(keys);
  return [listOf(spaces), packed.starts, packed.lengths, packed.bytes];
}

/** The parameters for reading places. `alone`: nothing else is read, so include long values. */
export function readParameters(
  places: readonly Parameter[],
  { alone }: { alone: boolean },
): Parameter[] {
  return [...places, `${alone ? MAX_VALUE_BYTES : MAX_SHARED_VALUE_BYTES}`];
}

/** The parameters for rows, which must be in order. */
export function packRows(rows: readonly Row[]): Parameter[] {
  const values: Value[] = [];
  const versions: number[] = [];
  let expirations = "";
  for (const { value, version, expiresAtMs } of rows) {
    values.push(value ?? "");
    versions.push(version);
    const expiresAt = value === undefined ? DELETED_AT_MS : expiresAtMs === 0 ? null : expiresAtMs;
    expirations += `,${expiresAt}`;
  }
  const packed = joinValues(values);
  return [
    ...packPlaces(rows),
    packed.bytes,
    packed.starts,
    packed.lengths,
    listOf(versions),
    `{${expirations.slice(1)}}`,
  ];
}

/** Thrown if a value is too long to be read together with others. */
export class LongValueError extends Error {
  override name = "LongValueError";
}

/**
 * The entry of a row; `undefined` if it has expired.
 *
 * @throws {LongValueError}
 */
export function entryOf(row: StoredRow, nowMs: number): Entry | undefined {
  if (row.expires_at !== null && row.expires_at <= nowMs) return undefined;
  if (row.value === null) throw new LongValueError("Cannot read a long value with others");
  return { value: valueFrom(row.value), version: row.version, expiresAtMs: row.expires_at ?? 0 };
}
