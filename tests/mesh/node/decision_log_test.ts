import assert from "node:assert/strict";
import { UndecidedError } from "../../../lib/mesh/job/commit.ts";
import { DecisionLog } from "../../../lib/mesh/node/decision_log.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";

async function openLog() {
  const directory = await makeTempDirectory();
  const log = await DecisionLog.open(directory.path);
  const names = () => [...Deno.readDirSync(directory.path)].map(({ name }) => name).sort();
  return { ...directory, log, names, job: `${log.id}-1` };
}

Deno.test("DecisionLog: a decision survives a restart, until all have finished and it is released", async () => {
  await using at = await openLog();
  await at.log.record(at.job, [1, 2], 7);
  const log = await DecisionLog.open(at.path);
  assert.equal(log.id, at.log.id);
  assert.equal(log.isCommitted(at.job), true);
  assert.equal(log.recordsOf(at.job), 7);
  await log.finished(at.job, 2);
  assert.deepEqual(log.pending(), [{ job: at.job, members: [1] }]);
  await log.finished(at.job, 1);
  assert.deepEqual(log.pending(), []);
  assert.equal(log.isCommitted(at.job), true, "the end of the job is not in the history");
  await log.release(at.job);
  assert.equal(log.isCommitted(at.job), false);
  assert.deepEqual(at.names(), ["mesh-id"]);
});

Deno.test("DecisionLog: a released decision stays until all members have finished", async () => {
  await using at = await openLog();
  await at.log.record(at.job, [1], 7);
  await at.log.release(at.job);
  assert.equal((await DecisionLog.open(at.path)).isCommitted(at.job), true);
  await at.log.finished(at.job, 1);
  assert.deepEqual(at.names(), ["mesh-id"]);
});

Deno.test("DecisionLog: does not judge the jobs of another log", async () => {
  await using at = await openLog();
  assert.equal(at.log.isCommitted(at.job), false);
  assert.equal(at.log.isCommitted(`${crypto.randomUUID()}-1`), undefined);
});

Deno.test("DecisionLog: a decision that cannot be written does not count", async () => {
  await using at = await openLog();
  // The record is written under this name first.
  await Deno.mkdir(`${at.path}/decision-${at.job}.note.new`);
  await assert.rejects(
    at.log.record(at.job, [1], 7),
    (error) => !(error instanceof UndecidedError),
  );
  assert.equal(at.log.isCommitted(at.job), false);
});

Deno.test("DecisionLog: if a record can be neither completed nor removed, a restart decides", async () => {
  await using at = await openLog();
  const path = `${at.path}/decision-${at.job}.note`;
  // A folder that is not empty can be neither replaced nor removed.
  await Deno.mkdir(`${path}/inner`, { recursive: true });
  await assert.rejects(at.log.record(at.job, [1], 7), UndecidedError);
  assert.equal(at.log.isCommitted(at.job), undefined);
  await Deno.remove(path, { recursive: true });
  assert.equal((await DecisionLog.open(at.path)).isCommitted(at.job), false);
});

Deno.test("DecisionLog: a record that cannot be removed at once is removed later", async () => {
  await using at = await openLog();
  await at.log.record(at.job, [1], 7);
  const path = `${at.path}/decision-${at.job}.note`;
  await Deno.remove(path);
  await Deno.mkdir(`${path}/inner`, { recursive: true });
  await at.log.release(at.job);
  await at.log.finished(at.job, 1);
  await at.log.tidy();
  assert.deepEqual(at.names().length, 2);
  await Deno.remove(`${path}/inner`);
  await at.log.tidy();
  assert.deepEqual(at.names(), ["mesh-id"]);
  assert.equal(at.log.isCommitted(at.job), false);
});

for (const text of ["", "{", '{"members":["x"],"records":1}', '{"members":[1]}', '{"records":1}']) {
  Deno.test(`DecisionLog: a damaged record "${text}" is kept, as its job is committed`, async () => {
    await using at = await openLog();
    await Deno.writeTextFile(`${at.path}/decision-${at.job}.note`, text);
    const log = await DecisionLog.open(at.path);
    await log.release(at.job);
    await log.finished(at.job, 1);
    await log.tidy();
    assert.equal((await DecisionLog.open(at.path)).isCommitted(at.job), true);
  });
}
