import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createLog } from "../../../lib/log.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import { SqliteLog, type SqliteLogOptions } from "../../../lib/storage/sqlite/sqlite_log.ts";
import { StorageUnavailableError, type Store } from "../../../lib/storage/store.ts";
import { latin1From } from "../../../lib/storage/value.ts";
import { until, within } from "../../support/within.ts";
import { RecordMap } from "../record_map.ts";
import { bytes, testStore, text } from "../store_suite.ts";

/** Limit on the time of one test. Far away, since the machine may be busy. */
const TEST_DEADLINE_MS = 120_000;

const quiet = createLog("test", { level: "error", format: "text", sink: () => {} });

/** Opens a store that closes its log too. */
async function openStore(path: string, options: Partial<SqliteLogOptions> = {}) {
  const log = await SqliteLog.open(path, { log: quiet, ...options });
  const store: Store = await MemoryStore.open(log);
  const close = async () => {
    await MemoryStore.prototype.close.call(store);
    await log.close();
  };
  return Object.assign(store, { log, close });
}

async function withDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await within(TEST_DEADLINE_MS, "the test", run(join(directory, "test.db")));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

testStore({
  name: "sqlite",
  durable: true,
  start: async () => {
    const directory = await Deno.makeTempDir();
    return {
      open: () => openStore(join(directory, "test.db")),
      [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
    };
  },
});

Deno.test("SqliteLog: new operations wait while much data is being written", async () => {
  await withDirectory(async (path) => {
    const store = await openStore(path);
    try {
      // As long as a value can be whose memory need not be prepared.
      const large = new Uint8Array(500 * 1024), count = 66;
      const order: string[] = [];
      const puts = Array.from({ length: count }, () => store.put(0, "a", large, 0));
      const first = Promise.all(puts).then(() => order.push("first"));
      const { gatheringBytes } = store.log;
      assert.ok(gatheringBytes > 32 * 1024 * 1024);
      const others = [
        store.put(0, "a", large, 0),
        store.transact([], (tx) => tx.put(0, "b", large, 0)),
        store.get(0, "a"),
      ].map((wait) => Promise.resolve(wait).then(() => order.push("other")));
      assert.equal(store.log.gatheringBytes, gatheringBytes);
      await Promise.all([first, ...others]);
      assert.deepEqual(order, ["first", "other", "other", "other"]);
      assert.equal((await store.get(0, "b"))?.value.length, large.length);
    } finally {
      await store.close();
    }
  });
});

Deno.test("SqliteLog: a read of data that is not durable yet waits for it", async () => {
  await withDirectory(async (path) => {
    const store = await openStore(path);
    try {
      await store.put(0, "other", bytes("1"), 0);
      const write = store.put(0, "a", bytes("1"), 0);
      assert.ok(write instanceof Promise);
      const order: string[] = [];
      const reads = [
        ["written", Promise.resolve(write)],
        ["get", Promise.resolve(store.get(0, "a"))],
        ["transact", Promise.resolve(store.transact([], (tx) => text(tx.get(0, "a")?.value)))],
        ["scan", Promise.resolve(store.scan(0, { limit: 9 }))],
      ] as const;
      assert.ok(store.get(0, "a") instanceof Promise);
      assert.ok(!(store.get(0, "other") instanceof Promise));
      await Promise.all(reads.map(([name, read]) => read.then(() => order.push(name))));
      assert.equal(order[0], "written");
      assert.ok(!(store.get(0, "a") instanceof Promise));
      const remove = store.transact([], (tx) => tx.delete(0, "a"));
      assert.ok(store.get(0, "a") instanceof Promise);
      assert.equal(await store.get(0, "a"), undefined);
      assert.equal(await remove, true);
      const swap = store.transactSpaces((tx) => tx.swap(0, 1));
      assert.equal(text((await store.get(1, "other"))?.value), "1");
      await swap;
    } finally {
      await store.close();
    }
  });
});

Deno.test("SqliteLog: concurrent writes share a group", async () => {
  await withDirectory(async (path) => {
    const store = await openStore(path);
    try {
      const before = store.metrics();
      await Promise.all(
        Array.from({ length: 100 }, (_, i) => store.put(0, `${i}`, bytes("1"), 0)),
      );
      const after = store.metrics();
      assert.equal(after.committedWrites - before.committedWrites, 100);
      assert.ok(after.commitGroups - before.commitGroups <= 2);
    } finally {
      await store.close();
    }
  });
});

Deno.test("SqliteLog: writes to a locked file fail and are undone, and succeed once it is unlocked", async () => {
  await withDirectory(async (path) => {
    const store = await openStore(path, { busyTimeoutMs: 50 });
    const other = new DatabaseSync(path);
    try {
      await store.put(0, "a", bytes("1"), 0);
      await store.put(0, "gone", bytes("1"), 0);
      const { bytes: size } = store.metrics();
      other.exec("BEGIN IMMEDIATE");
      const work = [
        store.put(0, "a", bytes("2"), Date.now() + 60_000),
        store.transact([], (tx) => tx.delete(0, "gone")),
        store.put(0, "b", bytes("1"), 0),
        store.get(0, "a"),
        store.get(0, "nothing"),
        store.scan(0, { limit: 9 }),
        store.transact([], (tx) => {
          tx.put(0, "a", bytes(text(tx.get(0, "a")!.value) + "3"), 0);
        }),
        store.transactSpaces((tx) => tx.clear(0)),
      ];
      const results = await Promise.allSettled(work);
      for (const result of results.slice(0, -1)) {
        assert.ok(result.status === "rejected");
        assert.ok(result.reason instanceof StorageUnavailableError);
        assert.match(result.reason.message, /another process has locked the file/);
      }
      assert.match(store.problem()!, /another process has locked the file/);
      await assert.rejects(async () => await store.put(0, "a", bytes("2"), 0));
      assert.equal(text((await store.get(0, "a"))?.value), "1");
      assert.equal(text((await store.get(0, "gone"))?.value), "1");
      assert.equal(await store.get(0, "b"), undefined);
      assert.deepEqual(store.metrics().bytes, size);
      assert.deepEqual((await store.scan(0, { limit: 9 })).map(([key]) => key), ["a", "gone"]);

      other.exec("ROLLBACK");
      await until("the problem is gone", () => store.problem() === undefined);
      await store.put(0, "c", bytes("1"), 0);
    } finally {
      other.close();
      await store.close();
    }
    const again = await openStore(path);
    try {
      assert.deepEqual((await again.scan(0, { limit: 9 })).map(([key]) => key), ["a", "c", "gone"]);
      assert.equal(text((await again.get(0, "a"))?.value), "1");
    } finally {
      await again.close();
    }
  });
});

Deno.test("SqliteLog: on a full disk writes fail, and deleting frees space", async () => {
  await withDirectory(async (path) => {
    const store = await openStore(path, { maxPages: 100 });
    try {
      let written = 0;
      await assert.rejects(async () => {
        for (; written < 1000; written++) {
          await store.put(0, `${written}`, new Uint8Array(4000), 0);
        }
      }, /the disk is full/);
      assert.ok(written > 10);
      assert.match(store.problem()!, /the disk is full/);
      assert.ok(store.metrics().commitFailures > 0);
      assert.ok(await store.get(0, `${written - 1}`) !== undefined);
      assert.equal(await store.get(0, `${written}`), undefined);
      for (let key = 0; key < written; key++) {
        await store.transact([], (tx) => tx.delete(0, `${key}`));
      }
      // Soon after, the log has made room.
      await until("there is room", () => store.problem() === undefined);
      await store.put(0, "again", new Uint8Array(4000), 0);
      assert.equal(store.problem(), undefined);
    } finally {
      await store.close();
    }
  });
});

Deno.test("SqliteLog: writes to a damaged file fail, and the log reopens the repaired file", async () => {
  await withDirectory(async (path) => {
    const store = await openStore(path, { busyTimeoutMs: 50 });
    try {
      for (let key = 0; key < 500; key++) store.put(0, `${key}`, new Uint8Array(1000), 0);
      await store.put(0, "last", bytes("1"), 0);
      new DatabaseSync(path).exec("PRAGMA wal_checkpoint(TRUNCATE)");
      const whole = await Deno.readFile(path);
      const damaged = whole.slice();
      damaged.fill(0x5a, 0, damaged.length);
      await Deno.writeFile(path, damaged);
      await assert.rejects(async () => {
        for (let key = 0; key < 500; key++) {
          await store.transact([], (tx) => tx.delete(0, `${key}`));
        }
      }, /damaged/);
      assert.match(store.problem()!, /damaged/);
      assert.equal(text((await store.get(0, "last"))?.value), "1");
      await Deno.writeFile(path, whole);
      await until("the file is looked at again", () => !/damaged/.test(store.problem() ?? ""));
    } finally {
      await store.close();
    }
  });
});

Deno.test("SqliteLog.open: rejects a file that it cannot use and says why", async () => {
  await withDirectory(async (path) => {
    const refuses = (file: string, why: RegExp) =>
      assert.rejects(SqliteLog.open(file, { log: quiet, busyTimeoutMs: 50 }), (error: Error) => {
        assert.match(error.message, why);
        assert.ok(error.message.startsWith(`Cannot open "${file}" as storage: `));
        return true;
      });

    const log = await SqliteLog.open(path, { log: quiet });
    await refuses(path, /another process uses it$/);
    await log.close();

    const database = new DatabaseSync(path);
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN; CREATE TABLE t (c)");
    await refuses(path, /another process has locked the file$/);
    database.exec("ROLLBACK; PRAGMA user_version = 3");
    database.close();
    await refuses(path, /its schema has version 3, and this program knows versions up to 2$/);

    await Deno.writeFile(`${path}.damaged`, crypto.getRandomValues(new Uint8Array(20_000)));
    await refuses(`${path}.damaged`, /not a database, or damaged$/);

    const foreign = new DatabaseSync(`${path}.foreign`);
    foreign.exec("CREATE TABLE t (c)");
    foreign.close();
    await refuses(`${path}.foreign`, /it is the database of another program$/);

    await refuses(
      join(path, "below.db"),
      /cannot create its lock file: part of the path is a file, not a directory/,
    );
    await Deno.mkdir(`${path}.directory`);
    await refuses(`${path}.directory`, /unable to open database file/);
  });
});

Deno.test("SqliteLog: a process that is locked out does not disturb the other one", async () => {
  await withDirectory(async (path) => {
    const store = await openStore(path);
    try {
      await assert.rejects(openStore(path), /another process uses it/);
      await store.put(0, "a", bytes("1"), 0);
    } finally {
      await store.close();
    }
    await (await openStore(path)).close();
  });
});

Deno.test("SqliteLog: tables hold records of any size and are independent", async () => {
  await withDirectory(async (path) => {
    const sizes = [0, 1, 100, 5000, 3_000_000];
    let log = await SqliteLog.open(path, { log: quiet });
    const [jobs, tubes] = await log.openTables({ jobs: new RecordMap(), tubes: new RecordMap() });
    for (const size of sizes) {
      log.put(jobs!, `${size}`, new Uint8Array(size).fill(7), Uint8Array.of(1, 2));
    }
    log.put(tubes!, "1", bytes("tube"));
    log.put(tubes!, "2", "\xff\0text");
    log.delete(tubes!, "1");
    await log.flushed();
    await log.close();

    log = await SqliteLog.open(path, { log: quiet });
    try {
      const owners = { jobs: new RecordMap(), tubes: new RecordMap(), empty: new RecordMap() };
      await log.openTables(owners);
      const found = [...owners.jobs.records].map(([key, record]) => [
        key,
        record.length,
        record.at(-1),
      ]);
      assert.deepEqual(found, sizes.map((size) => [`${size}`, size + 2, size === 0 ? 2 : 7]));
      assert.deepEqual([...owners.tubes.records.keys()], ["2"]);
      assert.equal(latin1From(owners.tubes.records.get("2")!), "\xff\0text");
      assert.equal(owners.empty.records.size, 0);
      const wrong = log.openTables({ "no; drop": new RecordMap() });
      await assert.rejects(wrong, /cannot be the name of a table/);
    } finally {
      await log.close();
    }
  });
});
