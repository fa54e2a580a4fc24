/**
 * The thread that owns the SQLite file and handles one request after another.
 *
 * {@linkcode sqliteWorker} is never called here. Its source code becomes the module of the worker, as
 * a `data:` URL, which is the only form that a plain run, a bundle and a compiled executable can all
 * load without a separate file. Therefore it must not use anything from outside itself but types.
 *
 * @module
 */

import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";

/** A request to the worker. Each one gets one reply, in order. */
export type SqliteRequest =
  /** Opens the file. */
  | { kind: "open"; options: SqliteOptions }
  /** Creates a table if necessary and gives it a number. */
  | { kind: "table"; id: number; name: string }
  /** Reads records in key order, until they exceed a size. */
  | { kind: "load"; id: number; after: Uint8Array | undefined; maxBytes: number }
  /** Commits a group. */
  | { kind: "commit"; group: number; operations: Uint8Array<ArrayBuffer> }
  | { kind: "close" };

/** Options for opening the file. */
export interface SqliteOptions {
  path: string;
  schemaVersion: number;
  /** SQLite's `application_id`, which marks the file as ours. */
  applicationId: number;
  /** How long to wait while another process holds a lock. */
  busyTimeoutMs: number;
  /** Limit on the size of the file in pages; 0 for SQLite's own. */
  maxPages: number;
}

/** A reply of the worker. */
export type SqliteReply =
  /** `committed` is the number of the last group; `synchronous` is SQLite's setting as a number. */
  | { kind: "opened"; committed: number; synchronous: number }
  | { kind: "done" }
  /** Each record as two lengths (u32, little-endian), key and record; empty after the last page. */
  | { kind: "page"; bytes: Uint8Array<ArrayBuffer> }
  | { kind: "committed"; buffer: ArrayBuffer }
  /** The request failed; `code` is SQLite's result code if SQLite refused it. */
  | { kind: "failed"; code: number | undefined; message: string };

/** Starts a worker thread. */
export function startSqliteWorker(): Worker {
  const source = `import { DatabaseSync } from "node:sqlite";\n(${sqliteWorker})(DatabaseSync);`;
  return new Worker(`data:text/javascript,${encodeURIComponent(source)}`, {
    type: "module",
    name: "sqlite",
  });
}

/** The code of the worker. */
function sqliteWorker(Database: typeof DatabaseSync): void {
  /** Errors after which to reopen the file: SQLite's CORRUPT, CANTOPEN, READONLY, NOTADB. */
  const reopenAfter = [11, 14, 8, 26];
  const tables = new Map<number, string>();
  const statements = new Map<string, StatementSync>();
  let options: SqliteOptions;
  let database: DatabaseSync | undefined;
  /** The last group in the file, as far as this thread knows. */
  let committed = 0;

  function prepare(sql: string): StatementSync {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = database!.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  }

  function run(sql: string, ...values: SQLInputValue[]): void {
    prepare(sql).run(...values);
  }

  function number(sql: string): number {
    return Number(Object.values(prepare(sql).get() ?? {})[0] ?? 0);
  }

  /** Runs a function in a transaction. */
  function transaction(work: () => void): void {
    run("BEGIN IMMEDIATE");
    try {
      work();
      run("COMMIT");
    } catch (error) {
      try {
        run("ROLLBACK");
      } catch {
        // SQLite has rolled back already, as it does after most disk errors.
      }
      throw error;
    }
  }

  function open(): number {
    try {
      return tryOpen();
    } catch (error) {
      close();
      throw error;
    }
  }

  function tryOpen(): number {
    database = new Database(options.path);
    database.exec(`PRAGMA busy_timeout = ${options.busyTimeoutMs}`);
    const version = number("PRAGMA user_version");
    if (version > options.schemaVersion) {
      throw new Error(
        `its schema has version ${version}, and this program knows versions up to ` +
          `${options.schemaVersion}`,
      );
    }
    const ours = number("PRAGMA application_id") === options.applicationId;
    if (!ours && number("SELECT count(*) FROM sqlite_schema") > 0) {
      throw new Error("it is the database of another program");
    }
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    if (options.maxPages > 0) database.exec(`PRAGMA max_page_count = ${options.maxPages}`);
    if (!ours) {
      transaction(() => {
        run(`CREATE TABLE last_commit (number INTEGER NOT NULL)`);
        run(`INSERT INTO last_commit VALUES (0)`);
        run(`PRAGMA application_id = ${options.applicationId}`);
        run(`PRAGMA user_version = ${options.schemaVersion}`);
      });
    }
    return number("SELECT number FROM last_commit");
  }

  function close(): void {
    statements.clear();
    database?.close();
    database = undefined;
  }

  /** Opens the file again after an error. A file with another last group is not the same one. */
  function reopen(): void {
    if (open() === committed) return;
    close();
    throw new Error("the file was replaced while it was in use; restart to use the new one");
  }

  function commit(group: number, operations: Uint8Array): void {
    if (database === undefined) reopen();
    transaction(() => {
      apply(operations);
      run("UPDATE last_commit SET number = ?", group);
    });
    committed = group;
  }

  function apply(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    let lastTable = -1;
    let put: StatementSync | undefined;
    while (at < bytes.length) {
      const kind = view.getUint8(at);
      const id = view.getUint16(at + 1, true);
      const keyLength = view.getUint32(at + 3, true);
      const second = view.getUint32(at + 7, true);
      const key = bytes.subarray(at + 11, at + 11 + keyLength);
      at += 11 + keyLength;
      const table = tables.get(id)!;
      if (kind === 0) {
        if (id !== lastTable || put === undefined) {
          put = prepare(
            `INSERT INTO ${table} VALUES (?, ?)
             ON CONFLICT (key) DO UPDATE SET record = excluded.record`,
          );
          lastTable = id;
        }
        put.run(key, bytes.subarray(at, at + second));
        at += second;
      } else if (kind === 1) {
        run(`DELETE FROM ${table} WHERE key = ?`, key);
      } else if (kind === 2) {
        run(`DELETE FROM ${table}`);
      } else {
        swap(table, tables.get(second)!);
        put = undefined;
      }
    }
  }

  /** Exchanges two tables by renaming them, which takes no longer for large ones. */
  function swap(a: string, b: string): void {
    database!.exec(
      `ALTER TABLE ${a} RENAME TO swapping; ALTER TABLE ${b} RENAME TO ${a};
       ALTER TABLE swapping RENAME TO ${b}`,
    );
    statements.clear();
  }

  function load(id: number, after: Uint8Array | undefined, maxBytes: number) {
    const table = tables.get(id)!;
    const select = after === undefined
      ? prepare(`SELECT key, record FROM ${table} ORDER BY key`)
      : prepare(`SELECT key, record FROM ${table} WHERE key > ? ORDER BY key`);
    const rows: Uint8Array[] = [];
    let length = 0;
    for (const row of select.iterate(...(after === undefined ? [] : [after]))) {
      rows.push(row.key as Uint8Array, row.record as Uint8Array);
      length += 8 + rows.at(-2)!.length + rows.at(-1)!.length;
      if (length >= maxBytes) break;
    }
    const bytes = new Uint8Array(length);
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (let index = 0; index < rows.length; index += 2) {
      const key = rows[index]!;
      const record = rows[index + 1]!;
      view.setUint32(at, key.length, true);
      view.setUint32(at + 4, record.length, true);
      bytes.set(key, at + 8);
      bytes.set(record, at + 8 + key.length);
      at += 8 + key.length + record.length;
    }
    return bytes;
  }

  function answer(request: SqliteRequest): SqliteReply {
    switch (request.kind) {
      case "open":
        options = request.options;
        committed = open();
        return { kind: "opened", committed, synchronous: number("PRAGMA synchronous") };
      case "table":
        if (!/^[a-z][a-z0-9_]*$/.test(request.name)) {
          throw new Error(`"${request.name}" cannot be the name of a table`);
        }
        tables.set(request.id, `"t_${request.name}"`);
        run(
          `CREATE TABLE IF NOT EXISTS "t_${request.name}"
             (key BLOB PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID`,
        );
        return { kind: "done" };
      case "load":
        return { kind: "page", bytes: load(request.id, request.after, request.maxBytes) };
      case "commit":
        commit(request.group, request.operations);
        return { kind: "committed", buffer: request.operations.buffer };
      case "close":
        close();
        return { kind: "done" };
    }
  }

  const scope = globalThis as unknown as {
    onmessage: (event: MessageEvent<SqliteRequest>) => void;
    postMessage(reply: SqliteReply, transfer: Transferable[]): void;
  };
  scope.onmessage = ({ data: request }) => {
    let reply: SqliteReply;
    try {
      reply = answer(request);
    } catch (error) {
      const { errcode, errstr, message } = error as Error & { errcode?: number; errstr?: string };
      const code = errcode === undefined ? undefined : errcode & 0xff;
      if (code !== undefined && reopenAfter.includes(code)) close();
      reply = { kind: "failed", code, message: code === undefined ? message : errstr ?? message };
    }
    const transfer = reply.kind === "committed"
      ? [reply.buffer]
      : reply.kind === "page"
      ? [reply.bytes.buffer]
      : [];
    scope.postMessage(reply, transfer);
  };
}
