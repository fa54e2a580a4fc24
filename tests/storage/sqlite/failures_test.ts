import assert from "node:assert/strict";
import { join } from "node:path";
import { setImmediate } from "node:timers";
import { createLog } from "../../../lib/log.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import type { Fault } from "../../../lib/storage/sqlite/fault.ts";
import { SqliteLog, type SqliteLogOptions } from "../../../lib/storage/sqlite/sqlite_log.ts";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { mountSmall } from "../../support/small_disk.ts";
import { until, within } from "../../support/within.ts";
import { RecordMap } from "../record_map.ts";
import { bytes, text } from "../store_suite.ts";

/** Limit on the time of one test. Far away, since the machine may be busy. */
const TEST_DEADLINE_MS = 120_000;

const quiet = createLog("test", { level: "error", format: "text", sink: () => {} });

/** SQLite's result codes: a full disk, a disk with an error, a file that must be reopened. */
const CODES = { full: 13, error: 10, reopen: 14 };

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await within(TEST_DEADLINE_MS, "the test", run(directory));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A store, its log, and what must be in it. */
class Checked implements AsyncDisposable {
  readonly log: SqliteLog;
  readonly store: MemoryStore;
  failures = 0;

  private constructor(log: SqliteLog, store: MemoryStore) {
    this.log = log;
    this.store = store;
  }

  static async open(path: string, options: Partial<SqliteLogOptions> = {}): Promise<Checked> {
    const log = await SqliteLog.open(path, { log: quiet, reserveBytes: 0, ...options });
    return new Checked(log, await MemoryStore.open(log, { spaces: 2 }));
  }

  /** Runs a write. If it succeeds, its effect goes into the model. */
  async write(write: () => unknown, effect: () => void): Promise<void> {
    try {
      await write();
      effect();
    } catch (error) {
      assert.ok(error instanceof StorageUnavailableError, String(error));
      this.failures++;
    }
  }

  async state(): Promise<Record<string, string>[]> {
    const spaces = [];
    for (const space of [0, 1]) {
      const page = await this.store.scan(space, { limit: 1_000 });
      spaces.push(Object.fromEntries(page.map(([key, { value }]) => [key, text(value)!])));
    }
    return spaces;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    await this.log.close();
  }
}

/** Writes with a fault, one after another; the store must always have what was acknowledged. */
async function survive(path: string, fault: Fault): Promise<number> {
  let model: Record<string, string>[] = [{}, {}];
  let failures: number;
  {
    await using checked = await Checked.open(path, { fault });
    const { store, log } = checked;
    for (let round = 0; round < 6; round++) {
      const key = `k${round % 4}`;
      await checked.write(
        () => store.put(0, key, bytes(`${round}`), 0),
        () => model[0]![key] = `${round}`,
      );
      await checked.write(
        () =>
          store.transact([{ space: 0, key: "k1" }, { space: 1, key: "moved" }], (tx) => {
            const entry = tx.get(0, "k1");
            if (entry === undefined) return;
            tx.put(1, "moved", entry.value, 0);
            tx.delete(0, "k1");
          }),
        () => {
          if (model[0]!["k1"] === undefined) return;
          model[1]!["moved"] = model[0]!["k1"];
          delete model[0]!["k1"];
        },
      );
      // A later snapshot would drop what a failure has left in the log.
      if (checked.failures === 0) await log.snapshot().catch(() => checked.failures++);
      if (round === 2) {
        await checked.write(
          () => store.transactSpaces((tx) => tx.swap(0, 1)),
          () => model = model.toReversed(),
        );
      }
      if (round === 4) {
        await checked.write(
          () => store.transactSpaces((tx) => tx.clear(1)),
          () => model = [model[0]!, {}],
        );
      }
      assert.deepEqual(await checked.state(), model, JSON.stringify(fault));
    }
    failures = checked.failures;
  }
  await using again = await Checked.open(path);
  assert.deepEqual(await again.state(), model, JSON.stringify(fault));
  return failures;
}

Deno.test("SqliteLog: whichever commit, piece, truncation or reopening fails, nothing acknowledged is lost", async () => {
  await withDirectory(async (directory) => {
    let failures = 0;
    let run = 0;
    for (const point of ["commit", "piece", "trim", "trimming"] as const) {
      for (const at of [1, 2, 5]) {
        const code = Object.values(CODES)[run % 3]!;
        // The first two commits create the tables.
        const fault = {
          point,
          action: "fail",
          at: point === "commit" ? at + 2 : at,
          code,
        } as const;
        failures += await survive(join(directory, `${run++}.db`), fault);
      }
    }
    assert.ok(failures >= 8, `${failures} failures`);
  });
});

Deno.test("SqliteLog: tries to reopen a file until that succeeds", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "test.db");
    // A commit fails so that the file must be reopened, which fails too.
    const fault = { point: "commit", action: "fail", at: 3, times: 2, code: CODES.reopen } as const;
    await using checked = await Checked.open(path, { fault });
    const { store } = checked;
    await checked.write(() => store.put(0, "a", bytes("1"), 0), () => {});
    await checked.write(() => store.put(0, "a", bytes("2"), 0), () => {});
    assert.ok(checked.failures > 0);
    await until("it works again", () => store.problem() === undefined);
    await store.put(0, "a", bytes("3"), 0);
    assert.equal(text((await store.get(0, "a"))?.value), "3");
  });
});

Deno.test("SqliteLog: a file that is deleted or replaced is not written any more", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "test.db");
    await using checked = await Checked.open(path);
    const { store } = checked;
    await store.put(0, "a", bytes("1"), 0);
    await Deno.rename(path, `${path}.away`);
    await until("it is noticed", () => store.problem() !== undefined);
    assert.match(store.problem()!, /the file was deleted while it was in use/);
    await assert.rejects(async () => await store.put(0, "a", bytes("2"), 0), /was deleted/);
    await Deno.writeTextFile(path, "another file");
    await until("it is noticed", () => /was replaced/.test(store.problem() ?? ""));
    await assert.rejects(async () => await store.put(0, "a", bytes("2"), 0), /was replaced/);
    assert.equal(text((await store.get(0, "a"))?.value), "1");
    await Deno.rename(`${path}.away`, path);
    await until("it works again", () => store.problem() === undefined);
    await store.put(0, "a", bytes("3"), 0);
  });
});

Deno.test("SqliteLog: on a full disk deleting works and makes room, also after a restart", async (t) => {
  await withDirectory(async (directory) => {
    await using mounted = await mountSmall(directory, 32 * 1024 * 1024);
    const done = await t.step({
      name: "on a full tmpfs",
      ignore: mounted === undefined, // Mounting needs the rights of root.
      fn: async () => {
        const path = join(directory, "test.db");
        const options = { reserveBytes: 4 * 1024 * 1024 };
        const keys: string[] = [];
        {
          await using checked = await Checked.open(path, options);
          const { store } = checked;
          await assert.rejects(async () => {
            for (let key = 0; key < 2_000; key++) {
              await store.put(0, `${key}`, new Uint8Array(50_000), 0);
              keys.push(`${key}`);
            }
          }, /the disk is full/);
          assert.ok(keys.length > 50, `${keys.length} keys`);
          for (const key of keys.splice(0, keys.length / 2)) {
            await store.transact([{ space: 0, key }], (tx) => tx.delete(0, key));
          }
        }
        await using again = await Checked.open(path, options);
        const { store } = again;
        assert.deepEqual(Object.keys((await again.state())[0]!).length, keys.length);
        await until(
          "there is room",
          async () => {
            try {
              await store.put(0, "again", new Uint8Array(50_000), 0);
              return true;
            } catch {
              return false;
            }
          },
          60_000,
          100,
        );
        for (let key = 0; key < 20; key++) {
          await store.put(0, `new ${key}`, new Uint8Array(50_000), 0);
        }
      },
    });
    assert.ok(done || mounted === undefined);
  });
});

Deno.test("SqliteLog: a deletion succeeds even if the same group finds the disk full with a put", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "test.db");
    const options = { maxPages: 400, reserveBytes: 1024 * 1024 };
    let keys: string[];
    let added = 0;
    {
      await using checked = await Checked.open(path, options);
      const { store } = checked;
      for (let key = 0; key < 40; key++) await store.put(0, `${key}`, bytes("x"), 0);
      // Each group has a deletion and a put, until no put is taken any more.
      for (let key = 0; store.problem() === undefined; key = (key + 1) % 40) {
        const put = store.put(1, `${added}`, new Uint8Array(20_000), 0);
        const gone = store.transact([{ space: 0, key: `${key}` }], (tx) => tx.delete(0, `${key}`));
        const [putDone, deleted] = await Promise.allSettled([put, gone]);
        assert.equal(deleted.status, "fulfilled", `deletion ${key}`);
        if (putDone.status === "fulfilled") added++;
      }
      assert.ok(added > 10, `${added} puts`);
      assert.throws(() => store.put(0, "more", bytes("1"), 0), /the disk is full/);
      assert.throws(
        () => store.transact([], (tx) => tx.put(0, "more", bytes("1"), 0)),
        /the disk is full/,
      );
      await assert.rejects(
        store.transactSpaces((tx) => tx.put(0, "more", bytes("1"), 0)),
        /the disk is full/,
      );
      assert.equal(store.bytes.ready, false);
      assert.equal(await store.get(0, "more"), undefined);
      keys = Object.keys((await checked.state())[0]!);
    }
    await using again = await Checked.open(path, options);
    const state = await again.state();
    assert.deepEqual(Object.keys(state[0]!), keys);
    assert.equal(Object.keys(state[1]!).length, added);
  });
});

Deno.test("SqliteLog: on a full disk long records are put into vital tables only", async () => {
  await withDirectory(async (directory) => {
    const options = { maxPages: 400, reserveBytes: 4 * 1024 * 1024 };
    const log = await SqliteLog.open(join(directory, "test.db"), { log: quiet, ...options });
    const vital = Object.assign(new RecordMap(), { vital: true });
    const [vitalTable, table] = await log.openTables({ vital, other: new RecordMap() });
    for (let key = 0; log.putProblem() === undefined; key++) {
      log.put(table!, `${key}`, "x".repeat(20_000));
      await log.flushed();
    }
    const long = "x".repeat(1_500_000);
    log.put(table!, "long", long);
    await assert.rejects(log.flushed(), /the disk is full/);
    log.put(vitalTable!, "long", long);
    await log.flushed();
    // More than half of the space kept for a full disk is for nobody alone.
    log.put(vitalTable!, "longer", long + long);
    await assert.rejects(log.flushed(), /the disk is full/);
    log.put(vitalTable!, "short", "x");
    await log.flushed();
    await log.close();
  });
});

Deno.test("SqliteLog: a write succeeds while the log tries in vain whether the file can be written", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "test.db");
    // The first three commits create the tables and set two keys; the fifth one is a try.
    const fault = { point: "commit", action: "fail", at: 4, times: 2 } as const;
    await using checked = await Checked.open(path, { fault });
    const { store, log } = checked;
    await store.put(0, "a", bytes("1"), 0);
    await store.put(0, "b", bytes("1"), 0);
    await checked.write(
      () => store.put(0, "c", bytes("1"), 0),
      () => assert.fail("it was written"),
    );
    const { nextVersion } = log;
    while (log.nextVersion === nextVersion) await new Promise((resolve) => setImmediate(resolve));
    await store.transact([{ space: 0, key: "a" }], (tx) => tx.delete(0, "a"));
    assert.deepEqual([log.failures, log.metrics().commitFailures], [1, 2]);
    assert.equal(store.problem(), undefined);
    assert.deepEqual((await checked.state())[0], { b: "1" });
  });
});
