/** The options of jobs in a queue on a log: what a crash and a failed group leave of them. */

import assert from "node:assert/strict";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { LogJournal } from "../../../lib/task/memory/log_journal.ts";
import { MemoryQueue } from "../../../lib/task/memory/queue.ts";
import { encodeJobHead } from "../../../lib/task/memory/records.ts";
import type { JobOptions, QueueClient } from "../../../lib/task/queue.ts";
import { keyed, put, reserve, soon, spec, type SuiteOptions } from "../queue_suite.ts";
import { ManualClock, queueOptions } from "../support.ts";
import { ScriptedLog } from "./scripted_log.ts";

/** A queue on a log that commits and fails on command. */
async function open(
  log = new ScriptedLog(),
  clock = new ManualClock(),
  rules: SuiteOptions["rules"] = {},
) {
  const journal = new LogJournal(log);
  const queue = new MemoryQueue(clock, queueOptions({ rules }), journal);
  await journal.load(queue.scheduler, queue.schedules.records);
  return { log, clock, queue, client: queue.connect() };
}

/** The queue after a crash: only what was committed is left. */
function afterCrash({ log, clock }: { log: ScriptedLog; clock: ManualClock }) {
  return open(new ScriptedLog(log), clock);
}

function withOptions(options: JobOptions) {
  return spec("x", { options });
}

async function stateOf(client: QueueClient, id: number): Promise<string | undefined> {
  return (await client.statsJob(id))?.state;
}

async function existed(client: QueueClient, key: string): Promise<boolean> {
  const answer = await client.putJob(keyed(key, spec("x")));
  assert(typeof answer === "object");
  return answer.existed;
}

Deno.test("LogJournal: the options of a job survive a crash", async () => {
  const before = await open();
  const options = {
    attempts: 3,
    backoff: { firstMs: 1000, maxMs: 2000 },
    timeoutMs: 500,
    expiresMs: 60_000,
    unique: { key: "k", while: "queued", forMs: 90_000 },
  } as const;
  const id = await put(before.client, withOptions(options));
  const held = await put(before.client, withOptions({ after: [id] }));
  before.log.commit();
  const { client, clock } = await afterCrash(before);
  const stats = (await client.statsJob(id))!;
  assert.equal(stats.key, "k");
  const { attempts, backoff, timeoutMs, expiresMs: expiresInMs } = options;
  assert.deepEqual(stats.options, { attempts, backoff, timeoutMs, expiresInMs, after: [] });
  assert.deepEqual((await client.statsJob(held))!.options!.after, [id]);
  assert.equal(await stateOf(client, held), "held");
  assert.equal(await existed(client, "k"), true);
  clock.advance(60_000);
  assert.equal(await stateOf(client, id), "buried");
  assert.equal(await stateOf(client, held), "held");
});

Deno.test("LogJournal: a job that expires while the daemon is down is not handed out", async () => {
  const before = await open();
  const id = await put(before.client, withOptions({ expiresMs: 1000 }));
  const held = await put(before.client, withOptions({ expiresMs: 1000, after: [id] }));
  before.log.commit();
  before.clock.advance(0);
  const clock = new ManualClock();
  clock.advance(1000);
  const { client } = await open(new ScriptedLog(before.log), clock);
  assert.equal(await client.reserve(0), "TIMED_OUT");
  assert.deepEqual([await stateOf(client, id), await stateOf(client, held)], ["buried", "buried"]);
});

Deno.test("LogJournal: a key with a fixed time outlives its job and a crash, but not its time", async () => {
  const before = await open();
  const { client, log } = before;
  const unique = { key: "k", while: "until", forMs: 60_000 } as const;
  const id = await put(client, withOptions({ unique }));
  await client.delete(id);
  log.commit();
  assert.equal(log.count("task_keys"), 1);
  const after = await afterCrash(before);
  assert.equal(await existed(after.client, "k"), true);
  after.clock.advance(60_000);
  after.log.commit();
  assert.equal(after.log.count("task_keys"), 0);
  assert.equal(await existed(after.client, "k"), false);
});

Deno.test("LogJournal: a put that fails takes its key back, and holds nothing up", async () => {
  const before = await open();
  const { client, log, queue } = before;
  const { bytes } = queue.stats();
  const unique = { key: "k", while: "until", forMs: 60_000 } as const;
  const id = await put(client, withOptions({ unique, expiresMs: 1000 }));
  const settled = client.settled()!;
  log.fail();
  await assert.rejects(soon(settled), StorageUnavailableError);
  assert.equal(await stateOf(client, id), undefined);
  assert.equal(queue.stats().bytes, bytes);
  before.clock.advance(120_000);
  assert.equal(await existed(client, "k"), false);
});

Deno.test("LogJournal: a job is released only when the end of the one it waits for is durable", async () => {
  const before = await open();
  const { client, log } = before;
  const first = await put(client, spec("a"));
  const held = await put(client, withOptions({ after: [first] }));
  log.commit();
  await reserve(client);
  assert.equal(await client.done(first, ""), true);
  assert.equal(await stateOf(client, held), "held");
  // Also for a job that is put meanwhile.
  const later = await put(client, withOptions({ after: [first] }));
  assert.equal(await stateOf(client, later), "held");
  log.fail();
  log.commit();
  assert.deepEqual([await stateOf(client, first), await stateOf(client, held)], ["ready", "held"]);
  await reserve(client);
  assert.equal(await client.done(first, ""), true);
  log.commit();
  // The promise that tells it resolves in a microtask.
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(await stateOf(client, held), "ready");
  log.commit();
  assert.equal(await stateOf((await afterCrash(before)).client, held), "ready");
});

Deno.test("LogJournal: a job is released by a crash right behind the end of the one it waits for", async () => {
  const before = await open();
  const { client, log } = before;
  const first = await put(client, spec("a"));
  const held = await put(client, withOptions({ after: [first] }));
  await client.reserveJob(first);
  await client.done(first, "");
  log.commit();
  // The release itself is not written.
  assert.equal(await stateOf((await afterCrash(before)).client, held), "ready");
});

Deno.test("LogJournal: a deletion that holds jobs up is remembered as long as one is held", async () => {
  const before = await open();
  const { client, log } = before;
  const first = await put(client, spec("a"));
  const held = [
    await put(client, withOptions({ after: [first] })),
    await put(client, withOptions({ after: [first] })),
  ];
  log.commit();
  await client.delete(first);
  log.fail();
  log.commit();
  const reason = async (client: QueueClient) => (await client.statsJob(held[0]!))!.reason;
  assert.deepEqual([await stateOf(client, first), await reason(client)], ["ready", ""]);
  await client.delete(first);
  log.commit();
  assert.equal(log.count("task_lost"), 1);
  let queue = await afterCrash(before);
  assert.equal(await stateOf(queue.client, held[0]!), "held");
  assert.equal(await reason(queue.client), `job ${first} is gone without being done`);
  assert.equal(await queue.client.delete(held[1]!), true);
  queue.log.fail();
  queue.log.commit();
  assert.equal(await stateOf(queue.client, held[1]!), "held", "it must not run");
  assert.equal(await queue.client.delete(held[1]!), true);
  assert.equal(await queue.client.releaseHeld(held[0]!), true);
  queue.log.commit();
  await Promise.resolve();
  await Promise.resolve();
  queue.log.commit();
  assert.equal(queue.log.count("task_lost"), 0);
  queue = await afterCrash(queue);
  assert.equal(await stateOf(queue.client, held[0]!), "ready");
});

Deno.test("LogJournal: reads the jobs of version 1, and writes it for jobs without options", async () => {
  const log = new ScriptedLog();
  const first = await open(log);
  await put(first.client, spec("plain"));
  await put(first.client, keyed("key", spec("keyed")));
  const heads = [1, 2].map((id) => encodeJobHead(first.queue.scheduler.jobs.get(id)!).slice());
  assert.deepEqual(heads.map((head) => head[0]), [1, 1]);
  // version · priority 10 · no delay · ttr 60 000 · created · not due · two lengths · tube · key
  const record = [
    ...[1, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x4c, 0xed, 0x40],
    ...[0, 0, 0x80, 0x56, 0xfe, 0xbc, 0x78, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 7, 3],
    ...new TextEncoder().encode("defaultkey"),
  ];
  assert.deepEqual([...heads[1]!], record);
  log.commit();
  const { client } = await afterCrash(first);
  assert.equal(await existed(client, "key"), true);
  assert.equal((await client.statsJob(1))!.key, "");
});

Deno.test("LogJournal: a held job whose deletion fails is still held, and its release ends the note", async () => {
  const { client, log } = await open();
  const first = await put(client, spec("a"));
  const held = await put(client, withOptions({ after: [first] }));
  await client.delete(first);
  log.commit();
  await client.delete(held);
  log.fail();
  log.commit();
  assert.equal(await stateOf(client, held), "held");
  assert.equal((await client.statsJob(held))!.reason, `job ${first} is gone without being done`);
  assert.equal(await client.releaseHeld(held), true);
  log.commit();
  assert.equal(log.count("task_lost"), 0);
});

Deno.test("LogJournal: a job that came back and was deleted holds no new job up", async () => {
  const { client, log } = await open();
  const first = await put(client, spec("a"));
  const held = await put(client, withOptions({ after: [first] }));
  log.commit();
  await reserve(client);
  await client.done(first, "");
  log.fail();
  log.commit();
  await client.delete(first);
  log.commit();
  assert.equal(await stateOf(client, held), "held");
  assert.equal(await stateOf(client, await put(client, withOptions({ after: [first] }))), "ready");
});

Deno.test("MemoryQueue: a job that has expired once does not expire again", async () => {
  const { client, clock } = await open();
  const id = await put(client, withOptions({ expiresMs: 1000 }));
  clock.advance(1000);
  assert.equal(await stateOf(client, id), "buried");
  assert.equal(await client.kickJob(id), true);
  clock.advance(60_000);
  assert.equal(await stateOf(client, id), "ready");
});

Deno.test("LogJournal: a job that was started in time does not expire after a crash", async () => {
  const before = await open();
  const id = await put(before.client, withOptions({ expiresMs: 1000 }));
  before.log.commit();
  await reserve(before.client);
  before.log.commit();
  before.clock.advance(2000);
  assert.equal(await stateOf((await afterCrash(before)).client, id), "ready");
});

Deno.test("LogJournal: a dead letter that has expired stays where it is moved, also after a crash", async () => {
  const rules = { default: { deadLetter: "dead" } };
  const before = await open(new ScriptedLog(), new ManualClock(), rules);
  const { client, clock, log } = before;
  const id = await put(client, withOptions({ expiresMs: 1000 }));
  clock.advance(1000);
  assert.equal((await client.statsJob(id))!.tube, "dead");
  assert.equal(await client.moveJob(id, "default"), true);
  clock.advance(1000);
  log.commit();
  assert.equal((await client.statsJob(id))!.tube, "default");
  const after = await open(new ScriptedLog(log), clock, rules);
  const { tube, death } = (await after.client.statsJob(id))!;
  assert.deepEqual([tube, death], ["default", null]);
});
