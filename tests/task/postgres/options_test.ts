import assert from "node:assert/strict";
import postgres from "postgres";
import { openStorage } from "../../../lib/storage/open.ts";
import { PostgresDatabase } from "../../../lib/storage/postgres/postgres_database.ts";
import { openQueue } from "../../../lib/task/open.ts";
import { HeldJobs } from "../../../lib/task/postgres/held_jobs.ts";
import { PostgresQueue } from "../../../lib/task/postgres/queue.ts";
import { TASK_MIGRATIONS } from "../../../lib/task/postgres/schema.ts";
import type { JobOptions, TubeRules } from "../../../lib/task/queue.ts";
import { keepDatabase } from "../../support/kept_database.ts";
import { usePostgres } from "../../support/postgres.ts";
import { until } from "../../support/within.ts";
import { RIGHTS_SCENARIOS } from "../beanstalk/rights_scenarios.ts";
import { keyed, put, reserve, soon, spec } from "../queue_suite.ts";
import { queueOptions, SILENT_LOG } from "../support.ts";
import { TASK_TABLES } from "./kept_tables.ts";

const server = usePostgres();

async function openIn(url: string, rules: Record<string, Partial<TubeRules>> = {}) {
  const storage = await openStorage(url, { dataDir: ".", log: SILENT_LOG });
  const queue = await openQueue(storage, { ...queueOptions({ rules }), log: SILENT_LOG });
  const close = async () => {
    await queue.close();
    await storage.close();
  };
  return { client: queue.connect(), [Symbol.asyncDispose]: close };
}

function withOptions(options: JobOptions) {
  return spec("x", { options });
}

Deno.test("postgres queue: two daemons obey the options of each other's jobs", async () => {
  const url = await server.createDatabase();
  await using a = await openIn(url);
  await using b = await openIn(url);
  const first = await put(a.client, spec("a"));
  const second = await put(b.client, spec("b"));
  const held = await put(a.client, withOptions({ after: [first, second] }));
  await b.client.reserveJob(first);
  await a.client.reserveJob(second);
  // Both ends are noticed at the same time, by different daemons.
  const ends = [b.client.done(first, ""), a.client.delete(second)];
  assert.deepEqual(await soon(Promise.all(ends)), [true, true]);
  assert.equal((await reserve(b.client)).id, held);
  // Of puts with one key at the same time, one wins.
  const puts = Array.from({ length: 10 }, (_, index) => {
    return (index % 2 === 0 ? a : b).client.putJob(keyed("k", spec("x")));
  });
  const answers = await soon(Promise.all(puts));
  const winners = answers.filter((answer) => typeof answer === "object" && !answer.existed);
  assert.equal(winners.length, 1);
  assert.equal(new Set(answers.map((answer) => typeof answer === "object" && answer.id)).size, 1);
  const expiring = await put(a.client, withOptions({ expiresMs: 100 }));
  await until("it is buried", async () => {
    return (await b.client.statsJob(expiring))!.state === "buried";
  });
});

Deno.test("postgres queue: the row of a tube is removed when nothing needs it, and comes back", async () => {
  const url = await server.createDatabase();
  const rules = { slow: { maxReserved: 3, rate: { intervalMs: 10, burst: 1 } } };
  await using a = await openIn(url, rules);
  await using b = await openIn(url, rules);
  const sql = postgres(url, { max: 1 });
  const tubes = async () => {
    const rows = await sql<{ name: string }[]>`SELECT name FROM quartet.task_tubes ORDER BY name`;
    return rows.map(({ name }) => name).join(" ");
  };
  try {
    a.client.use("paused");
    assert.equal(await a.client.pauseTube("paused", 600_000), true);
    a.client.use("slow");
    for (const { client } of [a, b]) {
      client.watch("slow");
      const id = await put(a.client, spec("x"));
      assert.equal((await reserve(client)).id, id);
      assert.equal(await tubes(), "paused slow");
      assert.equal(await client.delete(id), true);
      await until("nothing needs it", async () => await tubes() === "paused");
    }
  } finally {
    await sql.end();
  }
});

Deno.test("postgres queue: a job that others follow can be put after and ended at the same time", async () => {
  await using opened = await openIn(await server.createDatabase());
  const { client } = opened;
  for (let round = 0; round < 5; round++) {
    const first = await put(client, spec("a"));
    await client.reserveJob(first);
    const [followers] = await Promise.all([
      Promise.all([1, 2, 3].map(() => client.put(withOptions({ after: [first] })))),
      client.delete(first),
    ]);
    for (const _ of followers) assert.ok(followers.includes((await reserve(client)).id));
    for (const id of followers) await client.delete(id as number);
  }
});

Deno.test("postgres queue: keeps the keys of tables that an earlier version made", async () => {
  const url = await server.createDatabase();
  const database = await PostgresDatabase.open(url, { log: SILENT_LOG });
  await database.migrate("task", TASK_MIGRATIONS.slice(0, 1));
  const old = database.connect({ name: "old", connections: 1 });
  await old.run((sql) =>
    sql`INSERT INTO quartet.task_jobs
      (id, tube, state, priority, delay_ms, ttr_ms, created_at, key, body)
      VALUES (nextval('quartet.task_ids'), 'default', 0, 1, 0, 1000, 0, 'ready', ''),
        (nextval('quartet.task_ids'), 'default', 3, 1, 0, 1000, 0, 'buried', '')`
  );
  await old.close();
  await using opened = await openIn(url);
  const { client } = opened;
  assert.deepEqual(await client.putJob(keyed("ready", spec("x"))), { id: 1, existed: true });
  assert.deepEqual(await client.putJob(keyed("buried", spec("x"))), { id: 3, existed: false });
  assert.equal((await client.statsJob(2))!.key, "buried");
});

Deno.test("HeldJobs: goes on until nothing is left, also for what came meanwhile, and after an error", async () => {
  const steps: (number | Error)[] = [500, 500, 3, 500, 0, new Error("gone"), 0];
  const seen: number[] = [];
  const held: HeldJobs = new HeldJobs({
    step: async (max) => {
      await Promise.resolve();
      const step = steps.shift()!;
      if (step instanceof Error) throw step;
      seen.push(step);
      if (step === 3) held.release();
      return Math.min(step, max);
    },
    log: SILENT_LOG,
  });
  held.release();
  held.release();
  await held.close();
  assert.deepEqual(seen, [500, 500, 3, 500, 0]);
  held.release();
  await held.close();
  held.release();
  await held.close();
  assert.deepEqual(steps, []);
});

Deno.test("postgres queue: clients with limited rights get the same answers as in memory", async (t) => {
  await using kept = await keepDatabase(await server.createDatabase(), TASK_TABLES);
  for (const { name, run } of RIGHTS_SCENARIOS) {
    await t.step(name, async () => {
      await kept.empty();
      // The server closes the queue.
      await run(
        await PostgresQueue.open(kept.open(), { options: queueOptions(), log: SILENT_LOG }),
      );
    });
  }
});
