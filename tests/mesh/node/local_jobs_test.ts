import assert from "node:assert/strict";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import type { JobOutcome } from "../../../lib/mesh/node/control_message.ts";
import { LocalJobs } from "../../../lib/mesh/node/local_jobs.ts";
import { parseAddress } from "../../../lib/net/address.ts";
import { TestLog } from "../../support/log.ts";
import { makeTempDirectory } from "../../support/quartet.ts";
import { within } from "../../support/within.ts";

const WAIT_MS = 60_000;

/** A node whose job waits for a node that calls and never does. */
async function startWaiting() {
  const directory = await makeTempDirectory();
  const end = Promise.withResolvers<JobOutcome>();
  const jobs = new LocalJobs({
    job: {
      node: 1,
      addresses: ["127.0.0.1:1", "127.0.0.1:2"].map(parseAddress),
      directory: directory.path,
      spillDir: directory.path,
      partition: "sample",
      memoryBytes: 64 * 1024 * 1024,
      workers: 1,
      dialTimeoutMs: 600_000,
      stallTimeoutMs: 600_000,
    },
    log: new TestLog().log,
    onProgress: () => {},
    onDoubt: () => {},
    onEnd: (_, outcome) => end.resolve(outcome),
  });
  jobs.start({ key: "k", id: 1, input: "in", output: "out", format: DEFAULT_RECORD_FORMAT });
  const remove = () => directory[Symbol.asyncDispose]();
  return { jobs, end: end.promise, [Symbol.asyncDispose]: remove };
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
