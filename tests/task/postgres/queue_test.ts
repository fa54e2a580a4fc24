import assert from "node:assert/strict";
import postgres from "postgres";
import { openStorage } from "../../../lib/storage/open.ts";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { openQueue } from "../../../lib/task/open.ts";
import { PostgresQueue } from "../../../lib/task/postgres/queue.ts";
import { useKeptDatabase } from "../../support/kept_database.ts";
import { PostgresServer, usePostgres } from "../../support/postgres.ts";
import { until } from "../../support/within.ts";
import { bookSuite, dueRun, run } from "../schedule/book_suite.ts";
import { keyed, put, queueSuite, reserve, soon, spec, type SuiteOptions } from "../queue_suite.ts";
import { DEADLINE_MS, queueOptions, SILENT_LOG } from "../support.ts";
import { TASK_TABLES } from "./kept_tables.ts";

const server = usePostgres();
const keptDatabase = useKeptDatabase(server, TASK_TABLES);

async function openIn(url: string, options: SuiteOptions = {}) {
  const storage = await openStorage(url, { dataDir: ".", log: SILENT_LOG });
  const queue = await openQueue(storage, { ...queueOptions(options), log: SILENT_LOG });
  const close = async () => {
    await queue.close();
    await storage.close();
  };
  return { queue, close };
}

/** Opens a queue in a database of its own. */
async function openNew(options: SuiteOptions = {}) {
  const { queue, close } = await openIn(await server.createDatabase(), options);
  return { queue, [Symbol.asyncDispose]: close };
}

/** Opens a queue for a test of the suite, in an empty database. */
async function openKept(options: SuiteOptions) {
  const kept = await keptDatabase();
  await kept.empty();
  const queue = await PostgresQueue.open(kept.open(), {
    options: queueOptions(options),
    log: SILENT_LOG,
  });
  return { queue, [Symbol.asyncDispose]: () => queue.close() };
}

queueSuite("postgres", openKept);
bookSuite("postgres", openNew);

Deno.test("postgres queue: two daemons share it and hear of each other's jobs", async () => {
  const url = await server.createDatabase();
  const a = await openIn(url), b = await openIn(url);
  try {
    const producer = a.queue.connect(), worker = b.queue.connect();
    const pending = reserve(worker);
    const id = await put(producer, spec("x"));
    assert.equal((await pending).id, id);
    assert.equal(await producer.delete(id), false);
    assert.equal((await producer.statsJob(id))!.state, "reserved");
    const waiting = producer.wait(id, DEADLINE_MS);
    const follower = a.queue.connect();
    const progress = follower.wait(id, DEADLINE_MS, { progress: true });
    assert.equal(await worker.touch(id, "half"), true);
    assert.deepEqual(await soon(progress), { state: "reserved", body: "half", run: 1 });
    assert.equal((await producer.statsJob(id))!.progress, "half");
    assert.equal(await worker.done(id, "y"), true);
    assert.deepEqual(await soon(waiting), { state: "done", body: "y" });
    follower.close();
    assert.equal(await producer.pauseTube("default", 60_000), true);
    await put(producer, spec("z"));
    assert.equal(await worker.reserve(0), "TIMED_OUT");
    const paused = reserve(worker);
    await producer.pauseTube("default", 0);
    await paused;
    producer.close();
    worker.close();
  } finally {
    await a.close();
    await b.close();
  }
});

Deno.test("postgres schedules: of several daemons, one makes each run", async () => {
  const url = await server.createDatabase();
  const daemons = [await openIn(url), await openIn(url), await openIn(url)];
  try {
    for (const at of [1000, 2000, 3000]) {
      const due = dueRun("work", at, { mayOverlap: true });
      const made = await Promise.all(
        daemons.flatMap(({ queue }) => [run(queue, due), run(queue, due)]),
      );
      const outcomes = made.map(([outcome]) => outcome).sort();
      assert.deepEqual(outcomes, ["handled", "handled", "handled", "handled", "handled", "put"]);
      assert.equal(new Set(made.map(([, job]) => job)).size, 1);
    }
    const client = daemons[0]!.queue.connect();
    assert.equal((await client.statsTube("work"))!.ready, 3);
    client.close();
  } finally {
    for (const { close } of daemons) await close();
  }
});

Deno.test("postgres queue: another daemon hands out a job that timed out", async () => {
  const url = await server.createDatabase();
  const one = await openIn(url), other = await openIn(url);
  try {
    const worker = one.queue.connect();
    const id = await put(worker, spec("x", { ttrMs: 3000 }));
    await reserve(worker);
    const heir = other.queue.connect();
    assert.equal((await reserve(heir)).id, id);
    assert.equal((await heir.statsJob(id))!.timeouts, 1);
    heir.close();
  } finally {
    await one.close();
    await other.close();
  }
});

Deno.test("postgres queue: two daemons share the rate of a tube", async () => {
  const url = await server.createDatabase();
  const rules = { slow: { rate: { intervalMs: 200, burst: 2 } } };
  const daemons = [await openIn(url, { rules }), await openIn(url, { rules })];
  try {
    const clients = daemons.map(({ queue }) => queue.connect());
    for (const client of clients) {
      client.use("slow");
      client.watch("slow");
    }
    await clients[0]!.putBatch(Array.from({ length: 12 }, () => spec("x")));
    const startMs = performance.now();
    let count = 0;
    await Promise.all(clients.map(async (client) => {
      for (; count < 8; count++) await reserve(client);
    }));
    const tookMs = performance.now() - startMs;
    // The second daemon may have one more when the first has the last.
    assert.ok(tookMs >= 6 * 200 - 60 && tookMs < 8 * 700, `${tookMs} ms for ${count} jobs`);
    for (const client of clients) client.close();
  } finally {
    for (const { close } of daemons) await close();
  }
});

/** The limits go by the statistics of the server, which lag up to ten seconds behind. */
const STATISTICS_MS = 120_000;

Deno.test("postgres queue: refuses jobs beyond roughly max_jobs until some are gone", async () => {
  const limits = { maxJobs: 50 };
  const { queue, close } = await openIn(await server.createDatabase(), { limits });
  try {
    const client = queue.connect();
    const first = await client.putJob(keyed("key", spec("x")));
    assert(typeof first === "object");
    const jobs = await client.putBatch(new Array(100).fill(spec("x")));
    assert(Array.isArray(jobs));
    const refused = async () => {
      const answer = await client.put(spec("y"));
      if (typeof answer === "number") jobs.push(answer);
      return answer === "OUT_OF_MEMORY";
    };
    await until("a job is refused", refused, STATISTICS_MS, 100);
    assert.equal(await client.putBatch([spec("z")]), "OUT_OF_MEMORY");
    assert.equal(
      await client.putJob(keyed("other", spec("z"))),
      "OUT_OF_MEMORY",
    );
    assert.deepEqual(await client.putJob(keyed("key", spec("z"))), {
      id: first.id,
      existed: true,
    });
    for (const id of jobs) assert.equal(await client.delete(id), true);
    await until("a job is taken", async () => !await refused(), STATISTICS_MS, 100);
    client.close();
  } finally {
    await close();
  }
});

Deno.test("postgres queue: drops the oldest results beyond roughly max_results", async () => {
  const limits = { maxResults: 5 };
  const { queue, close } = await openIn(await server.createDatabase(), { limits });
  try {
    const client = queue.connect();
    const ids = await client.putBatch(new Array(30).fill(spec("x")));
    assert(Array.isArray(ids));
    for (const id of ids) {
      assert(await client.reserveJob(id));
      assert.equal(await client.done(id, "result"), true);
    }
    const kept = async () => (await client.stats()).results;
    await until("they are gone", async () => await kept() === 5, STATISTICS_MS, 100);
    for (const [i, id] of ids.entries()) {
      assert.equal((await client.result(id))?.state, i < 25 ? undefined : "done");
    }
    client.close();
  } finally {
    await close();
  }
});

Deno.test("postgres queue: reports that the database is gone, and goes on when it is back", async () => {
  await using own = await PostgresServer.start();
  const { queue, close } = await openIn(await own.createDatabase());
  try {
    const client = queue.connect();
    const id = await put(client, spec("x"));
    await own.kill();
    await assert.rejects(Promise.resolve(client.put(spec("y"))), StorageUnavailableError);
    assert.equal(queue.metrics().commits!.commitFailures, 1);
    assert.notEqual(queue.problem(), undefined);
    const pending = queue.connect().reserve(Infinity);
    await assert.rejects(Promise.resolve(pending), StorageUnavailableError);
    await own.restart();
    await until("the database is back", () => queue.problem() === undefined);
    assert.equal((await reserve(client)).id, id);
    client.close();
  } finally {
    await close();
  }
});

Deno.test("postgres queue: a put and a delete of the same moment are one commit", async () => {
  await using opened = await openNew();
  const { queue } = opened;
  const client = queue.connect();
  const id = await put(client, spec("old"));
  const { commitGroups, committedWrites } = queue.metrics().commits!;
  const [newId, deleted, missing] = await soon(
    Promise.all([put(client, spec("new")), client.delete(id), client.delete(id + 1000)]),
  );
  assert.ok(newId > id);
  assert.deepEqual([deleted, missing], [true, false]);
  const after = queue.metrics().commits!;
  assert.equal(after.commitGroups, commitGroups + 1);
  assert.equal(after.committedWrites, committedWrites + 2);
  assert.equal((await reserve(client)).body.length, 3);
  client.close();
});

Deno.test("postgres queue: a put that the database refuses takes no delete with it", async () => {
  const url = await server.createDatabase();
  const { queue, close } = await openIn(url);
  const sql = postgres(url, { max: 1 });
  try {
    const client = queue.connect();
    const id = await put(client, spec("x"));
    await sql`ALTER TABLE quartet.task_jobs ADD CHECK (priority <> 7)`;
    const refused = put(client, { ...spec("y"), priority: 7 });
    const deleted = client.delete(id);
    await assert.rejects(soon(refused), StorageUnavailableError);
    assert.equal(await soon(deleted), true);
    assert.equal(queue.metrics().commits!.commitFailures, 1);
    client.close();
  } finally {
    await sql.end();
    await close();
  }
});
