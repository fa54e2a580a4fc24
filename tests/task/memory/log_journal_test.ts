import assert from "node:assert/strict";
import { openStorage } from "../../../lib/storage/open.ts";
import { SqliteLog } from "../../../lib/storage/sqlite/sqlite_log.ts";
import { SYSTEM_CLOCK } from "../../../lib/task/clock.ts";
import { LogJournal } from "../../../lib/task/memory/log_journal.ts";
import { MemoryQueue } from "../../../lib/task/memory/queue.ts";
import { openQueue } from "../../../lib/task/open.ts";
import type { QueueClient } from "../../../lib/task/queue.ts";
import type { ScheduledQueue } from "../../../lib/task/schedule/book.ts";
import { until } from "../../support/within.ts";
import { bookSuite, dueRun, run } from "../schedule/book_suite.ts";
import { keyed, put, queueSuite, reserve, soon, spec, type SuiteOptions } from "../queue_suite.ts";
import { queueOptions, SILENT_LOG } from "../support.ts";

/** Opens a queue in a file. */
async function openIn(directory: string, options: SuiteOptions = {}) {
  const storage = await openStorage("sqlite:queue.db", { dataDir: directory, log: SILENT_LOG });
  const queue = await openQueue(storage, { ...queueOptions(options), log: SILENT_LOG });
  const close = async () => {
    await queue.close();
    await storage.close();
  };
  return { queue, close };
}

/** Opens a queue in a file of its own. */
async function openInTemp(options: SuiteOptions = {}) {
  const directory = await Deno.makeTempDir();
  const { queue, close } = await openIn(directory, options);
  return {
    queue,
    [Symbol.asyncDispose]: async () => {
      await close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

queueSuite("sqlite", openInTemp);
bookSuite("sqlite", openInTemp);

/** Runs each function on a newly opened queue, all on the same file. */
async function lives(...runs: ((client: QueueClient, queue: ScheduledQueue) => Promise<void>)[]) {
  const directory = await Deno.makeTempDir();
  try {
    for (const run of runs) {
      const rules = { mail: { maxAttempts: 1, deadLetter: "dead" } };
      const { queue, close } = await openIn(directory, { rules });
      const client = queue.connect();
      await run(client, queue);
      await client.settled();
      await close();
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("LogJournal: buried jobs come back in the order of their burials", async () => {
  const order: number[] = [];
  await lives(async (client) => {
    const ids = [await put(client, spec("a")), await put(client, spec("b"))];
    for (const id of ids.toReversed()) {
      assert(await client.reserveJob(id));
      assert(await client.bury(id, 0));
      order.push(id);
    }
  }, async (client) => {
    assert.equal((await client.peekState("buried"))!.id, order[0]);
    assert.equal(await client.kick(1), 1);
    assert.equal((await client.statsJob(order[0]!))!.state, "ready");
    assert.equal((await client.peekState("buried"))!.id, order[1]);
  });
});

Deno.test("LogJournal: jobs come back in their state, and reserved ones ready", async () => {
  const ids: Record<string, number> = {};
  await lives(async (client) => {
    client.use("tube-a");
    client.watch("tube-a");
    const binary = Uint8Array.from({ length: 2000 }, (_, index) => index % 256);
    ids["binary"] = await put(client, { ...spec("", { priority: 7 }), body: binary });
    ids["delayed"] = await put(client, spec("d", { delayMs: 60_000, ttrMs: 5_000 }));
    ids["deleted"] = await put(client, spec("x"));
    await client.delete(ids["deleted"]);
    const unique = await client.putJob(keyed("the-key", spec("u", { priority: 3 })));
    assert(typeof unique === "object");
    ids["unique"] = unique.id;
    client.use("tube-b");
    client.watch("tube-b");
    ids["buried"] = await put(client, spec("b", { priority: 1 }));
    ids["released"] = await put(client, spec("r", { priority: 2 }));
    assert.equal((await reserve(client)).id, ids["buried"]);
    await client.bury(ids["buried"], 99);
    assert.equal((await reserve(client)).id, ids["released"]);
    await client.release(ids["released"], 5, 30_000);
    assert.equal((await reserve(client)).id, ids["unique"]);
  }, async (client) => {
    assert.deepEqual((await client.listTubes()).sort(), ["default", "tube-a", "tube-b"]);
    client.use("tube-a");
    client.watch("tube-a");
    assert.equal(await client.peek(ids["deleted"]!), null);
    const delayed = (await client.statsJob(ids["delayed"]!))!;
    assert.equal(delayed.state, "delayed");
    assert.equal(delayed.ttrMs, 5_000);
    assert(delayed.leftMs > 50_000 && delayed.leftMs < 60_000);
    const buried = (await client.statsJob(ids["buried"]!))!;
    assert.deepEqual([buried.state, buried.priority, buried.buries], ["buried", 99, 1]);
    const released = (await client.statsJob(ids["released"]!))!;
    assert.equal(released.state, "delayed");
    assert.deepEqual([released.priority, released.releases, released.attempts], [5, 1, 0]);
    const unique = (await client.statsJob(ids["unique"]!))!;
    assert.deepEqual([unique.state, unique.key, unique.tube], ["ready", "the-key", "tube-a"]);
    assert.deepEqual(await client.putJob(keyed("the-key", spec("u"))), {
      id: ids["unique"],
      existed: true,
    });
    const next = await put(client, spec("new"));
    assert(next > Math.max(...Object.values(ids)), "an id was used twice");
    assert.equal((await reserve(client)).id, ids["unique"]);
    const binary = await reserve(client);
    assert.equal(binary.id, ids["binary"]);
    assert.deepEqual(binary.body, Uint8Array.from({ length: 2000 }, (_, index) => index % 256));
  });
});

Deno.test("LogJournal: each job comes back in its own tube, and no tube without jobs", async () => {
  const tubes = ["a", "b", "aa", "b", "a", "default"];
  const ids: number[] = [];
  await lives(async (client) => {
    for (const tube of tubes) {
      client.use(tube);
      ids.push(await put(client, spec(`of ${tube}`)));
    }
    client.use("empty");
    await client.delete(await put(client, spec("deleted")));
  }, async (client) => {
    const found = await Promise.all(ids.map(async (id) => (await client.statsJob(id))!.tube));
    assert.deepEqual(found, tubes);
    assert.deepEqual((await client.listTubes()).sort(), ["a", "aa", "b", "default"]);
  });
});

Deno.test("LogJournal: results come back", async () => {
  let id = 0;
  await lives(async (client) => {
    id = await put(client, spec("x"));
    await reserve(client);
    assert.equal(await client.done(id, "the result\xff"), true);
  }, async (client) => {
    assert.deepEqual(await client.result(id), { state: "done", body: "the result\xff" });
  });
});

Deno.test("LogJournal: a cancelled job stays cancelled, and results keep their age", async () => {
  const ids: number[] = [];
  await lives(async (client) => {
    for (const body of ["a", "b"]) ids.push(await put(client, spec(body)));
    await client.cancelJob(ids[0]!);
    await client.reserveJob(ids[1]!);
    await client.done(ids[1]!, "result");
  }, async (client) => {
    assert.deepEqual(await client.result(ids[0]!), { state: "cancelled", body: "" });
    assert.deepEqual(await client.result(ids[1]!), { state: "done", body: "result" });
    assert.equal((await client.stats()).ready, 0);
  });
});

Deno.test("LogJournal: jobs that went to another tube come back there, with their death", async () => {
  const ids: number[] = [];
  await lives(async (client) => {
    client.use("mail");
    for (const body of ["a", "b", "c"]) ids.push(await put(client, spec(body)));
    await client.reserveJob(ids[0]!);
    assert.equal(await client.fail(ids[0]!, "why\xff"), "DEAD_LETTER");
    assert.equal(await client.moveJob(ids[1]!, "elsewhere"), true);
  }, async (client) => {
    assert.deepEqual((await client.listTubes()).sort(), ["dead", "default", "elsewhere", "mail"]);
    const [dead, moved, stayed] = await Promise.all(ids.map((id) => client.statsJob(id)));
    assert.deepEqual([dead!.tube, dead!.reason], ["dead", "why\xff"]);
    assert.deepEqual(dead!.death, { tube: "mail", attempts: 1, reason: "why\xff" });
    assert.deepEqual([moved!.tube, moved!.death, stayed!.tube], ["elsewhere", null, "mail"]);
    assert.equal(await client.moveTube("mail", "elsewhere"), 1);
    assert.equal(await client.moveJob(ids[0]!, "mail"), true);
  }, async (client) => {
    const tubes = await Promise.all(ids.map(async (id) => (await client.statsJob(id))!.tube));
    assert.deepEqual(tubes, ["mail", "elsewhere", "elsewhere"]);
    assert.equal((await client.statsJob(ids[0]!))!.death, null);
    assert.equal(await client.flushTube("elsewhere"), 2);
  }, async (client) => {
    assert.deepEqual((await client.listTubes()).sort(), ["default", "mail"]);
  });
});

Deno.test("LogJournal: no id is used twice, not even that of a deleted job", async () => {
  const seen = new Set<number>();
  const run = async (client: QueueClient) => {
    for (let round = 0; round < 20; round++) {
      const id = await put(client, spec("x"));
      assert(!seen.has(id));
      seen.add(id);
      await client.delete(id);
    }
  };
  await lives(run, run, run);
});

Deno.test("LogJournal: settled() resolves when an answer is durable", async () => {
  await lives(async (client, queue) => {
    await put(client, spec("x"));
    const settled = client.settled();
    assert(settled instanceof Promise, "the job counts as durable at once");
    await soon(settled);
    assert.equal(client.settled(), undefined);
    const other = queue.connect();
    await reserve(other);
    assert.equal(other.settled(), undefined);
    await client.close();
  });
});

Deno.test("LogJournal: takes no jobs while the disk is full, and goes on when there is room", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const log = await SqliteLog.open(`${directory}/queue.db`, { log: SILENT_LOG, maxPages: 40 });
    const journal = new LogJournal(log);
    const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions(), journal);
    await journal.load(queue.scheduler, queue.schedules.records);
    const client = queue.connect();
    const kept: number[] = [];
    for (;;) {
      const id = await client.put(spec("x".repeat(4000)));
      if (id === "OUT_OF_MEMORY") break;
      await client.settled();
      kept.push(id as number);
    }
    assert.match(queue.problem()!, /disk is full/);
    assert.equal((await client.stats()).ready, kept.length);
    assert.equal(await client.delete(kept[0]!), true);
    await client.settled();
    assert.equal((await client.stats()).ready, kept.length - 1);
    // Soon after, the log has made room.
    await until("there is room", () => queue.problem() === undefined);
    await put(client, spec("y"));
    await client.settled();
    assert.equal(queue.problem(), undefined);
    await queue.close();
    await log.close();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("LogJournal: schedules survive a restart, and a snapshot; old ones are forgotten", async () => {
  const directory = await Deno.makeTempDir();
  const schedules = ["kept", "gone"].map((name) => ({ name, timing: "every 1m" }));
  let job = 0;
  try {
    for (const life of ["run", "snapshot", "pieces", "forget", "again"]) {
      const log = await SqliteLog.open(`${directory}/queue.db`, { log: SILENT_LOG });
      const journal = new LogJournal(log);
      const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions(), journal);
      await journal.load(queue.scheduler, queue.schedules.records);
      if (life === "run") {
        await queue.schedules.open(schedules, 500);
        [, job] = await run(queue, dueRun("kept", 1000));
      } else {
        assert.deepEqual(await run(queue, dueRun("kept", 1000)), ["handled", job], life);
      }
      if (life === "snapshot") await log.snapshot();
      if (life === "pieces") {
        assert.deepEqual([...queue.schedules.records.keys()].sort(), ["gone", "kept"]);
      }
      if (life === "forget") await queue.schedules.open([schedules[0]!], 2000);
      if (life === "again") assert.deepEqual([...queue.schedules.records.keys()], ["kept"]);
      await queue.close();
      await log.close();
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
