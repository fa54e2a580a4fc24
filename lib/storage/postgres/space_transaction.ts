/**
 * Transactions over whole spaces of the store in PostgreSQL.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type postgres from "postgres";
import {
  checkKey,
  CLOCK,
  entryOf,
  packPlaces,
  packRows,
  READ_ROWS,
  readParameters,
  type Row,
  type StoredRow,
  WRITE_ROWS,
} from "./rows.ts";
import type { Entry, Key, KeyCount, ScanRange, SpaceTransaction } from "../store.ts";
import { latin1From, type Value } from "../value.ts";

/** Temporary number of a space while two are exchanged. */
const SWAPPING_SPACE = -1;

/** A transaction over whole spaces, on a connection that has begun a transaction. */
export class PostgresSpaceTransaction implements SpaceTransaction {
  readonly nowMs: number;
  /** Keys that it has set, deleted or moved. */
  writes = 0;
  readonly #sql: postgres.Sql;
  readonly #nextVersion: () => number;

  constructor(sql: postgres.Sql, nowMs: number, nextVersion: () => number) {
    this.#sql = sql;
    this.nowMs = nowMs;
    this.#nextVersion = nextVersion;
  }

  async get(space: number, key: Key): Promise<Entry | undefined> {
    const parameters = readParameters(packPlaces([{ space, key }]), { alone: true });
    const rows = await this.#sql.unsafe<StoredRow[]>(READ_ROWS, parameters);
    return rows.length < 2 ? undefined : entryOf(rows[1]!, this.nowMs);
  }

  async put(space: number, key: Key, value: Value, expiresAtMs: number): Promise<void> {
    checkKey(key);
    await this.#write({ space, key, value, expiresAtMs, version: this.#nextVersion() });
  }

  async delete(space: number, key: Key): Promise<boolean> {
    if (await this.get(space, key) === undefined) return false;
    await this.#write({
      space,
      key,
      value: undefined,
      expiresAtMs: 0,
      version: this.#nextVersion(),
    });
    return true;
  }

  async count(space: number): Promise<KeyCount> {
    const [row] = await this.#sql`
      SELECT count(*) AS keys, count(expires_at) AS expiring,
        avg(expires_at)::float8 AS average FROM quartet.kv
      WHERE space = ${space} AND (expires_at IS NULL OR expires_at > ${this.nowMs})`;
    return {
      keys: Number(row!.keys),
      expiring: Number(row!.expiring),
      averageTtlMs: row!.average === null ? 0 : Number(row!.average) - this.nowMs,
    };
  }

  scan(space: number, range: ScanRange): Promise<[Key, Entry][]> {
    return readPage(this.#sql, space, range, this.nowMs);
  }

  async randomKey(space: number): Promise<Key | undefined> {
    const [row] = await this.#sql`
      WITH live AS NOT MATERIALIZED (
        SELECT key FROM quartet.kv
        WHERE space = ${space} AND (expires_at IS NULL OR expires_at > ${this.nowMs})
      )
      SELECT key FROM live OFFSET (SELECT floor(random() * count(*))::bigint FROM live) LIMIT 1`;
    return row === undefined ? undefined : latin1From(row.key);
  }

  async clear(space: number): Promise<void> {
    const { count } = await this.#sql`DELETE FROM quartet.kv WHERE space = ${space}`;
    this.writes += count;
  }

  async swap(a: number, b: number): Promise<void> {
    if (a === b) return;
    for (const [from, to] of [[a, SWAPPING_SPACE], [b, a], [SWAPPING_SPACE, b]] as const) {
      const { count } = await this
        .#sql`UPDATE quartet.kv SET space = ${to} WHERE space = ${from}`;
      this.writes += count;
    }
  }

  async #write(row: Row): Promise<void> {
    await this.#sql.unsafe(WRITE_ROWS, packRows([row]));
    this.writes++;
  }
}

/** Reads a page of a space in key order. */
export async function readPage(
  sql: postgres.Sql,
  space: number,
  range: ScanRange,
  nowMs?: number,
): Promise<[Key, Entry][]> {
  const { prefix = "", after, limit, keysOnly = false } = range;
  const end = endOfPrefix(prefix);
  const bytes = (key: Key) => Buffer.from(key, "latin1");
  const rows = await sql`
    SELECT key, ${keysOnly ? sql`''::bytea AS value` : sql`value`}, version, expires_at
    FROM quartet.kv
    WHERE space = ${space} AND key >= ${bytes(prefix)}
      ${end === undefined ? sql`` : sql`AND key < ${bytes(end)}`}
      ${after === undefined ? sql`` : sql`AND key > ${bytes(after)}`}
      AND (expires_at IS NULL OR expires_at > ${nowMs ?? sql.unsafe(CLOCK)})
    ORDER BY key LIMIT ${Math.max(0, limit)}`;
  return rows.map((row) => [latin1From(row.key), entryOf(row as unknown as StoredRow, -Infinity)!]);
}

/** The first key after all keys with a prefix; `undefined` if there is none. */
function endOfPrefix(prefix: Key): Key | undefined {
  let length = prefix.length;
  while (length > 0 && prefix.charCodeAt(length - 1) === 255) length--;
  if (length === 0) return undefined;
  return prefix.slice(0, length - 1) + String.fromCharCode(prefix.charCodeAt(length - 1) + 1);
}
