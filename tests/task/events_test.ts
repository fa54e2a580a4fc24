import assert from "node:assert/strict";
import { Bus } from "../../lib/bus/bus.ts";
import { announceOn, subjectOf } from "../../lib/task/events.ts";
import type { JobReport } from "../../lib/task/reports.ts";

const REPORT: JobReport = { kind: "buried", tube: "mail", id: 7, reason: 'caf\xc3\xa9 "x"\xff' };

/** What is published on a bus below `task`. */
function listen(bus: Bus): string[] {
  const heard: string[] = [];
  bus.observe("task.>", ({ subject, payloads: { bytes, starts, ends } }) => {
    heard.push(`${subject} ${new TextDecoder().decode(bytes.subarray(starts[0], ends[0]))}`);
  });
  return heard;
}

Deno.test("announceOn(): a report becomes a message in JSON, with the reason as text", () => {
  const bus = new Bus();
  const heard = listen(bus);
  announceOn(bus)(REPORT, undefined);
  assert.deepEqual(heard, [
    'task.mail.buried {"id":7,"tube":"mail","reason":"café \\"x\\"\ufffd"}',
  ]);
});

Deno.test("announceOn(): a report waits until it is durable, and is dropped if that fails", async () => {
  const bus = new Bus();
  const heard = listen(bus);
  const report = announceOn(bus);
  const written = Promise.withResolvers<void>(), failed = Promise.withResolvers<void>();
  report(REPORT, failed.promise);
  report({ ...REPORT, reason: "" }, written.promise);
  failed.reject(new Error("the disk is full"));
  assert.deepEqual(heard, []);
  written.resolve();
  await written.promise;
  assert.deepEqual(heard, ['task.mail.buried {"id":7,"tube":"mail","reason":""}']);
});

Deno.test("subjectOf(): any name of a tube is one token", () => {
  assert.equal(subjectOf({ tube: "a.b/c+d;$_()-1", kind: "put" }), "task.a%2Eb/c+d;$_()-1.put");
  assert.equal(subjectOf({ tube: ".", kind: "done" }), "task.%2E.done");
});
