/**
 * A transaction on everything that services keep in a database, for backups.
 *
 * @module
 */

import type postgres from "postgres";
import type { Entry, Key, ScanRange } from "../store.ts";
import { checkKey, CLOCK, packRows, type Row, VERSION_BLOCK, WRITE_ROWS } from "./rows.ts";
import { readPage } from "./space_transaction.ts";

/** A transaction: either one that reads what there was at one moment, or one that writes. */
export class DatabaseTransaction {
  /** For statements on the tables of a service. */
  readonly sql: postgres.TransactionSql;
  #version = 0;
  #lastVersion = -1;

  constructor(sql: postgres.TransactionSql) {
    this.sql = sql;
  }

  /** Reads a page of a space of the key-value store, as `Store.scan` does. */
  async scanKeys(space: number, range: ScanRange): Promise<[Key, Entry][]> {
    return await readPage(this.sql as unknown as postgres.Sql, space, range);
  }

  /**
   * Locks a table against other writers.
   *
   * @throws {Error} If it has rows.
   */
  async lockEmpty(table: string): Promise<void> {
    await this.sql.unsafe(`LOCK TABLE quartet.${table} IN SHARE ROW EXCLUSIVE MODE`);
    const rows = await this.sql.unsafe(`SELECT FROM quartet.${table} LIMIT 1`);
    if (rows.length > 0) {
      throw new Error(`its table quartet.${table} is not empty, and nothing is overwritten`);
    }
  }

  /** The key-value store has no keys; ones that have expired do not count. Keeps it so. */
  async lockKeys(): Promise<void> {
    await this.sql.unsafe("LOCK TABLE quartet.kv IN SHARE ROW EXCLUSIVE MODE");
    await this.sql.unsafe(`DELETE FROM quartet.kv WHERE expires_at <= ${CLOCK}`);
    await this.lockEmpty("kv");
  }

  /**
   * Puts keys into the store, which has none of them.
   *
   * @throws {StorageUnavailableError} If a key is too long.
   */
  async putKeys(space: number, page: readonly [Key, Entry][]): Promise<void> {
    const rows: Row[] = [];
    for (const [key, { value, expiresAtMs }] of page) {
      checkKey(key);
      rows.push({ space, key, value, expiresAtMs, version: await this.#nextVersion() });
    }
    await this.sql.unsafe(WRITE_ROWS, packRows(rows), { prepare: true });
  }

  async #nextVersion(): Promise<number> {
    if (this.#version > this.#lastVersion) {
      const [row] = await this.sql`SELECT nextval('quartet.kv_version_blocks') AS block`;
      this.#version = Number(row!.block) * VERSION_BLOCK;
      this.#lastVersion = this.#version + VERSION_BLOCK - 1;
    }
    return this.#version++;
  }
}
