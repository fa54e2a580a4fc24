import assert from "node:assert/strict";
import { BUSIEST_MAX_SUBJECTS, BusiestSubjects } from "../../lib/bus/busiest.ts";

Deno.test("BusiestSubjects: counts exactly while there are places", () => {
  const busiest = new BusiestSubjects();
  for (let i = 0; i < BUSIEST_MAX_SUBJECTS; i++) busiest.add(`s${i}`, 1);
  for (let i = 0; i < BUSIEST_MAX_SUBJECTS; i++) busiest.add(`s${i}`, i);
  const counted = new Map([...busiest].map(({ subject, messages }) => [subject, messages]));
  assert.equal(counted.size, BUSIEST_MAX_SUBJECTS - 1, "s0 has only one message");
  assert.equal(counted.get("s99"), 100);
});

Deno.test("BusiestSubjects: busy subjects are found among many that come once", () => {
  const busiest = new BusiestSubjects();
  for (let i = 0; i < 20_000; i++) {
    busiest.add(`_INBOX.${i}`, 1);
    if (i % 10 === 0) busiest.add(`busy.${i / 10 % 5}`, 10);
  }
  const found = [...busiest];
  const busy = found.filter(({ subject }) => subject.startsWith("busy."));
  assert.equal(busy.length, 5);
  for (const { subject, messages } of busy) {
    // 4000 each, less those before the subject kept its place; never more than there were.
    assert.ok(messages > 3500 && messages <= 4000, `${subject}: ${messages}`);
  }
  assert.ok(found.length <= BUSIEST_MAX_SUBJECTS);
  assert.deepEqual(found.filter(({ subject }) => subject.startsWith("_INBOX")), []);
});
