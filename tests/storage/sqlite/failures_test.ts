import assert from "node:assert/strict";
import { join } from "node:path";
import { createLog } from "../../../lib/log.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import type { Fault } from "../../../lib/storage/sqlite/fault.ts";
import { SqliteLog, type SqliteLogOptions } from "../../../lib/storage/sqlite/sqlite_log.ts";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { until, within } from "../../support/within.ts";
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

/** Mounts a small file system in memory; `undefined` if this process may not. */
async function mountSmall(directory: string, bytes: number): Promise<AsyncDisposable | undefined> {
  const run = async (name: string, ...args: string[]) => {
    const command = new Deno.Command(name, { args, stdout: "null", stderr: "null" });
    return (await command.output()).success;
  };
  try {
    if (!await run("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", directory)) return;
  } catch {
    return undefined;
  }
  return {
    [Symbol.asyncDispose]: async () => {
      await run("umount", directory);
    },
  };
}

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
