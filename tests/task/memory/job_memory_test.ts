import assert from "node:assert/strict";
import fc from "fast-check";
import { COUNT, JobMemory, TIME } from "../../../lib/task/memory/job_memory.ts";
import { valueBytes } from "../../../lib/storage/value.ts";

const COUNTS = Object.values(COUNT);

Deno.test("JobMemory: keeps bodies and numbers apart, whatever jobs come and go", () => {
  const job = fc.record({
    body: fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom(1023, 1024, 1025, 32_728, 32_729, 65_535).map((length) =>
        new Uint8Array(length).fill(length % 251)
      ),
    ),
    times: fc.tuple(fc.double(), fc.double(), fc.double(), fc.double()),
    counts: fc.array(fc.nat(), { minLength: 7, maxLength: 7 }),
    asRange: fc.boolean(),
    remove: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(job, { maxLength: 40 }), (jobs) => {
      const memory = new JobMemory();
      const kept: { address: number; job: typeof jobs[number] }[] = [];
      for (const job of jobs) {
        const address = job.asRange
          ? memory.addRange(Uint8Array.of(1, ...job.body, 2), 1, job.body.length + 1)
          : memory.add(job.body);
        for (const index of Object.values(TIME)) memory.setTime(address, index, job.times[index]!);
        for (const [at, count] of COUNTS.entries()) {
          memory.setCount(address, count, job.counts[at]!);
        }
        kept.push({ address, job });
        if (job.remove % 3 === 0) {
          const [removed] = kept.splice(job.remove % kept.length, 1);
          memory.free(removed!.address);
        }
      }
      assert.equal(memory.jobs, kept.length);
      for (const { address, job } of kept) {
        assert.equal(memory.bodyLength(address), job.body.length);
        assert.deepEqual(valueBytes(memory.body(address)), job.body);
        for (const index of Object.values(TIME)) {
          assert.equal(memory.time(address, index), job.times[index]);
        }
        for (const [at, count] of COUNTS.entries()) {
          assert.equal(memory.count(address, count), job.counts[at]);
        }
      }
    }),
    { numRuns: 50 },
  );
});

Deno.test("JobMemory.addAll() adds all jobs or none", () => {
  const memory = new JobMemory({ maxSlabs: 1 });
  const jobs = (count: number) => Array.from({ length: count }, () => ({ body: "x".repeat(200) }));
  let taken = 0;
  while (memory.addAll(jobs(1)) !== null) taken++;
  assert(taken > 2);
  assert.equal(memory.jobs, taken);
  const again = new JobMemory({ maxSlabs: 1 });
  assert.equal(again.addAll(jobs(taken + 1)), null);
  assert.equal(again.jobs, 0);
  assert.equal(again.addAll(jobs(taken))!.length, taken);
});

Deno.test("JobMemory: all numbers of a new job are 0, in whatever memory it is", () => {
  const memory = new JobMemory();
  const first = memory.add("x");
  for (const index of Object.values(TIME)) memory.setTime(first, index, 1e12);
  for (const count of COUNTS) memory.setCount(first, count, 7);
  memory.free(first);
  const second = memory.add("y");
  for (const index of Object.values(TIME)) assert.equal(memory.time(second, index), 0);
  for (const count of COUNTS) assert.equal(memory.count(second, count), 0);
});
