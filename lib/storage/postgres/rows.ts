/**
 * The table of the key-value store in PostgreSQL, and the statements that read and write many of
 * its rows at once.
 *
 * Statements get their rows as a few long parameters: all keys joined and all values joined, each
 * with a list of where they are. That is a third faster than arrays of byte strings, which would
 * be escaped and parsed one by one.
 *
 * A deleted key stays for a while as a row that expired in 1970. So a write is always an upsert of
 * rows in key order, whatever it does, and since every statement takes its locks in that order,
 * daemons wait for each other but never in a circle.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { joinValues, listOf } from "./packed_values.ts";
import { type Entry, type Key, type Place, StorageUnavailableError } from "../store.ts";
import { type Value, valueFrom } from "../value.ts";

/** The version 1 of the table, and all later ones; see `PostgresDatabase.migrate`. */
export const KV_MIGRATIONS: readonly string[] = [
  `CREATE TABLE quartet.kv (
     space smallint NOT NULL,
     key bytea NOT NULL,
     value bytea NOT NULL,
     version bigint NOT NULL,
     -- Milliseconds since the Unix epoch by the clock of the database; NULL for never.
     expires_at bigint,
     PRIMARY KEY (space, key)
   ) WITH (fillfactor = 80);
   CREATE INDEX kv_expires_at ON quartet.kv (expires_at) WHERE expires_at IS NOT NULL;
   -- Each number stands for a block of versions that a daemon gives to what it writes.
   CREATE SEQUENCE quartet.kv_version_blocks;`,
];

/** The longest key; a row of an index has to fit three times into a page of 8 KiB. */
export const MAX_KEY_BYTES = 2048;

/** The clock of the database, in milliseconds since the Unix epoch. */
export const CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/** Values up to here are read with many others; longer ones alone, so that they fit into memory. */
export const MAX_SHARED_VALUE_BYTES = 64 * 1024;

/** No value is longer. */
const MAX_VALUE_BYTES = 2 ** 30;

/** When a deleted key has expired. */
const DELETED_AT_MS = 0;

/** A value that is to be written; `undefined` to delete the key. */
export interface Row extends Place {
  readonly value: Value | undefined;
  readonly version: number;
  /** 0 for never. */
  readonly expiresAtMs: number;
}

/** What a statement gives back for a place. */
export interface StoredRow {
  /** Which place it is, from 1; 0 for the row whose version is the clock. */
  i: number;
  /** `null` when it is longer than what was asked for. */
  value: Buffer | null;
  version: number;
  expires_at: number | null;
}

const PLACES = `unnest($1::text::int2[], $2::text::int4[], $3::text::int4[])`;

/**
 * Reads places; the first row is the clock. Its parameters are those of {@linkcode packPlaces}, and
 * up to which length values are wanted; see {@linkcode readParameters}.
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
 * Locks places, in their order, and makes a row of each that has none, as if it had been deleted.
 * A row whose condition is false is locked but not written. Its parameters are those of
 * {@linkcode packPlaces}, and the version of the rows that it makes.
 */
export const LOCK_ROWS = `
  INSERT INTO quartet.kv (space, key, value, version, expires_at)
  SELECT p.space, substring($4::bytea FROM p.start FOR p.length), '', $5::bigint, ${DELETED_AT_MS}
  FROM ${PLACES} AS p (space, start, length)
  ON CONFLICT (space, key) DO UPDATE SET version = kv.version WHERE false`;

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

/** A parameter of one of these statements. */
export type Parameter = string | Uint8Array;

/** Orders places as the primary key does. */
export function comparePlaces(a: Place, b: Place): number {
  return a.space - b.space || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

/**
 * Checks a key that is to be written.
 *
 * @throws {StorageUnavailableError} If it is longer than {@linkcode MAX_KEY_BYTES}.
 */
export function checkKey(key: Key): void {
  if (key.length <= MAX_KEY_BYTES) return;
  throw new StorageUnavailableError(
    `a key of ${key.length} bytes is too long for PostgreSQL, which takes ${MAX_KEY_BYTES}`,
  );
}

/** The parameters that stand for places. */
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

/** The parameters that read places; `alone`: nothing else is read, so long values come too. */
export function readParameters(
  places: readonly Parameter[],
  { alone }: { alone: boolean },
): Parameter[] {
  return [...places, `${alone ? MAX_VALUE_BYTES : MAX_SHARED_VALUE_BYTES}`];
}

/** The parameters that stand for rows, which must be in order. */
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

/** Thrown when a value is too long to be read together with others. */
export class LongValueError extends Error {
  override name = "LongValueError";
}

/**
 * The entry of a row, unless it has expired.
 *
 * @throws {LongValueError}
 */
export function entryOf(row: StoredRow, nowMs: number): Entry | undefined {
  if (row.expires_at !== null && row.expires_at <= nowMs) return undefined;
  if (row.value === null) throw new LongValueError("Cannot read a long value with others");
  return { value: valueFrom(row.value), version: row.version, expiresAtMs: row.expires_at ?? 0 };
}
