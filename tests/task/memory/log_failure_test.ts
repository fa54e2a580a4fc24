/** A queue in memory whose log fails to write, one kind of failure at a time. */

import assert from "node:assert/strict";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { LogJournal } from "../../../lib/task/memory/log_journal.ts";
import { MemoryQueue } from "../../../lib/task/memory/queue.ts";
import { dueRun, run } from "../schedule/book_suite.ts";
import { keyed, put, reserve, soon, spec, type SuiteOptions } from "../queue_suite.ts";
import { ManualClock, queueOptions } from "../support.ts";
import { ScriptedLog } from "./scripted_log.ts";

/** A queue on a log that commits and fails on command. */
async function open(log = new ScriptedLog(), options: SuiteOptions = {}) {
  const journal = new LogJournal(log);
  const queue = new MemoryQueue(new ManualClock(), queueOptions(options), journal);
  await journal.load(queue.scheduler, queue.schedules.records);
  return { log, queue, client: queue.connect() };
}

/** The queue after a crash: only what was committed is left. */
function afterCrash({ log }: { log: ScriptedLog }, options: SuiteOptions = {}) {
  return open(new ScriptedLog(log), options);
}

Deno.test("LogJournal: jobs that moved in a failed group are written when the log works again", async () => {
  const before = await open();
  const { client, log } = before;
  const buried = await put(client, spec("a"));
  const released = await put(client, spec("b"));
  log.commit();
  await reserve(client);
  await reserve(client);
  await client.bury(buried, 7);
  await client.release(released, 3, 60_000);
  log.fail();
  assert.equal(log.count("task_moves"), 0);
  // The log tries an empty group until one succeeds; then the queue writes what was lost.
  log.commit();
  log.commit();
  assert.equal(log.count("task_moves"), 2);

  const { client: after } = await afterCrash(before);
  const { state, priority, buries } = (await after.statsJob(buried))!;
  assert.deepEqual([state, priority, buries], ["buried", 7, 1]);
  const other = (await after.statsJob(released))!;
  assert.deepEqual([other.state, other.priority, other.releases], ["delayed", 3, 1]);
});

Deno.test("LogJournal: a job that moved in a failed group and then ended is not written again", async () => {
  const before = await open();
  const { client, log } = before;
  const id = await put(client, spec("a"));
  log.commit();
  await reserve(client);
  await client.release(id, 3, 0);
  log.fail();
  assert.equal(await client.delete(id), true);
  log.commit();
  log.commit();
  assert.deepEqual([log.count("task_jobs"), log.count("task_moves")], [0, 0]);
  assert.equal(await (await afterCrash(before)).client.statsJob(id), null);
});

Deno.test("LogJournal: a put that is taken back ends the wait for its outcome", async () => {
  const { queue, client, log } = await open();
  const id = await put(client, spec("a"));
  const settled = client.settled();
  const waiting = queue.connect().wait(id, Infinity);
  log.fail();
  await assert.rejects(soon(settled!), StorageUnavailableError);
  assert.deepEqual(await soon(waiting), { state: "deleted", body: "" });
  assert.equal(await client.statsJob(id), null);
  const { ready, bytes, totalJobs } = queue.stats();
  assert.deepEqual([ready, bytes, totalJobs], [0, 0, 0]);
});

Deno.test("LogJournal: a put that is taken back leaves the worker that reserved it", async () => {
  const { queue, client, log } = await open();
  const worker = queue.connect();
  const id = await put(client, spec("a"));
  await reserve(worker);
  log.fail();
  assert.equal(await worker.done(id, "result"), false);
  assert.deepEqual([queue.stats().reserved, queue.stats().results], [0, 0]);
  await soon(queue.idle());
});

Deno.test("LogJournal: a job whose end is taken back is ready again, and its result is gone", async () => {
  const { queue, client, log } = await open();
  const deleted = await put(client, spec("a")), done = await put(client, spec("b"));
  log.commit();
  await client.delete(deleted);
  await client.reserveJob(done);
  assert.equal(await client.done(done, "result"), true);
  log.fail();
  assert.equal((await client.statsJob(deleted))!.state, "ready");
  assert.equal((await client.statsJob(done))!.state, "ready");
  assert.equal(queue.stats().results, 0);
  log.commit();
  assert.equal((await reserve(client)).id, deleted);
});

Deno.test("LogJournal: no job is handed out while what becomes of it might not be written", async () => {
  const { queue, client, log } = await open();
  const deleted = await put(client, spec("a", { priority: 1 })),
    lost = await put(client, spec("b"));
  log.commit();
  await reserve(client);
  await reserve(client);
  assert.equal(client.settled(), undefined);
  await client.delete(deleted);
  const failed = assert.rejects(soon(client.settled()!), StorageUnavailableError);
  log.fail();
  await failed;
  const worker = queue.connect(), waiting = queue.connect();
  assert.equal(await worker.reserve(0), "TIMED_OUT");
  assert.throws(() => worker.reserveJob(deleted), StorageUnavailableError);
  const job = waiting.reserve(Infinity);
  client.close();
  // That it was lost cannot be written at once either, and when the log works again, that comes first.
  log.fail();
  log.commit();
  assert.deepEqual([queue.stats().ready, queue.stats().reserved], [2, 0]);
  log.commit();
  assert.equal((await soon(job) as { id: number }).id, deleted);
  assert.equal((await reserve(worker)).id, lost);
});

Deno.test("LogJournal: on a full disk new jobs are refused, and the others go on", async () => {
  const { queue, client, log } = await open();
  const id = await put(client, spec("a"));
  log.commit();
  log.full = "the disk is full";
  const vital = Object.entries(log.owners).filter(([, owner]) => owner.vital);
  assert.deepEqual(vital.map(([name]) => name), [
    "task_moves",
    "task_results",
    "task_schedules",
    "task_lost",
    "task_meta",
  ]);
  assert.equal(await client.put(spec("b")), "OUT_OF_MEMORY");
  assert.equal(await client.putBatch([spec("b")]), "OUT_OF_MEMORY");
  assert.equal(
    await client.putJob(keyed("k", spec("b"))),
    "OUT_OF_MEMORY",
  );
  await reserve(client);
  assert.equal(await client.done(id, "result"), true);
  log.commit();
  assert.equal(queue.stats().results, 1);
  log.full = undefined;
  await put(client, spec("b"));
});

Deno.test("LogJournal: results beyond max_results are gone after a restart too", async () => {
  const before = await open(undefined, { limits: { maxResults: 2 } });
  const { client, log } = before;
  const ids: number[] = [];
  for (const body of ["a", "b", "c"]) {
    ids.push(await put(client, spec(body)));
    await reserve(client);
    await client.done(ids.at(-1)!, body);
  }
  log.commit();
  assert.equal(log.count("task_results"), 2);
  const { queue, client: after } = await afterCrash(before);
  assert.equal(queue.stats().results, 2);
  assert.equal(await after.result(ids[0]!), null);
  // A limit that was lowered since holds at once.
  const { queue: smaller } = await afterCrash(before, { limits: { maxResults: 1 } });
  assert.equal(smaller.stats().results, 1);
});

Deno.test("LogJournal: no id is used twice, even if the claim of the ids was in a failed group", async () => {
  const before = await open();
  const { client, log } = before;
  await put(client, spec("lost"));
  log.fail();
  const id = await put(client, spec("kept"));
  log.commit();
  await client.delete(id);
  log.commit();
  const { client: after } = await afterCrash(before);
  const next = await put(after, spec("new"));
  assert(next > id, `${next} is not above ${id}, which was used before`);
});

Deno.test("LogJournal: a run and its job are one commit", async () => {
  const before = await open();
  const { queue, log } = before;
  const lost = assert.rejects(run(queue, dueRun("nightly", 1000)), StorageUnavailableError);
  log.fail();
  await lost;
  const { client: none } = await afterCrash(before);
  assert.equal((await none.stats()).ready, 0);

  // The run is still to be made, and now it is.
  const repeated = run(queue, dueRun("nightly", 1000));
  log.commit();
  const [outcome, id] = await repeated;
  assert.equal(outcome, "put");
  const { queue: after, client, log: last } = await afterCrash(before);
  assert.equal((await client.statsJob(id))!.tube, "nightly");
  assert.deepEqual(await run(after, dueRun("nightly", 1000)), ["handled", id]);

  // A failed group also takes back that a schedule was dropped or changed.
  const dropped = assert.rejects(after.schedules.open([], 5000), StorageUnavailableError);
  last.fail();
  await dropped;
  assert.deepEqual(await run(after, dueRun("nightly", 1000)), ["handled", id]);
  const opened = after.schedules.open([{ name: "nightly", timing: "every 1h" }], 5000);
  const refused = assert.rejects(opened, StorageUnavailableError);
  last.fail();
  await refused;
  assert.equal(after.schedules.records.get("nightly")!.timing, "every 1m");
});

Deno.test("LogJournal: a job whose end fails after its move failed is written where it is", async () => {
  const before = await open();
  const { client, log } = before;
  const id = await put(client, spec("a"));
  log.commit();
  await client.moveJob(id, "other");
  log.fail();
  await client.delete(id);
  log.fail();
  log.commit();
  log.commit();
  assert.equal((await client.statsJob(id))!.tube, "other");
  assert.equal((await (await afterCrash(before)).client.statsJob(id))!.tube, "other");
});

Deno.test("LogJournal: a put that is taken back counts in no tube that did not count it", async () => {
  const { client, log, queue } = await open();
  queue.connect().use("other");
  await put(client, spec("a"));
  assert.equal(await client.moveTube("default", "other"), 1);
  client.use("gone");
  await put(client, spec("b"));
  assert.equal(await client.flushTube("gone"), 1);
  client.use("default");
  queue.connect().use("gone");
  log.fail();
  for (const tube of ["other", "gone"]) {
    const { totalJobs, ready } = (await client.statsTube(tube))!;
    assert.deepEqual([totalJobs, ready], [0, 0], tube);
  }
  assert.equal(queue.stats().bytes, 0);
});
