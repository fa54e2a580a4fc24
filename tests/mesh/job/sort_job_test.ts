import assert from "node:assert/strict";
import { UndecidedError } from "../../../lib/mesh/job/commit.ts";
import { within } from "../../support/within.ts";
import { linkedJobs } from "../support/in_process.ts";
import { generated, MeshFiles } from "../support/nodes.ts";

const END_MS = 180_000;

Deno.test("SortJob: nobody gives up if node 0 cannot tell whether its decision is on disk", async () => {
  await using files = await MeshFiles.create([generated(10), generated(10, { first: 10 })]);
  const decisions = {
    record: () => Promise.reject(new UndecidedError(new Error("the disk is broken"))),
    finished: () => Promise.resolve(),
  };
  const jobs = linkedJobs(files, 2, { decisions });
  const ends = await within(END_MS, "the end", Promise.allSettled(jobs.map((job) => job.run())));
  assert.match(
    String(ends.map((end) => "reason" in end && end.reason)),
    /the disk is broken.*node 0/,
  );
  assert.deepEqual(jobs.map(({ inDoubt }) => inDoubt), [true, true]);
  assert.equal((await files.leftovers()).length, 4, "two parts and two notes");
});
