import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createLog } from "../../../lib/log.ts";
import type { LogTable } from "../../../lib/storage/commit_log.ts";
import { logFileAt } from "../../../lib/storage/sqlite/modules.ts";
import { SqliteLog, type SqliteLogOptions } from "../../../lib/storage/sqlite/sqlite_log.ts";
import type { SqliteThread } from "../../../lib/storage/sqlite/sqlite_thread.ts";
import type { SqliteReply, SqliteRequest } from "../../../lib/storage/sqlite/sqlite_worker.ts";
import { TableLoader } from "../../../lib/storage/sqlite/table_loader.ts";
import { TableNames } from "../../../lib/storage/sqlite/table_names.ts";
import { until, within } from "../../support/within.ts";
import { RecordMap } from "../record_map.ts";

/** Limit on the time of one test. Far away, since the machine may be busy. */
const TEST_DEADLINE_MS = 120_000;

/** The names of the tables in these tests. */
const NAMES = ["kv_0", "kv_1"];

const quiet = createLog("test", { level: "error", format: "text", sink: () => {} });

/** Two tables of a log, with the operations of a store that matter to snapshots. */
class TestTables {
  readonly log: SqliteLog;
  owners: RecordMap[];
  #tables: LogTable[];

  private constructor(log: SqliteLog, owners: RecordMap[], tables: LogTable[]) {
    this.log = log;
    this.owners = owners;
    this.#tables = tables;
  }

  static async open(path: string, options: Partial<SqliteLogOptions> = {}): Promise<TestTables> {
    const log = await SqliteLog.open(path, { log: quiet, reserveBytes: 0, ...options });
    const owners = NAMES.map(() => new RecordMap());
    const tables = await log.openTables(Object.fromEntries(NAMES.map((n, i) => [n, owners[i]!])));
    return new TestTables(log, owners, tables);
  }

  set(table: number, key: string, record: string | undefined): void {
    this.owners[table]!.set(key, record, this.log.nextVersion);
    if (record === undefined) this.log.delete(this.#tables[table]!, key);
    else this.log.put(this.#tables[table]!, key, record);
  }

  get(table: number, key: string): string | undefined {
    return this.owners[table]!.text()[key];
  }

  append(table: number, key: string, tail: string): void {
    this.set(table, key, (this.get(table, key) ?? "") + tail);
  }

  rename(table: number, from: string, to: string): void {
    const record = this.get(table, from);
    if (record === undefined) return;
    this.set(table, from, undefined);
    this.set(table, to, record);
  }

  flush(table: number): void {
    const owner = new RecordMap();
    this.#tables[table] = this.log.clear(this.#tables[table]!, owner);
    this.owners[table] = owner;
  }

  swap(): void {
    this.log.swap(this.#tables[0]!, this.#tables[1]!);
    this.#tables.reverse();
    this.owners.reverse();
  }

  state(): string {
    return JSON.stringify(this.owners.map((owner) => owner.text()));
  }
}

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await within(TEST_DEADLINE_MS, "the test", run(directory));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Opens a file on this thread, and returns its last version and what is in its tables. */
async function read(path: string): Promise<{ version: number; state: string }> {
  const file = logFileAt(path);
  const { version, directory } = file.open();
  const owners = NAMES.map(() => new RecordMap());
  try {
    const thread = {
      ask: (request: SqliteRequest): Promise<SqliteReply> => {
        if (request.kind === "read") {
          return Promise.resolve({ kind: "read", page: file.read(request.maxBytes) });
        }
        if (request.kind !== "begin reading") return assert.fail(request.kind);
        file.beginReading(request);
        return Promise.resolve({ kind: "done" });
      },
    } as unknown as SqliteThread;
    const names = new TableNames(directory);
    const loader = new TableLoader(thread, names);
    await loader.load(names.tablesOf({ [NAMES[0]!]: owners[0]!, [NAMES[1]!]: owners[1]! }));
  } finally {
    file.close();
  }
  return { version, state: JSON.stringify(owners.map((owner) => owner.text())) };
}

/** One operation of a test, chosen at random. */
function operate(tables: TestTables, random: (below: number) => number): void {
  const table = random(2);
  const key = () => "abcdef"[random(6)]! + random(3);
  switch (random(10)) {
    case 0:
      return tables.swap();
    case 1:
      return tables.flush(table);
    case 2:
    case 3:
      return tables.append(table, key(), `+${random(100)}`);
    case 4:
      return tables.rename(table, key(), key());
    case 5:
      return tables.set(table, key(), undefined);
    default:
      return tables.set(table, key(), `${random(1000)}`.repeat(50));
  }
}

/** Random numbers that are the same in every run. */
function numbers(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >>> 8) % below;
  };
}

Deno.test("Snapshots: a crash at any step leaves an acknowledged state", async () => {
  await withDirectory(async (directory) => {
    const images = join(directory, "images");
    await Deno.mkdir(images);
    const path = join(directory, "test.db");
    const fault = { point: "any", action: "copy", directory: images } as const;
    const tables = await TestTables.open(path, { fault });
    const { log } = tables;
    const random = numbers(7);
    /** What was in memory from a version on; and the versions acknowledged before an image. */
    const states = [{ from: 0, state: tables.state() }];
    const acknowledged: { image: number; version: number }[] = [];
    const count = () => [...Deno.readDirSync(images)].filter(({ name }) => name.endsWith(".db"));
    let running = true;
    let complete = 0;
    const snapshots = (async () => {
      for (; running; complete++) await log.snapshot();
    })();
    for (let step = 0; step < 60 || (complete < 5 && step < 600); step++) {
      for (let more = random(3); more >= 0; more--) operate(tables, random);
      states.push({ from: log.nextVersion - 1, state: tables.state() });
      await log.flushed();
      acknowledged.push({ image: count().length, version: log.committedVersion });
    }
    running = false;
    await snapshots;
    const { length } = count();
    await log.close();
    assert.ok(complete >= 5, `${complete} snapshots`);
    let acked = 0;
    for (let image = 1; image <= length; image++) {
      while (acked < acknowledged.length && acknowledged[acked]!.image < image) acked++;
      const { version, state } = await read(join(images, `${image}.db`));
      if (version === 0) continue;
      const expected = states.findLast(({ from }) => from <= version)!.state;
      assert.equal(state, expected, `image ${image} of ${length}`);
      const least = acknowledged[acked - 1]?.version ?? 0;
      assert.ok(version >= least, `image ${image} has ${version}, and ${least} was acknowledged`);
    }
    assert.equal((await read(path)).state, tables.state());
  });
});

Deno.test("Snapshots: only pieces that have changed are written, and the log becomes short", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "test.db");
    const tables = await TestTables.open(path);
    for (const key of "abcdefgh") tables.set(0, key, key.repeat(10_000));
    await tables.log.snapshot();
    const [owner] = tables.owners;
    assert.deepEqual(owner!.copied, [..."abcdefgh"].map((key) => key.charCodeAt(0)));
    owner!.copied.length = 0;
    await tables.log.snapshot();
    assert.deepEqual(owner!.copied, []);
    tables.set(0, "c", undefined);
    tables.set(0, "f", "new");
    await tables.log.snapshot();
    assert.deepEqual(owner!.copied, ["c".charCodeAt(0), "f".charCodeAt(0)]);
    const state = tables.state();
    await tables.log.close();
    assert.equal((await read(path)).state, state);
    {
      using database = new DatabaseSync(path);
      const { rows, bytes } = database.prepare(
        "SELECT count(*) AS rows, sum(length(changes)) AS bytes FROM log",
      ).get()!;
      assert.ok(Number(rows) <= 2 && Number(bytes) < 100, `${rows} rows, ${bytes} bytes`);
      const { pieces } = database.prepare("SELECT count(*) AS pieces FROM pieces").get()!;
      assert.equal(pieces, 7);
    }
    const again = await TestTables.open(path);
    assert.equal(again.state(), state);
    assert.equal(again.owners[0]!.loads, 7);
    await again.log.snapshot();
    assert.deepEqual(again.owners[0]!.copied, []);
    await again.log.close();
  });
});

Deno.test("Snapshots: start when the log is longer than the data, and the file shrinks", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "test.db");
    const tables = await TestTables.open(path, { minLogBytes: 1024 * 1024 });
    const size = async () => (await Deno.stat(path)).size + (await Deno.stat(`${path}-wal`)).size;
    for (let round = 0; round < 300; round++) {
      tables.set(0, "abc"[round % 3]!, "x".repeat(100_000));
      await tables.log.flushed();
    }
    // Thirty megabytes were written, for three records.
    await until("the file is small", async () => await size() < 12_000_000);
    for (let key = 0; key < 200; key++) tables.set(1, `${key}`, "x".repeat(100_000));
    await tables.log.snapshot();
    assert.ok(await size() > 20_000_000);
    tables.flush(1);
    await tables.log.snapshot();
    assert.ok(await size() < 6_000_000, `${await size()} bytes`);
    await tables.log.close();
  });
});

Deno.test("Snapshots: changes of tables that nobody has opened are kept", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "test.db");
    const both = await TestTables.open(path);
    both.set(0, "a", "1");
    both.set(1, "b", "2");
    both.set(1, "c", "3");
    both.set(1, "b", undefined);
    await both.log.close();
    for (let round = 0; round < 2; round++) {
      const log = await SqliteLog.open(path, { log: quiet, reserveBytes: 0 });
      const owner = new RecordMap();
      const [table] = await log.openTables({ kv_0: owner });
      owner.set("a", `round ${round}`, log.nextVersion);
      log.put(table!, "a", `round ${round}`);
      await log.snapshot();
      await log.close();
    }
    const again = await TestTables.open(path);
    assert.deepEqual(JSON.parse(again.state()), [{ a: "round 1" }, { c: "3" }]);
    await again.log.snapshot();
    await again.log.close();
    using database = new DatabaseSync(path);
    assert.equal(database.prepare("SELECT count(*) AS rows FROM kept").get()!.rows, 0);
    assert.equal((await read(path)).state, again.state());
  });
});

Deno.test("Snapshots: tables opened later get what is theirs, of the pieces, of what was kept and of the log", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "test.db");
    const both = await TestTables.open(path);
    for (const table of [0, 1]) both.set(table, "piece", `${table}`);
    await both.log.snapshot();
    for (const table of [0, 1]) both.set(table, "kept", `${table}`);
    await both.log.close();
    const open = () => SqliteLog.open(path, { log: quiet, reserveBytes: 0 });
    const owner = new RecordMap();
    let log = await open();
    let [first] = await log.openTables({ kv_0: owner });
    await log.snapshot();
    await log.close();

    log = await open();
    [first] = await log.openTables({ kv_0: owner });
    log.put(first!, "row", "0");
    const second = new RecordMap();
    const opening = log.openTables({ kv_1: second });
    log.put(first!, "row", "1");
    const [table] = await opening;
    assert.deepEqual(second.text(), { kept: "1", piece: "1" });
    // A piece, a change that was kept, and nothing of the other table.
    assert.equal(second.loads, 2);
    log.put(table!, "row", "1");
    await log.close();
    assert.equal(
      (await read(path)).state,
      JSON.stringify([{ kept: "0", piece: "0", row: "1" }, { kept: "1", piece: "1", row: "1" }]),
    );
  });
});

Deno.test("Snapshots: no piece is copied while its owner is busy", async () => {
  await withDirectory(async (directory) => {
    const tables = await TestTables.open(join(directory, "test.db"));
    tables.set(0, "a", "1");
    await tables.log.flushed();
    const owner = tables.owners[0]!;
    const { promise, resolve } = Promise.withResolvers<void>();
    owner.waiting = promise;
    const snapshot = tables.log.snapshot();
    tables.set(1, "b", "1");
    await tables.log.flushed();
    assert.deepEqual(owner.copied, []);
    owner.waiting = undefined;
    resolve();
    await snapshot;
    assert.equal(owner.copied.length, 1);
    await tables.log.close();
  });
});

Deno.test("Snapshots: no row is moved while tables are being loaded", async () => {
  const KEYS = 2_000;
  await withDirectory(async (directory) => {
    const path = join(directory, "test.db");
    const tables = await TestTables.open(path);
    for (let key = 0; key < KEYS; key++) {
      tables.set(0, `${key}`, "x".repeat(5_000));
      if (key % 2 === 0) await tables.log.flushed();
    }
    const state = tables.state();
    await tables.log.close();
    const log = await SqliteLog.open(path, { log: quiet, reserveBytes: 0, minLogBytes: 1024 });
    const owners = [new RecordMap(), new RecordMap()];
    // The new table is a commit, after which the log is found to be long.
    const other = log.openTables({ kv_2: new RecordMap() });
    await log.openTables({ kv_0: owners[0]!, kv_1: owners[1]! });
    await other;
    assert.deepEqual(owners.map(({ records }) => records.size), [KEYS, 0]);
    await log.snapshot();
    await log.close();
    assert.ok((await read(path)).state === state);
  });
});

Deno.test("Snapshots: a table that is dropped meanwhile keeps its changes if that fails", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "test.db");
    // The commits before create the tables and set the record.
    const fault = { point: "commit", action: "fail", at: 3 } as const;
    const tables = await TestTables.open(path, { fault });
    tables.set(0, "a", "1");
    await tables.log.flushed();
    const snapshot = assert.rejects(tables.log.snapshot());
    tables.flush(0);
    await assert.rejects(tables.log.flushed());
    await snapshot;
    await tables.log.close();
    assert.deepEqual(JSON.parse((await read(path)).state), [{ a: "1" }, {}]);
  });
});
