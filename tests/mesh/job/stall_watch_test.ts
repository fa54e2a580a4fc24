import assert from "node:assert/strict";
import { StallWatch } from "../../../lib/mesh/job/stall_watch.ts";
import { within } from "../../support/within.ts";

/** A watch whose timer never fires, so that the test makes the checks. */
function makeWatch() {
  const state = { blockedOn: undefined as string | undefined, turnover: 0 };
  const errors: string[] = [];
  const watch = new StallWatch({
    timeoutMs: 600_000,
    blockedOn: () => state.blockedOn,
    turnover: () => state.turnover,
    onStall: ({ message }) => errors.push(message),
  });
  const check = (times: number) => {
    for (let i = 0; i < times; i++) watch.check();
  };
  return { state, errors, check, [Symbol.dispose]: () => watch[Symbol.dispose]() };
}

Deno.test("StallWatch: a job that is blocked for the timeout fails once, with what it waits for", () => {
  using made = makeWatch();
  const { state, errors, check } = made;
  check(20);
  state.blockedOn = "slots";
  check(5);
  assert.deepEqual(errors, []);
  check(1);
  assert.deepEqual(errors, ["Cannot go on: waited 600 s for slots"]);
  check(20);
  assert.equal(errors.length, 1);
});

Deno.test("StallWatch: anything that moves, and any check without a block, starts the time anew", () => {
  using made = makeWatch();
  const { state, errors, check } = made;
  state.blockedOn = "slots";
  check(5);
  state.turnover++;
  check(6);
  state.blockedOn = undefined;
  check(1);
  state.blockedOn = "slots";
  check(5);
  assert.deepEqual(errors, []);
  check(1);
  assert.equal(errors.length, 1);
});

Deno.test("StallWatch: the timer makes the checks", async () => {
  const { promise, resolve } = Promise.withResolvers<Error>();
  using _watch = new StallWatch({
    timeoutMs: 30,
    blockedOn: () => "slots",
    turnover: () => 0,
    onStall: resolve,
  });
  assert.match((await within(60_000, "the error", promise)).message, /waited 0.03 s for slots/);
});
