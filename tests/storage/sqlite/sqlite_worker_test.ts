import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { GroupBuffer } from "../../../lib/storage/sqlite/group_buffer.ts";
import {
  type SqliteReply,
  type SqliteRequest,
  startSqliteWorker,
} from "../../../lib/storage/sqlite/sqlite_worker.ts";
import { within } from "../../support/within.ts";

/** Limit on one reply of the worker. */
const REPLY_DEADLINE_MS = 30_000;

/** SQLite's FULL: it syncs the file on every commit. */
const SYNCHRONOUS_FULL = 2;

/** Commits after which a damaged file must have been noticed. */
const MAX_COMMITS = 1_000;

/** A worker on a file in a directory of its own. */
class TestWorker implements AsyncDisposable {
  readonly path: string;
  readonly #directory: string;
  readonly #worker = startSqliteWorker();
  #group = 0;
  /** The last group that it committed. */
  committed = 0;

  private constructor(directory: string) {
    this.#directory = directory;
    this.path = join(directory, "test.db");
  }

  /** Opens the file and a table with the id 0; returns the reply to the opening too. */
  static async open(): Promise<{ worker: TestWorker; opened: SqliteReply }> {
    const worker = new TestWorker(await Deno.makeTempDir());
    const options = {
      path: worker.path,
      schemaVersion: 1,
      applicationId: 7,
      busyTimeoutMs: 1_000,
      maxPages: 0,
    };
    const opened = await worker.ask({ kind: "open", options });
    await worker.ask({ kind: "table", id: 0, name: "test" });
    return { worker, opened };
  }

  /** Sends a request and resolves with the reply. */
  async ask(request: SqliteRequest): Promise<SqliteReply> {
    const { promise, resolve } = Promise.withResolvers<SqliteReply>();
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.postMessage(request);
    return await within(REPLY_DEADLINE_MS, `the reply to "${request.kind}"`, promise);
  }

  /** Commits a group that puts one record. */
  async commit(key: string): Promise<SqliteReply> {
    const buffer = new GroupBuffer();
    buffer.put(0, key, new Uint8Array(1000));
    const group = ++this.#group;
    const reply = await this.ask({ kind: "commit", group, operations: buffer.take() });
    if (reply.kind === "committed") this.committed = group;
    return reply;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ask({ kind: "close" });
    this.#worker.terminate();
    await Deno.remove(this.#directory, { recursive: true });
  }
}

/** Puts a copy of the database, which says that this group was the last, in its place. */
async function replaceDatabase(path: string, copy: string, lastGroup: number): Promise<void> {
  using database = new DatabaseSync(copy);
  database.exec(`UPDATE last_commit SET number = ${lastGroup}`);
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
    const reply = await worker.commit(`damaged ${commits}`);
    if (reply.kind !== "failed") continue;
    // CORRUPT or NOTADB: the two after which the worker closes a damaged file.
    assert.ok(reply.code === 11 || reply.code === 26, reply.message);
    return;
  }
  assert.fail("the damage was not noticed");
}

Deno.test("sqliteWorker: the connection that writes syncs every commit", async () => {
  const { worker, opened } = await TestWorker.open();
  await using _ = worker;
  assert.deepEqual(opened, { kind: "opened", committed: 0, synchronous: SYNCHRONOUS_FULL });
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
  const refused = await worker.commit("refused");
  assert.ok(refused.kind === "failed");
  assert.match(refused.message, /the file was replaced while it was in use/);
  {
    using database = new DatabaseSync(worker.path);
    const rows = database.prepare("SELECT count(*) AS n FROM t_test WHERE key = ?");
    assert.equal(rows.get(new TextEncoder().encode("refused"))!.n, 0);
  }

  await replaceDatabase(worker.path, mended, worker.committed);
  const accepted = await worker.commit("accepted");
  assert.equal(accepted.kind, "committed");
});
