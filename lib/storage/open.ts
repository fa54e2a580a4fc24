/**
 * Opens the storage that a URL names. This is the only file that knows all engines.
 *
 * @module
 */

import type { Log } from "../log.ts";
import type { CommitLog } from "./commit_log.ts";
import { MemoryLog } from "./memory/memory_log.ts";
import { MemoryStore } from "./memory/memory_store.ts";
import { PostgresDatabase } from "./postgres/postgres_database.ts";
import { PostgresStore } from "./postgres/postgres_store.ts";
import { SqliteLog } from "./sqlite/sqlite_log.ts";
import type { Storage } from "./storage.ts";
import { parseStorageUrl, redactUrl } from "./url.ts";

export { expectNoFile, RestoredFile } from "./sqlite/restore_file.ts";
export { type FileContents, recoverFile, verifyFile } from "./sqlite/verify_file.ts";

/** Options for {@linkcode openStorage}. */
export interface OpenOptions {
  /** The directory that relative file names start from. */
  dataDir: string;
  log: Log;
}

/**
 * Opens a storage.
 *
 * @param url In a form that {@linkcode parseStorageUrl} accepts.
 * @throws {SyntaxError} If it is not a storage URL.
 * @throws {Error} If the storage cannot be opened; the message says why.
 */
export async function openStorage(url: string, { dataDir, log }: OpenOptions): Promise<Storage> {
  const target = parseStorageUrl(url, dataDir);
  switch (target.kind) {
    case "memory":
      return logStorage(url, new MemoryLog());
    case "sqlite":
      return logStorage(url, await SqliteLog.open(target.path, { log }));
    case "postgres":
      return databaseStorage(url, await PostgresDatabase.open(target.url, { log }), log);
  }
}

function logStorage(url: string, log: CommitLog): Storage {
  return {
    url,
    durable: log.durable,
    openStore: (limits) => MemoryStore.open(log, limits),
    match: (cases) => cases.log(log),
    close: () => log.close(),
  };
}

function databaseStorage(url: string, database: PostgresDatabase, log: Log): Storage {
  return {
    url: redactUrl(url),
    durable: true,
    openStore: async ({ policy = "noeviction" }) => {
      if (policy !== "noeviction") {
        throw new Error(
          `a database does not evict: set max_memory_policy to "noeviction", not to "${policy}"`,
        );
      }
      return await PostgresStore.open(database, { log });
    },
    match: (cases) => cases.database(database),
    close: () => Promise.resolve(),
  };
}
