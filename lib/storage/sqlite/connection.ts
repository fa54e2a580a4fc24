/**
 * A connection to the SQLite file of a commit log. The file has these tables:
 *
 * - `log`: a row per chunk of a commit group. Each row names the checksum of the one before it, so
 *   a missing row is noticed.
 * - `pieces`: the snapshot, a row per piece. A piece replaces its predecessor.
 * - `kept`: changes from rows that were dropped from the log, of tables that the snapshot did not
 *   cover, because nobody had opened them; a row per row of the log and table.
 * - `head`: one row, a JSON text: the last row that was dropped from the log, the number of pieces,
 *   and the tables by name. Without it nothing could be saved, so `head_copy` has the same.
 *
 * Every row has a CRC-32 of its numbers and its bytes.
 *
 * {@linkcode connection} and the other functions on the file run in a worker thread from their
 * source text, so they must not use anything from outside themselves but types.
 *
 * @module
 */

import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import type { Fault, FaultPoint } from "./fault.ts";

/** What the functions on the file need of Node's modules. */
export interface Modules {
  DatabaseSync: typeof DatabaseSync;
  /** Of `node:zlib`. */
  crc32(bytes: Uint8Array | string, before?: number): number;
  /** Of `node:fs`. */
  statfsSync(path: string): { bavail: number; bsize: number };
}

/** Options for a log file. */
export interface LogFileOptions {
  path: string;
  schemaVersion: number;
  /** SQLite's `application_id`, which marks the file as ours. */
  applicationId: number;
  /** How long to wait while another process holds a lock. */
  busyTimeoutMs: number;
  /** Limit on the size of the file in pages, without the reserve; 0 for SQLite's own. */
  maxPages: number;
  /** Size of the file that is given up when the disk is full. */
  reserveBytes: number;
  /** A failure to simulate. */
  fault?: Fault | undefined;
}

/** The ids of tables by name. */
export type Directory = Record<string, number>;

/** The row of `head`. */
export interface Head {
  /** The last version that was dropped from the log, and the checksum of its row. */
  version: number;
  checksum: number;
  /** The number of pieces. */
  pieces: number;
  directory: Directory;
  /**
   * The last version in the file when this was written: with pieces, when rows are dropped, and when
   * the file is closed. Rows missing at the end of the log are noticed by it.
   */
  newest?: number;
}

/** A connection. */
export type Connection = ReturnType<typeof connection>;

/** Creates a connection, which is not open yet. */
export function connection(modules: Modules, options: LogFileOptions) {
  /** SQLite truncates its write-ahead log to this size after a checkpoint. */
  const maxWalBytes = 4 * 1024 * 1024;
  const headTables = ["head", "head_copy"];
  const { path, fault } = options;
  const statements = new Map<string, StatementSync>();
  const numbers = new Float64Array(3);
  const numberBytes = new Uint8Array(numbers.buffer);
  let database: DatabaseSync | undefined;
  /** How often the point of the fault was passed. */
  let passed = 0;
  const state = {
    head: { version: 0, checksum: 0, pieces: 0, directory: {} } as Head,
    /** The last row, as far as this process knows. */
    last: { version: 0, checksum: 0 },
  };

  /** A point at which a failure can be simulated. */
  function pass(point: FaultPoint): void {
    if (fault === undefined || (fault.point !== "any" && fault.point !== point)) return;
    const fails = fault.action === "fail";
    if (fails && fault.point === "any" && point === "committed") return;
    const count = fails && fault.passes !== undefined
      ? Atomics.add(new Int32Array(fault.passes), 0, 1) + 1
      : passed + 1;
    passed = count;
    if (fault.action === "copy") {
      for (const suffix of ["", "-wal"]) {
        try {
          Deno.copyFileSync(path + suffix, `${fault.directory}/${count}.db${suffix}`);
        } catch (error) {
          if (!(error instanceof Deno.errors.NotFound)) throw error;
        }
      }
    } else if (fault.action === "kill") {
      if (count === fault.at) Deno.kill(Deno.pid, "SIGKILL");
    } else if (count >= fault.at && count < fault.at + (fault.times ?? 1)) {
      throw Object.assign(new Error("simulated"), { errcode: fault.code ?? 10 });
    }
  }

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

  /** The first column of the first row; 0 if there is none. */
  function number(sql: string, ...values: SQLInputValue[]): number {
    return Number(Object.values(prepare(sql).get(...values) ?? {})[0] ?? 0);
  }

  function checksum(a: number, b: number, c: number, bytes: Uint8Array): number {
    numbers[0] = a;
    numbers[1] = b;
    numbers[2] = c;
    return modules.crc32(bytes, modules.crc32(numberBytes));
  }

  /** Runs a function in a transaction. If it fails, its changes to `state` are undone too. */
  function transaction(work: () => void): void {
    const { head, last } = state;
    run("BEGIN IMMEDIATE");
    try {
      work();
      run("COMMIT");
    } catch (error) {
      state.head = head;
      state.last = last;
      try {
        run("ROLLBACK");
      } catch {
        // SQLite has rolled back already, as it does after most disk errors.
      }
      throw error;
    }
  }

  /** Opens the file, and creates it if necessary. */
  function open(): void {
    database = new modules.DatabaseSync(path);
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
    // The first takes effect only before anything is written, and WAL mode writes a header.
    if (!ours) database.exec("PRAGMA auto_vacuum = INCREMENTAL");
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    database.exec(`PRAGMA journal_size_limit = ${maxWalBytes}`);
    if (options.maxPages > 0) database.exec(`PRAGMA max_page_count = ${options.maxPages}`);
    if (!ours) create();
  }

  /** Opens the file for reading only, damaged or not. */
  function openToRead(): void {
    database = new modules.DatabaseSync(path, { readOnly: true });
    database.exec(`PRAGMA busy_timeout = ${options.busyTimeoutMs}`);
  }

  function create(): void {
    transaction(() => {
      run(
        `CREATE TABLE log (last INTEGER PRIMARY KEY, first INTEGER, previous INTEGER, crc INTEGER,
           changes BLOB)`,
      );
      run(
        `CREATE TABLE kept (owner INTEGER, last INTEGER, first INTEGER, crc INTEGER, changes BLOB,
           PRIMARY KEY (owner, last))`,
      );
      run(
        `CREATE TABLE pieces (owner INTEGER, piece INTEGER, version INTEGER, crc INTEGER,
           records BLOB, PRIMARY KEY (owner, piece))`,
      );
      for (const table of headTables) {
        run(`CREATE TABLE ${table} (crc INTEGER, state TEXT)`);
        run(`INSERT INTO ${table} VALUES (0, '')`);
      }
      writeHead({});
      run(`PRAGMA application_id = ${options.applicationId}`);
      run(`PRAGMA user_version = ${options.schemaVersion}`);
    });
  }

  /** Changes the head, in a transaction. */
  function writeHead(changes: Partial<Head>): void {
    state.head = { ...state.head, ...changes, newest: state.last.version };
    const text = JSON.stringify(state.head);
    const crc = modules.crc32(text);
    for (const table of headTables) run(`UPDATE ${table} SET crc = ?, state = ?`, crc, text);
  }

  /** @throws {Error} If it is damaged. */
  function readHead(table: string = headTables[0]!): Head {
    const row = prepare(`SELECT crc, state FROM ${table}`).get();
    if (row === undefined || modules.crc32(String(row.state)) !== row.crc) {
      throw new Error("its checksum is wrong");
    }
    return JSON.parse(String(row.state));
  }

  /** The last row of the log or, if that is empty, the last one that was dropped from it. */
  function readLast(head: Head): { version: number; checksum: number } {
    const row = prepare("SELECT last, crc FROM log ORDER BY last DESC LIMIT 1").get();
    if (row === undefined) return { version: head.version, checksum: head.checksum };
    return { version: Number(row.last), checksum: Number(row.crc) };
  }

  /**
   * Moves what is in the write-ahead log to the database and empties it, unless another process reads
   * the file. Clients' commits wait for this, so it does not wait for such a process.
   */
  function truncateWal(): void {
    database!.exec("PRAGMA busy_timeout = 0");
    try {
      database!.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // Nothing is lost. What the disk has against it, the next commit tells.
    } finally {
      database!.exec(`PRAGMA busy_timeout = ${options.busyTimeoutMs}`);
    }
  }

  function close(): void {
    statements.clear();
    database?.close();
    database = undefined;
  }

  return {
    state,
    options,
    headTables,
    pass,
    prepare,
    run,
    number,
    checksum,
    transaction,
    open,
    openToRead,
    writeHead,
    readHead,
    readLast,
    truncateWal,
    close,
    get isOpen() {
      return database !== undefined;
    },
    exec: (sql: string) => database!.exec(sql),
  };
}
