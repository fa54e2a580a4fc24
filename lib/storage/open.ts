/**
 * Opens what a storage URL names.
 *
 * @module
 */

import type { Log } from "../log.ts";
import { type CommitLog, MemoryLog } from "./commit_log.ts";
import { MemoryStore } from "./memory/memory_store.ts";
import type { Store } from "./store.ts";
import { PostgresDatabase } from "./postgres/postgres_database.ts";
import { PostgresStore } from "./postgres/postgres_store.ts";
import { SqliteLog } from "./sqlite/sqlite_log.ts";
import { parseStorageUrl, redactUrl } from "./url.ts";

/** Options for a key-value store in a storage. */
export interface StoreOptions {
  /** Bytes of keys and values that it may hold, where the engine keeps them in memory. */
  maxBytes: number;
}

/** What all storages have. */
interface StorageBase {
  /** The URL it was opened with, without a password. */
  readonly url: string;
  /** Opens the key-value store in it. There is one: open it once. */
  openStore(options: StoreOptions): Promise<Store>;
  /** Finishes what was taken, and closes. Close the stores and queues in it before. */
  close(): Promise<void>;
}

/** A storage whose users keep their data in memory, and write it to a log. */
export interface LogStorage extends StorageBase {
  readonly kind: "memory" | "sqlite";
  readonly log: CommitLog;
}

/** A storage in a PostgreSQL database, which several daemons may share. */
export interface PostgresStorage extends StorageBase {
  readonly kind: "postgres";
  readonly database: PostgresDatabase;
}

/** An opened storage. */
export type Storage = LogStorage | PostgresStorage;

/** Options for {@linkcode openStorage}. */
export interface OpenOptions {
  /** What a relative file is relative to. */
  dataDir: string;
  log: Log;
}

/**
 * Opens a storage.
 *
 * @param url As {@linkcode parseStorageUrl} takes it.
 * @throws {SyntaxError} If the URL is not one of a storage.
 * @throws {Error} If it cannot be opened; the message says why.
 */
export async function openStorage(url: string, options: OpenOptions): Promise<Storage> {
  const target = parseStorageUrl(url, options.dataDir);
  if (target.kind === "memory") return logStorage("memory", url, new MemoryLog());
  if (target.kind === "sqlite") {
    return logStorage("sqlite", url, await SqliteLog.open(target.path, { log: options.log }));
  }
  const { log } = options;
  return postgresStorage(url, await PostgresDatabase.open(target.url, { log }), log);
}

function logStorage(kind: "memory" | "sqlite", url: string, log: CommitLog): LogStorage {
  return {
    kind,
    url,
    log,
    openStore: ({ maxBytes }) => MemoryStore.open(log, { maxBytes }),
    close: () => log.close(),
  };
}

function postgresStorage(url: string, database: PostgresDatabase, log: Log): PostgresStorage {
  return {
    kind: "postgres",
    url: redactUrl(url),
    database,
    openStore: () => PostgresStore.open(database, { log }),
    close: () => Promise.resolve(),
  };
}
