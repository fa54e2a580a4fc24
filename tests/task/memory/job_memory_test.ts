import assert from "node:assert/strict";
import fc from "fast-check";
import { JobMemory, TIME } from "../../../lib/task/memory/job_memory.ts";
import { valueBytes } from "../../../lib/storage/value.ts";

Deno.test("JobMemory: keeps bodies and numbers apart, whatever jobs come and go", () => {
  const job = fc.record({
    body: fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom(1023, 1024, 1025, 32_728, 32_729, 65_535).map((length) =>
        new Uint8Array(length).fill(length % 251)
      ),
    ),
    times: fc.tuple(fc.double(), fc.double(), fc.double(), fc.double()),
    reserves: fc.nat(),
    remove: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(job, { maxLength: 40 }), (jobs) => {
      const memory = new JobMemory();
      const kept: { address: number; job: typeof jobs[number] }[] = [];
      for (const job of jobs) {
        const address = memory.add(job.body);
        for (const index of Object.values(TIME)) memory.setTime(address, index, job.times[index]!);
        memory.setReserves(address, job.reserves);
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
        assert.equal(memory.reserves(address), job.reserves);
      }
    }),
    { numRuns: 50 },
  );
});

Deno.test("JobMemory: a new job was never reserved, in whatever memory it is", () => {
  const memory = new JobMemory();
  const first = memory.add("x");
  memory.setReserves(first, 7);
  memory.free(first);
  assert.equal(memory.reserves(memory.add("y")), 0);
});
