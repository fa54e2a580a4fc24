import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { GroupBuffer } from "../../../lib/storage/sqlite/group_buffer.ts";
import { SqliteError, SqliteThread } from "../../../lib/storage/sqlite/sqlite_thread.ts";
import type { FileState } from "../../../lib/storage/sqlite/log_file.ts";
import { within } from "../../support/within.ts";

/** Limit on one reply of the worker. */
const REPLY_DEADLINE_MS = 60_000;

/** SQLite's FULL: it syncs the file on every commit. */
const SYNCHRONOUS_FULL = 2;

/** Commits after which a damaged file must have been noticed. */
const MAX_COMMITS = 1_000;

/** A worker on a file in a directory of its own. */
class TestWorker implements AsyncDisposable {
  readonly path: string;
  readonly #directory: string;
  readonly #thread = new SqliteThread();
  #version = 0;
  /** The last version that it committed. */
  committed = 0;

  private constructor(directory: string) {
    this.#directory = directory;
    this.path = join(directory, "test.db");
  }

  /** Opens the file; returns its state too. */
  static async open(): Promise<{ worker: TestWorker; opened: FileState }> {
    const worker = new TestWorker(await Deno.makeTempDir());
    const opened = worker.#thread.open({
      path: worker.path,
      schemaVersion: 2,
      applicationId: 7,
      busyTimeoutMs: 1_000,
      maxPages: 0,
      reserveBytes: 0,
    });
    return { worker, opened: await within(REPLY_DEADLINE_MS, "the file", opened) };
  }

  /** Commits a group of one change, through shared memory or as a message. */
  async commit(key: string, { small = true } = {}): Promise<void> {
    const version = ++this.#version;
    const buffer = new GroupBuffer(this.#thread.buffers[1]!);
    buffer.put(0, key, new Uint8Array(1000));
    const { bytes, length } = buffer.chunks[0]!;
    const wait = small
      ? this.#thread.commit({ first: version, last: version, length, buffer: 1, frees: false })
      : this.#thread.ask({
        kind: "commit",
        group: {
          rows: [{ first: version, last: version, bytes: bytes.subarray(0, length) }],
          frees: false,
        },
      });
    await within<unknown>(REPLY_DEADLINE_MS, "a commit", wait);
    this.committed = version;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread.ask({ kind: "close" });
    this.#thread.end();
    await Deno.remove(this.#directory, { recursive: true });
  }
}

/** Puts a copy of the database in its place; `lastVersion`: later rows are missing in it. */
async function replaceDatabase(path: string, copy: string, lastVersion: number): Promise<void> {
  using database = new DatabaseSync(copy);
  database.exec(`DELETE FROM log WHERE last > ${lastVersion}`);
  for (const suffix of ["-wal", "-shm"]) {
    await Deno.remove(path + suffix).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  await Deno.rename(copy, path);
}

/** Overwrites what is in the file with rubbish, and commits until the worker has noticed. */
async function damage(worker: TestWorker): Promise<void> {
  const { size } = await Deno.stat(worker.path);
  await Deno.writeFile(worker.path, new Uint8Array(size).fill(0x5a));
  for (let commits = 0; commits < MAX_COMMITS; commits++) {
    try {
      await worker.commit(`damaged ${commits}`, { small: commits % 2 === 0 });
    } catch (error) {
      assert.ok(error instanceof SqliteError);
      // CORRUPT or NOTADB: the two after which the worker closes a damaged file.
      assert.ok(error.code === 11 || error.code === 26, error.message);
      return;
    }
  }
  assert.fail("the damage was not noticed");
}

Deno.test("sqliteWorker: the connection that writes syncs every commit", async () => {
  const { worker, opened } = await TestWorker.open();
  await using _ = worker;
  assert.deepEqual([opened.version, opened.synchronous], [0, SYNCHRONOUS_FULL]);
});

Deno.test("sqliteWorker: after an error it goes on with the file it wrote to, and no other", async () => {
  const { worker } = await TestWorker.open();
  await using _ = worker;
  const other = `${worker.path}.other`;
  const mended = `${worker.path}.mended`;
  for (let key = 0; key < 50; key++) await worker.commit(`${key}`);
  {
    using database = new DatabaseSync(worker.path);
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    for (const file of [other, mended]) database.exec(`VACUUM INTO '${file}'`);
  }
  await damage(worker);

  await replaceDatabase(worker.path, other, worker.committed - 1);
  for (const small of [true, false]) {
    const refused = worker.commit("refused", { small });
    await assert.rejects(refused, /the file was replaced while it was in use/);
  }
  {
    using database = new DatabaseSync(worker.path);
    const { last } = database.prepare("SELECT max(last) AS last FROM log").get()!;
    assert.equal(last, worker.committed - 1);
  }

  await replaceDatabase(worker.path, mended, worker.committed);
  await worker.commit("accepted");
});
