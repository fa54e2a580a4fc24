import assert from "node:assert/strict";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import { type JobEntry, JobLog } from "../../../lib/mesh/node/job_log.ts";
import { TestLog } from "../../support/log.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";

function entry(id: number, more: Partial<JobEntry> = {}): JobEntry {
  const files = { input: "in", output: "out", format: DEFAULT_RECORD_FORMAT };
  return { id, ...files, state: "waiting", result: "", submittedMs: 1, starts: 0, ...more };
}

async function makeLog() {
  const directory = await makeTempDirectory();
  const path = `${directory.path}/jobs.log`;
  const log = new TestLog();
  const open = () => JobLog.open(path, log.log);
  const lines = () => Deno.readTextFileSync(path).trimEnd().split("\n").length;
  return Object.assign(directory, { file: path, log, open, lines });
}

Deno.test("JobLog: the last state of each job is there after a restart", async () => {
  await using at = await makeLog();
  const { jobs, entries } = await at.open();
  assert.deepEqual(entries, []);
  const ended = entry(1, { state: "done", startedMs: 2, endedMs: 3, key: "k-1", starts: 1 });
  await Promise.all([jobs.write(entry(2)), jobs.write(entry(1)), jobs.write(ended)]);
  assert.deepEqual((await at.open()).entries, [ended, entry(2)]);
});

Deno.test("JobLog: a line that a kill has cut off is ignored, a damaged one is reported", async () => {
  await using at = await makeLog();
  const whole = JSON.stringify(entry(1));
  for (const cut of [1, whole.length - 1]) {
    await Deno.writeTextFile(at.file, `${whole}\n${JSON.stringify(entry(2)).slice(0, cut)}`);
    const { jobs, entries } = await at.open();
    assert.deepEqual(entries, [entry(1)]);
    await jobs.write(entry(3));
    assert.deepEqual((await at.open()).entries, [entry(1), entry(3)]);
  }
  assert.deepEqual(at.log.matching("damaged"), []);
  await Deno.writeTextFile(at.file, `{"id":-1}\n${whole}\n`);
  assert.deepEqual((await at.open()).entries, [entry(1)]);
  assert.equal(at.log.matching("Ignored a damaged job").length, 1);
});

Deno.test("JobLog: the file does not grow with the number of changes", async () => {
  await using at = await makeLog();
  const { jobs } = await at.open();
  await Promise.all(Array.from({ length: 299 }, (_, i) => {
    jobs.drop(i - 2);
    return jobs.write(entry(i));
  }));
  await jobs.write(entry(299));
  assert.ok(at.lines() < 250, `${at.lines()} lines`);
  assert.deepEqual((await at.open()).entries.slice(-2), [entry(298), entry(299)]);
});

Deno.test("JobLog: a write that fails is repeated by the next one", async () => {
  await using at = await makeLog();
  const { jobs } = await at.open();
  await jobs.write(entry(1));
  await Deno.remove(at.file);
  await Deno.mkdir(at.file);
  await assert.rejects(jobs.write(entry(1, { state: "running", starts: 1 })));
  await assert.rejects(jobs.write(entry(2)));
  jobs.drop(2);
  await Deno.remove(at.file);
  await jobs.write(entry(3));
  const { entries } = await at.open();
  assert.deepEqual(entries, [entry(1, { state: "running", starts: 1 }), entry(3)]);
});
