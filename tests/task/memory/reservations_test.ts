import assert from "node:assert/strict";
import type { Job } from "../../../lib/task/memory/job.ts";
import { MemoryReservations } from "../../../lib/task/memory/reservations.ts";
import { SAFETY_MARGIN_MS } from "../../../lib/task/queue.ts";

Deno.test("MemoryReservations: the next deadline is known without a look at each job", () => {
  let looks = 0;
  const jobs = Array.from({ length: 1000 }, (_, index) => ({
    due: (index * 7919) % 1009,
    place: -1,
    ttrMs: 10,
    get dueAt() {
      looks++;
      return this.due;
    },
  }));
  const reservations = new MemoryReservations();
  for (const job of jobs) reservations.add(job as unknown as Job);
  const left = jobs.toSorted((a, b) => a.due - b.due);
  for (let round = 0; left.length > 0; round++) {
    looks = 0;
    assert.equal(reservations.marginAt, left[0]!.due - SAFETY_MARGIN_MS);
    const first = left[0]! as unknown as Job;
    if (round % 2 === 0) {
      reservations.remove(first);
      left.shift();
    } else {
      left[0]!.due += 2000;
      reservations.update(first);
      left.sort((a, b) => a.due - b.due);
    }
    assert(looks < 60, `${looks} looks`);
  }
  assert.equal(reservations.marginAt, Infinity);
});
