/**
 * The part of the queue's suite about the progress of jobs.
 *
 * @module
 */

import assert from "node:assert/strict";
import { valueText } from "../../lib/storage/value.ts";
import { MAX_PROGRESS_BYTES, type Outcome, type QueueClient } from "../../lib/task/queue.ts";
import { put, type QueueScenario, reserve, soon, spec } from "./suite_support.ts";
import { DEADLINE_MS } from "./support.ts";

/** Waits for an outcome or progress; returns its state and body. */
async function news(client: QueueClient, id: number, timeoutMs = DEADLINE_MS): Promise<string> {
  return textOf(await soon(client.wait(id, timeoutMs, { progress: true })));
}

function textOf(outcome: Outcome | "TIMED_OUT" | null): string {
  if (outcome === null || typeof outcome === "string") return String(outcome);
  return `${outcome.state} ${valueText(outcome.body)}`;
}

/** The tests of this part. */
export function progressScenarios(): QueueScenario[] {
  const scenarios: QueueScenario[] = [];

  function test(name: string, run: QueueScenario["run"]): void {
    scenarios.push({ name, run, options: {} });
  }

  test("only its worker reports the progress of a job, which is forgotten with its next run", async (queue) => {
    const client = queue.connect(), worker = queue.connect();
    const id = await put(client, spec("x"));
    const shown = async () => (await client.statsJob(id))!.progress;
    assert.equal(await worker.touch(id, "early"), false);
    await reserve(worker);
    assert.equal(await client.touch(id, "not mine"), false);
    assert.equal(textOf(await client.result(id)), "reserved ");
    assert.equal(await worker.touch(id, "half \xff"), true);
    assert.equal(await shown(), "half \xff");
    assert.equal(textOf(await client.result(id)), "reserved half \xff");
    const page = { tube: "default", state: "reserved", from: 0, count: 9 } as const;
    assert.equal((await client.listJobs(page))![0]!.progress, "half \xff");
    assert.equal(await worker.touch(id), true);
    assert.equal(await shown(), "half \xff", "a touch leaves it as it is");
    assert.equal(await worker.touch(id, "y".repeat(MAX_PROGRESS_BYTES + 1)), true);
    assert.equal((await shown()).length, MAX_PROGRESS_BYTES);
    await worker.bury(id, 1);
    assert.equal((await shown()).length, MAX_PROGRESS_BYTES, "it says where the run ended");
    assert.equal(textOf(await client.result(id)), "buried buried by its worker");
    await client.kickJob(id);
    await reserve(worker);
    assert.equal(await shown(), "");
    await worker.touch(id, "again");
    await worker.release(id, 1, 0);
    await worker.reserveJob(id);
    assert.equal(await shown(), "");
    assert.equal(await worker.touch(id, ""), true);
    client.close();
    worker.close();
  });

  test("progress ends a wait that asks for it, once for each client", async (queue) => {
    const client = queue.connect(), other = queue.connect(), worker = queue.connect();
    const id = await put(client, spec("x"));
    await reserve(worker);
    assert.equal(await news(client, id, 0), "TIMED_OUT");
    let pending = news(client, id);
    await worker.touch(id, "1 of 2");
    assert.equal(await pending, "reserved 1 of 2");
    assert.equal(await news(client, id, 0), "TIMED_OUT", "the client was told");
    assert.equal(await news(other, id, 0), "reserved 1 of 2", "the other one was not");
    await worker.touch(id, "1 of 2");
    assert.equal(await news(client, id, 0), "TIMED_OUT", "the same again is no news");
    await worker.touch(id, "2 of 2");
    assert.equal(textOf(await client.wait(id, 0)), "TIMED_OUT", "it did not ask for progress");
    assert.equal(await news(client, id, 0), "reserved 2 of 2");

    await worker.release(id, 1, 0);
    await reserve(worker);
    await worker.touch(id, "2 of 2");
    assert.equal(textOf(await other.result(id)), "reserved 2 of 2");
    assert.equal(await news(other, id, 0), "TIMED_OUT", "its result was told");
    assert.equal(await news(client, id, 0), "reserved 2 of 2", "it is another run");
    const plain = other.wait(id, DEADLINE_MS);
    pending = news(client, id);
    await worker.touch(id, "");
    await worker.touch(id, "more");
    assert.equal(await pending, "reserved more");
    await worker.done(id, "result");
    assert.equal(textOf(await soon(plain)), "done result", "it did not ask for progress");
    assert.equal(await news(client, id), "done result");
    for (const each of [client, other, worker]) each.close();
  });

  return scenarios;
}
