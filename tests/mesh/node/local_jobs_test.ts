import assert from "node:assert/strict";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import type { JobOrder, JobOutcome } from "../../../lib/mesh/node/control_message.ts";
import { LocalJobs } from "../../../lib/mesh/node/local_jobs.ts";
import { parseAddress } from "../../../lib/net/address.ts";
import { TestLog } from "../../support/log.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";
import { until, within } from "../../support/within.ts";

const WAIT_MS = 60_000;

function order(key: string): JobOrder {
  return { key, id: 1, input: "in", output: "out", format: DEFAULT_RECORD_FORMAT };
}

/** A node whose job waits for a node that calls and never does. */
async function startWaiting() {
  const directory = await makeTempDirectory();
  const end = Promise.withResolvers<JobOutcome>();
  const ends: [string, string | undefined][] = [];
  const jobs = new LocalJobs({
    node: 1,
    job: () => ({
      node: 1,
      addresses: ["127.0.0.1:1", "127.0.0.1:2"].map(parseAddress),
      directory: directory.path,
      spillDir: directory.path,
      partition: "sample",
      memoryBytes: 64 * 1024 * 1024,
      workers: 1,
      dialTimeoutMs: 600_000,
      stallTimeoutMs: 600_000,
    }),
    log: new TestLog().log,
    onProgress: () => {},
    onDoubt: () => {},
    onEnd: (key, outcome) => {
      ends.push([key, outcome.failure]);
      end.resolve(outcome);
    },
  });
  jobs.start(order("k"));
  const remove = () => directory[Symbol.asyncDispose]();
  return { jobs, end: end.promise, ends, [Symbol.asyncDispose]: remove };
}

Deno.test("LocalJobs.stop() fails the job for the reason that it is given, and no other job", async () => {
  await using at = await startWaiting();
  at.jobs.stop("other", "wrong");
  at.jobs.stop("k", "node 7: its disk is full");
  const outcome = await within(WAIT_MS, "the end", at.end);
  assert.deepEqual(outcome, { records: 0, failure: "node 7: its disk is full" });
});

Deno.test("LocalJobs.drain() says at the deadline that this node has been stopped", async () => {
  await using at = await startWaiting();
  await within(WAIT_MS, "the drain", at.jobs.drain(AbortSignal.abort()));
  const outcome = await within(WAIT_MS, "the end", at.end);
  assert.deepEqual(outcome, { records: 0, failure: "node 1 has been stopped" });
});

Deno.test("LocalJobs.start() ends the job before, which node 0 has given up", async () => {
  await using at = await startWaiting();
  at.jobs.start(order("stopped"));
  at.jobs.stop("stopped", "Cancelled");
  at.jobs.start(order("skipped"));
  at.jobs.start(order("last"));
  assert.ok(at.jobs.isRunning("k"));
  await within(WAIT_MS, "the end", at.end);
  await until("the last one runs", () => at.jobs.isRunning("last"));
  const next = "node 0 has started another job";
  const ended = [["stopped", "Cancelled"], ["skipped", next], ["k", next]];
  assert.deepEqual(at.ends, ended);
  at.jobs.start(order("late"));
  await within(WAIT_MS, "the drain", at.jobs.drain(AbortSignal.abort()));
  assert.equal(at.jobs.isRunning("late"), false);
  const rest = [["late", "node 1 is draining"], ["last", next]];
  assert.deepEqual(at.ends.slice(3).sort(), rest.sort());
});
