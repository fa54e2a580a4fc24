/** How late the queue in PostgreSQL meets deadlines while clients wait. */

import assert from "node:assert/strict";
import { openStorage } from "../../../lib/storage/open.ts";
import { openQueue } from "../../../lib/task/open.ts";
import type { Queue, QueueClient } from "../../../lib/task/queue.ts";
import { usePostgres } from "../../support/postgres.ts";
import { within } from "../../support/within.ts";
import { put, reserve, spec } from "../suite_support.ts";
import { DEADLINE_MS, queueOptions, SILENT_LOG } from "../support.ts";

/** How late a deadline may be. */
const MAX_LATE_MS = 50;

/** A busy machine may hold up any round, but not all of them. */
const ROUNDS = 8;

const server = usePostgres();

async function openIn(url: string) {
  const storage = await openStorage(url, { dataDir: ".", log: SILENT_LOG });
  const queue = await openQueue(storage, { ...queueOptions(), log: SILENT_LOG });
  const close = async () => {
    await queue.close();
    await storage.close();
  };
  return { queue, close };
}

/** A client that uses and watches one tube alone. */
function clientOf(queue: Queue, tube: string): QueueClient {
  const client = queue.connect();
  client.use(tube);
  client.watch(tube);
  client.ignore("default");
  return client;
}

/** How long something takes beyond its deadline. */
async function lateness(deadlineMs: number, pending: Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await within(DEADLINE_MS, "a deadline", pending);
  return performance.now() - startMs - deadlineMs;
}

/** The deadlines, each met in tubes of its own; all of them run at once. */
const DEADLINES: Record<string, (here: Queue, there: Queue, tube: string) => Promise<number>> = {
  "the end of a pause": async (here, _, tube) => {
    const client = clientOf(here, tube);
    await client.pauseTube(tube, 1500);
    const late = lateness(1500, reserve(client));
    await put(client, spec("x"));
    return await late.finally(() => client.close());
  },
  "the end of a pause that another daemon began": async (here, there, tube) => {
    const client = clientOf(here, tube), other = clientOf(there, tube);
    await put(client, spec("x"));
    await client.pauseTube(tube, 1700);
    const late = lateness(1700, reserve(other));
    return await late.finally(() => (client.close(), other.close()));
  },
  "the end of a pause, for the last of many workers": async (here, _, tube) => {
    const clients = Array.from({ length: 60 }, () => clientOf(here, tube));
    await clients[0]!.pauseTube(tube, 1300);
    const pending = Promise.all(clients.map((client) => reserve(client)));
    const late = lateness(1300, pending);
    await clients[0]!.putBatch(clients.map(() => spec("x")));
    return await late.finally(() => clients.forEach((client) => client.close()));
  },
  "the end of a delay": async (here, _, tube) => {
    const client = clientOf(here, tube);
    await put(client, spec("x", { delayMs: 1400 }));
    return await lateness(1400, reserve(client)).finally(() => client.close());
  },
  "the end of a delay, at another daemon": async (here, there, tube) => {
    const client = clientOf(here, tube), other = clientOf(there, tube);
    await put(client, spec("x", { delayMs: 1600 }));
    const late = lateness(1600, reserve(other));
    return await late.finally(() => (client.close(), other.close()));
  },
  "the end of a time to run": async (here, _, tube) => {
    const client = clientOf(here, tube), other = clientOf(here, tube);
    await put(client, spec("x", { ttrMs: 1350 }));
    await reserve(client);
    const late = lateness(1350, reserve(other));
    return await late.finally(() => (client.close(), other.close()));
  },
  "the end of a wait": async (here, _, tube) => {
    const client = clientOf(here, tube);
    const pending = Promise.resolve(client.reserve(1250));
    return await lateness(1250, pending).finally(() => client.close());
  },
  "the end of a wait for a result": async (here, _, tube) => {
    const client = clientOf(here, tube);
    const id = await put(client, spec("x"));
    const pending = Promise.resolve(client.wait(id, 1150));
    return await lateness(1150, pending).finally(() => client.close());
  },
};

Deno.test("postgres queue: deadlines are accurate to 50 ms while a client waits", async () => {
  const url = await server.createDatabase();
  const here = await openIn(url), there = await openIn(url);
  const best = new Map<string, number>();
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const late = Object.entries(DEADLINES).filter(([name]) => !(best.get(name)! < MAX_LATE_MS));
      await Promise.all(late.map(async ([name, measure], place) => {
        const ms = await measure(here.queue, there.queue, `tube-${round}-${place}`);
        best.set(name, Math.min(best.get(name) ?? Infinity, ms));
      }));
      if ([...best.values()].every((ms) => ms < MAX_LATE_MS)) break;
    }
  } finally {
    await here.close();
    await there.close();
  }
  const late = [...best].filter(([, ms]) => ms >= MAX_LATE_MS)
    .map(([name, ms]) => `${name}: ${Math.round(ms)} ms late`);
  assert.deepEqual(late, []);
});
