import assert from "node:assert/strict";
import { PostgresDatabase } from "../../../lib/storage/postgres/postgres_database.ts";
import { PostgresStore } from "../../../lib/storage/postgres/postgres_store.ts";
import { KV_MIGRATIONS, KV_TUNING } from "../../../lib/storage/postgres/rows.ts";
import { type Place, StorageUnavailableError } from "../../../lib/storage/store.ts";
import { useKeptDatabase } from "../../support/kept_database.ts";
import { TestLog } from "../../support/log.ts";
import { execute, PostgresServer, usePostgres } from "../../support/postgres.ts";
import { until, within } from "../../support/within.ts";
import { bytes, testStore, text } from "../store_suite.ts";

/** Limit on the time of one test. Far away, since the machine may be busy. */
const TEST_DEADLINE_MS = 300_000;

const server = usePostgres();
const keptDatabase = useKeptDatabase(server, {
  migration: ["kv", KV_MIGRATIONS, KV_TUNING],
  empty: "DELETE FROM quartet.kv",
});

const { log } = new TestLog();

/** Opens a store. The limit on statements is far away, since the machine may be busy. */
async function openStore(url: string, statementMs = 180_000): Promise<PostgresStore> {
  const database = await PostgresDatabase.open(url, { log, connectMs: statementMs, statementMs });
  return await PostgresStore.open(database, { log });
}

testStore({
  name: "postgres",
  durable: true,
  start: async () => {
    const kept = await keptDatabase();
    await kept.empty();
    return {
      open: () => PostgresStore.open(kept.open(), { log }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
});

/** Runs a test on two stores of one database, as two daemons have them. */
async function withTwoStores(
  run: (a: PostgresStore, b: PostgresStore, url: string) => Promise<void>,
): Promise<void> {
  const url = await server.createDatabase();
  const [a, b] = await Promise.all([openStore(url), openStore(url)]);
  try {
    await within(TEST_DEADLINE_MS, "the test", run(a, b, url));
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
}

const at = (key: string): Place => ({ space: 0, key });

Deno.test("PostgresStore: increments through two daemons lose nothing", async () => {
  await withTwoStores(async (a, b) => {
    const increment = (store: PostgresStore, key: string) =>
      store.transact([at(key)], (tx) => {
        const number = Number(text(tx.get(0, key)?.value) ?? "0") + 1;
        tx.put(0, key, `${number}`, 0);
        return number;
      });
    const clients = Array.from({ length: 20 }, async (_, client) => {
      const numbers: [string, number][] = [];
      for (let round = 0; round < 25; round++) {
        const key = `n${(client + round) % 3}`;
        numbers.push([key, await increment(client % 2 === 0 ? a : b, key)]);
      }
      return numbers;
    });
    const numbers = (await Promise.all(clients)).flat();
    assert.equal(new Set(numbers.map(String)).size, 500);
    for (const key of ["n0", "n1", "n2"]) {
      const count = numbers.filter(([name]) => name === key).length;
      assert.equal(text((await a.get(0, key))?.value), `${count}`);
    }
  });
});

Deno.test("PostgresStore: a daemon sees the writes that another one acknowledged", async () => {
  await withTwoStores(async (a, b) => {
    for (let round = 0; round < 30; round++) {
      await a.put(0, "a", `${round}`, 0);
      assert.equal(text((await b.get(0, "a"))?.value), `${round}`);
      await b.transact([at("a")], (tx) => tx.delete(0, "a"));
      assert.equal(await a.get(0, "a"), undefined);
      assert.deepEqual(await a.scan(0, { limit: 9 }), []);
    }
  });
});

Deno.test("PostgresStore: operations on the same keys in any order never deadlock", async () => {
  await withTwoStores(async (a, b, url) => {
    const keys = Array.from({ length: 12 }, (_, number) => `k${number}`);
    const clients = Array.from({ length: 16 }, async (_, client) => {
      const store = client % 2 === 0 ? a : b;
      for (let round = 0; round < 20; round++) {
        const some = keys.filter(() => Math.random() < 0.4).sort(() => Math.random() - 0.5);
        const places = some.map(at);
        const kind = Math.random();
        if (kind < 0.4) {
          await store.transact(places, (tx) => {
            for (const key of some) tx.put(0, key, `${client}`, 0);
          }, { blind: true });
        } else if (kind < 0.6) {
          await store.transact(places, (tx) => {
            for (const key of some) tx.delete(0, key);
          });
        } else if (kind < 0.97) {
          await store.transact(places, (tx) => {
            const last = some.filter((key) => tx.get(0, key) === undefined);
            for (const key of last) tx.put(0, key, "new", 0);
          });
        } else {
          await store.transactSpaces((tx) => tx.clear(0));
        }
      }
    });
    await Promise.all(clients);
    // A server process adds its numbers to the statistics when it ends, if not before.
    await Promise.all([a.close(), b.close()]);
    await until("the connections are gone", async () => {
      const [row] = await execute(url, CONNECTIONS);
      return row!.n === 0;
    });
    const [stats] = await execute(url, DEADLOCKS);
    assert.equal(stats!.deadlocks, 0);
  });
});

const CONNECTIONS = "SELECT count(*)::int AS n FROM pg_stat_activity " +
  "WHERE datname = current_database() AND application_name ~ '^quartet'";

const DEADLOCKS = "SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()";

Deno.test("PostgresStore: two daemons that read each other's missing keys cannot both write", async () => {
  await withTwoStores(async (a, b) => {
    for (let round = 0; round < 30; round++) {
      const [x, y] = [`x${round}`, `y${round}`];
      const claim = (store: PostgresStore, read: string, write: string) =>
        store.transact([at(read), at(write)], (tx) => {
          if (tx.get(0, read) !== undefined) return false;
          tx.put(0, write, "1", 0);
          return true;
        });
      const claims = await Promise.all([claim(a, x, y), claim(b, y, x)]);
      assert.deepEqual(claims.sort(), [false, true]);
    }
  });
});

Deno.test("PostgresStore: expired and deleted rows are removed in the background", async () => {
  await withTwoStores(async (a, _b, url) => {
    const keys = Array.from({ length: 1200 }, (_, number) => `k${number}`);
    await a.transact(keys.map(at), (tx) => {
      for (const key of keys) tx.put(0, key, "1", tx.nowMs + 50);
    }, { blind: true });
    await a.put(0, "deleted", "1", 0);
    await a.put(0, "kept", "1", 0);
    await a.transact([at("deleted")], (tx) => tx.delete(0, "deleted"));
    const rows = "SELECT count(*)::int AS n FROM quartet.kv";
    await until("one row is left", async () => (await execute(url, rows))[0]!.n === 1);
  });
});

Deno.test("PostgresStore: rejects a key that is too long and goes on", async () => {
  await withTwoStores(async (a) => {
    const long = "k".repeat(a.maxKeyBytes + 1);
    const random = crypto.getRandomValues(new Uint8Array(a.maxKeyBytes));
    const longest = String.fromCharCode(...random);
    await assert.rejects(async () => await a.put(0, long, "1", 0), StorageUnavailableError);
    await assert.rejects(async () => await a.transact([at(long)], () => {}), /too long/);
    await assert.rejects(a.transactSpaces((tx) => tx.put(0, long, "1", 0)), /too long/);
    assert.equal(await a.get(0, long), undefined);
    await a.put(0, longest, "1", 0);
    assert.equal(text((await a.get(0, longest))?.value), "1");
  });
});

Deno.test("PostgresStore: a read-only transaction must not write", async () => {
  await withTwoStores(async (a) => {
    await assert.rejects(
      a.transact([at("a")], (tx) => tx.put(0, "a", "1", 0), { readOnly: true }),
      TypeError,
    );
    await assert.rejects(
      a.transactSpaces((tx) => tx.put(0, "a", "1", 0), { readOnly: true }),
      StorageUnavailableError,
    );
    assert.equal(await a.get(0, "a"), undefined);
  });
});

Deno.test("PostgresStore: operations on a database that does not reply fail in time, and it recovers", async () => {
  await using own = await PostgresServer.start();
  const store = await openStore(own.url(), 2_000);
  try {
    await store.put(0, "a", "1", 0);
    await own.pause();
    const started = performance.now();
    const work = await Promise.allSettled([
      store.put(0, "a", "2", 0),
      store.put(0, "b", "2", 0),
      store.get(0, "c"),
      store.get(0, "a"),
      store.transact([at("d")], (tx) => tx.put(0, "d", "1", 0)),
      store.scan(0, { limit: 1 }),
      store.transactSpaces((tx) => tx.count(0)),
    ]);
    const ms = performance.now() - started;
    // A statement may take the 4 s of both limits; without them these would wait forever.
    assert.ok(ms < 30_000, `${ms} ms`);
    for (const outcome of work) {
      assert.ok(outcome.status === "rejected");
      assert.ok(outcome.reason instanceof StorageUnavailableError, String(outcome.reason));
      assert.match(outcome.reason.message, /^storage unavailable: /);
    }
    assert.ok(store.problem() !== undefined);
    await own.resume();
    await until("it is back", () => store.problem() === undefined);
    await store.put(0, "a", "3", 0);
    assert.equal(text((await store.get(0, "a"))?.value), "3");
  } finally {
    await own.resume();
    await store.close();
  }
});

Deno.test("PostgresStore: large values and large batches are split into statements", async () => {
  await withTwoStores(async (a, b) => {
    const value = "x".repeat(3_000_000);
    await Promise.all(Array.from({ length: 8 }, (_, n) => a.put(0, `big${n}`, value, 0)));
    await Promise.all(Array.from({ length: 5000 }, (_, n) => b.put(0, `k${n}`, bytes(`${n}`), 0)));
    const { keys } = await a.transactSpaces((tx) => tx.count(0), { readOnly: true });
    assert.equal(keys, 5008);
    assert.ok(b.metrics().commitGroups >= 3);
    // Each of these is read in its own statement, however many run at once.
    const found = await Promise.all([
      ...Array.from({ length: 8 }, (_, n) => b.get(0, `big${n}`)),
      ...Array.from({ length: 8 }, (_, n) =>
        b.transact([at(`big${n}`), at(`k${n}`)], (tx) => {
          const entry = tx.get(0, `big${n}`)!;
          tx.put(0, `k${n}`, `${entry.value.length}`, 0);
          return entry;
        })),
      b.get(0, "k9"),
    ]);
    assert.ok(found.slice(0, 16).every((entry) => entry?.value.length === value.length));
    assert.equal(text(found[16]?.value), "9");
    assert.equal(text((await a.get(0, "k7"))?.value), `${value.length}`);
  });
});

Deno.test("PostgresStore: estimates its keys without counting them, and reports the loss of the database", async () => {
  await using own = await PostgresServer.start();
  const store = await openStore(own.url());
  try {
    await Promise.all(Array.from({ length: 1000 }, (_, n) => store.put(0, `k${n}`, "v", 0)));
    await until(
      "PostgreSQL has counted them",
      async () => {
        const [row] = await execute(
          own.url(),
          "SELECT pg_stat_get_live_tuples('quartet.kv'::regclass) AS n",
        );
        return Number(row!.n) === 1000;
      },
      60_000,
      100,
    );
    assert.equal(store.metrics().estimatedKeys, undefined, "it was not asked before");
    await until("the estimate is there", () => store.metrics().estimatedKeys === 1000);
    const { commitGroups, committedWrites, commitSeconds } = store.metrics();
    assert.equal(committedWrites, 1000);
    assert.ok(commitGroups < 1000 && commitSeconds!.sum > 0);
    await own.kill();
    await until("the database is lost", () => store.metrics().database?.up === false);
    assert.equal(store.metrics().database?.losses, 1);
    assert.equal(store.metrics().commitFailures, 0);
    await assert.rejects(store.put(0, "a", "b", 0), StorageUnavailableError);
    assert.equal(store.metrics().commitFailures, 1);
    await own.restart();
    await until("it is back", () => store.metrics().database?.up === true);
    assert.deepEqual(store.metrics().database?.reconnects, 1);
  } finally {
    await store.close();
  }
});
