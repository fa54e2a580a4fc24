import assert from "node:assert/strict";
import { join } from "node:path";
import { SqliteLog } from "../../../lib/storage/sqlite/sqlite_log.ts";
import { SYSTEM_CLOCK } from "../../../lib/task/clock.ts";
import { LogJournal } from "../../../lib/task/memory/log_journal.ts";
import { MemoryQueue } from "../../../lib/task/memory/queue.ts";
import type { QueueClient } from "../../../lib/task/queue.ts";
import { mountSmall } from "../../support/small_disk.ts";
import { until } from "../../support/within.ts";
import { put, reserve, soon, spec } from "../queue_suite.ts";
import { queueOptions, SILENT_LOG } from "../support.ts";

const DISK_BYTES = 24 * 1024 * 1024;
const BODY_BYTES = 4_000;

/** Opens a queue in a file with space kept for a full disk. */
async function open(path: string) {
  const log = await SqliteLog.open(path, { log: SILENT_LOG });
  const journal = new LogJournal(log);
  const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions(), journal);
  await journal.load(queue.scheduler, queue.schedules.records);
  const dispose = async () => {
    await queue.close();
    await log.close();
  };
  return { queue, client: queue.connect(), [Symbol.asyncDispose]: dispose };
}

/** Awaits that all a client was told is on the disk. */
async function settle(client: QueueClient): Promise<void> {
  await soon(client.settled() ?? Promise.resolve());
}

/** Writes a file that takes all space that is left. */
async function fillDisk(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  const bytes = new Uint8Array(4096);
  await assert.rejects(async () => {
    for (;;) await file.write(bytes);
  });
}

/** Puts jobs until the disk is full; returns their ids. */
async function fill(client: QueueClient): Promise<number[]> {
  const ids: number[] = [];
  for (;;) {
    const id = await client.put(spec("x".repeat(BODY_BYTES)));
    if (id === "OUT_OF_MEMORY") return ids;
    assert(typeof id === "number");
    await settle(client);
    ids.push(id);
  }
}

Deno.test("LogJournal: on a full disk workers finish, bury and release their jobs", async (t) => {
  const directory = await Deno.makeTempDir();
  try {
    await using mounted = await mountSmall(directory, DISK_BYTES);
    await t.step({
      name: "on a full tmpfs",
      ignore: mounted === undefined, // Mounting needs the rights of root.
      fn: async () => {
        const path = join(directory, "queue.db");
        const states = new Map<number, string | null>();
        {
          await using opened = await open(path);
          const { queue, client } = opened;
          const ids: number[] = [];
          while (ids.length < 800) {
            ids.push(await put(client, spec("x".repeat(BODY_BYTES))));
            await settle(client);
          }
          // Another program takes all that is left; the reserve is there. Then the queue finds out.
          await fillDisk(join(directory, "ballast"));
          ids.push(...await fill(client));
          assert.match(queue.problem()!, /the disk is full/);
          for (const id of ids) states.set(id, "ready");
          const step = async (state: string | null, change: (id: number) => unknown) => {
            const { id } = await reserve(client);
            await change(id);
            await settle(client);
            states.set(id, state);
          };
          for (let round = 0; round < 10; round++) {
            await step(null, (id) => client.delete(id));
            await step("buried", (id) => client.bury(id, 7));
            await step("delayed", (id) => client.release(id, 7, 600_000));
            await step("delayed", (id) => client.fail(id, "no reason"));
            await step(null, (id) => client.done(id, "r".repeat(1_000)));
          }
        }
        await using opened = await open(path);
        const { queue, client } = opened;
        for (const [id, state] of states) {
          const found = (await client.statsJob(id))?.state ?? null;
          // The delay after a failure may be over by now.
          if (state !== "delayed") assert.equal(found, state, `job ${id}`);
          else assert.match(String(found), /^(delayed|ready)$/, `job ${id}`);
        }
        assert.equal(queue.stats().results, 10);
        const other = queue.connect();
        for (const id of states.keys()) await other.delete(id);
        await settle(other);
        // A snapshot may still need the room.
        await until("there is room", async () => typeof await client.put(spec("y")) === "number");
        await settle(client);
        assert.equal(queue.problem(), undefined);
      },
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
