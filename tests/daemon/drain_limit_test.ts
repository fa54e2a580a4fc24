import assert from "node:assert/strict";
import { drainWithin } from "../../lib/daemon/drain_limit.ts";
import { within } from "../support/within.ts";

Deno.test("drainWithin() waits for the drain, and passes on its error", async () => {
  let aborted = false;
  await drainWithin(60_000, (deadline) => {
    aborted = deadline.aborted;
    return Promise.resolve();
  });
  assert.ok(!aborted);
  const error = new Error("a file is gone");
  await assert.rejects(drainWithin(60_000, () => Promise.reject(error)), error);
});

Deno.test("drainWithin() lets a drain close what is left after its deadline", async () => {
  await drainWithin(0, async (deadline) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    deadline.addEventListener("abort", () => resolve());
    await within(60_000, "the deadline", promise);
  }, { closeMaxMs: 60_000 });
});

Deno.test("drainWithin() leaves a drain behind that does not end", async () => {
  const stuck = Promise.withResolvers<void>();
  const left = drainWithin(0, () => stuck.promise, { closeMaxMs: 10 });
  await within(60_000, "the end", assert.rejects(left, /it takes too long/));
  // It may fail later, and nobody waits for it.
  stuck.reject(new Error("the database is gone"));
});
