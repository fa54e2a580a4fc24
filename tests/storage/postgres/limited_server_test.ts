/**
 * kv and task on a server that lacks what YugabyteDB lacks: storage parameters, estimates of the
 * number of rows, physical positions of rows, and LISTEN.
 *
 * @module
 */

import assert from "node:assert/strict";
import { openStorage } from "../../../lib/storage/open.ts";
import { PostgresDatabase } from "../../../lib/storage/postgres/postgres_database.ts";
import { PostgresTable } from "../../../lib/storage/postgres/postgres_table.ts";
import { REMOVE_EXPIRED } from "../../../lib/storage/postgres/rows.ts";
import type { Storage } from "../../../lib/storage/storage.ts";
import { openQueue } from "../../../lib/task/open.ts";
import { TestLog } from "../../support/log.ts";
import { execute, usePostgres } from "../../support/postgres.ts";
import { PostgresProxy } from "../../support/postgres_proxy.ts";
import { until } from "../../support/within.ts";
import { put, reserve, spec } from "../../task/queue_suite.ts";
import { queueOptions } from "../../task/support.ts";

const LACKING = /fillfactor|autovacuum|pg_stat_get_live_tuples|\bctid\b|^\s*listen\b|pg_notify/i;

const server = usePostgres();

function open(url: string, log: TestLog): Promise<Storage> {
  return openStorage(url, { dataDir: ".", log: log.log });
}

Deno.test("kv works on a server without storage parameters, estimates and ctid", async () => {
  const url = await server.createDatabase();
  await using proxy = new PostgresProxy(url, LACKING);
  const log = new TestLog("info");
  const storage = await open(proxy.url, log);
  const store = await storage.openStore({ maxBytes: Infinity });
  try {
    for (let index = 0; index < 20; index++) await store.put(0, `k${index}`, "v", Date.now() + 50);
    await store.put(0, "stays", "v", 0);
    await until("expired rows are removed", async () => {
      const [row] = await execute(url, "SELECT count(*)::int AS rows FROM quartet.kv");
      return row!.rows === 1;
    });
    assert.equal((await store.get(0, "stays"))!.value, "v");
    store.metrics();
    await until("the estimate was rejected", () => proxy.rejected.length === 2);
    // Wait for the outcome; afterwards nobody asks again.
    await until("it is logged", () => log.matching("does not estimate").length === 1);
    assert.equal(store.metrics().estimatedKeys, undefined);
    assert.equal(store.problem(), undefined);
    assert.deepEqual(
      proxy.rejected.map((statement) => /fillfactor|live_tuples/.exec(statement)![0]),
      [
        "fillfactor",
        "live_tuples",
      ],
    );
  } finally {
    await store.close();
    await storage.close();
  }
});

Deno.test("PostgresTable asks a server without estimates only once", async () => {
  await using proxy = new PostgresProxy(await server.createDatabase(), LACKING);
  const { log } = new TestLog();
  const database = await PostgresDatabase.open(proxy.url, { log });
  const table = await PostgresTable.open(database, { log, connections: 1 });
  try {
    assert.equal(await table.estimateRows(), undefined);
    assert.equal(await table.estimateRows(), undefined);
    assert.equal(proxy.rejected.filter((statement) => /live_tuples/.test(statement)).length, 1);
  } finally {
    await table.close();
  }
});

Deno.test("task works on a server without storage parameters, estimates and LISTEN, and polls", async () => {
  await using proxy = new PostgresProxy(await server.createDatabase(), LACKING);
  const log = new TestLog("info");
  const storage = await open(proxy.url, log);
  const options = queueOptions({ limits: { maxJobs: 5 } });
  const queue = await openQueue(storage, { ...options, log: log.log });
  const other = await openQueue(storage, { ...options, log: log.log });
  try {
    const producer = queue.connect(), worker = other.connect();
    await until("both have given up to listen", () => log.matching("polling").length === 2);
    const waiting = reserve(worker);
    const id = await put(producer, spec("x", { ttrMs: 1000 }));
    // Only a poll can tell the other daemon, and only a poll ends the reservation.
    assert.equal((await waiting).id, id);
    const heir = other.connect();
    assert.equal((await reserve(heir)).id, id);
    assert.equal(await heir.done(id, "y"), true);
    heir.close();
    await until("the queue is full", async () => {
      return await producer.put(spec("z")) === "OUT_OF_MEMORY";
    });
    const estimates = proxy.rejected.filter((statement) => /live_tuples/.test(statement));
    assert.ok(estimates.length <= 2, `${estimates.length} estimates`);
    assert.equal(log.matching("counting").length, estimates.length);
    assert.deepEqual(proxy.rejected.filter((statement) => /notify/.test(statement)), []);
    const listens = proxy.rejected.filter((statement) => /listen/i.test(statement));
    assert.equal(listens.length, 2, "polls must not try again");
    assert.equal(proxy.rejected.filter((statement) => /autovacuum/.test(statement)).length, 1);
    producer.close();
    worker.close();
  } finally {
    await other.close();
    await queue.close();
    await storage.close();
  }
});

Deno.test("PostgreSQL itself gets all storage parameters", async () => {
  const url = await server.createDatabase();
  const log = new TestLog("info");
  const storage = await open(url, log);
  await (await storage.openStore({ maxBytes: Infinity })).close();
  await (await openQueue(storage, { ...queueOptions({}), log: log.log })).close();
  await storage.close();
  const rows = await execute(
    url,
    `SELECT relname AS name, reloptions AS options FROM pg_class
     WHERE reloptions IS NOT NULL AND relnamespace = 'quartet'::regnamespace ORDER BY relname`,
  );
  assert.deepEqual(rows.map(({ name, options }) => [name, options]), [
    ["kv", ["fillfactor=80"]],
    ["task_jobs", [
      "fillfactor=70",
      "autovacuum_vacuum_scale_factor=0.02",
      "autovacuum_vacuum_threshold=5000",
      "autovacuum_vacuum_cost_delay=0",
    ]],
  ]);
  assert.deepEqual(log.lines, []);
});

Deno.test("the removal of expired rows reads no others from the index", async () => {
  const url = await server.createDatabase();
  const storage = await open(url, new TestLog());
  await (await storage.openStore({ maxBytes: Infinity })).close();
  await storage.close();
  const plan = await execute(
    url,
    `SET enable_seqscan = off; EXPLAIN ${REMOVE_EXPIRED.replace("$1::text::int8", "500")}`,
  );
  const lines = plan.flat().map((row) => String(row["QUERY PLAN"])).join("\n");
  assert.match(lines, /Index Cond: \(expires_at <= /);
  assert.match(lines, /Index Scan using kv_pkey/);
});
