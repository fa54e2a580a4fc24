import assert from "node:assert/strict";
import type { Connection } from "../../lib/net/connection.ts";
import { TimeLimit, type TimeLimitOptions } from "../../lib/net/time_limit.ts";
import { until } from "../support/within.ts";

/** A limit over one connection whose state the test sets, and how often it was exceeded. */
function watch(limitMs: number, options: Partial<TimeLimitOptions> = {}) {
  const connection = {} as Connection;
  const watched = { state: 1, over: 0, looks: 0 };
  const limit = new TimeLimit({
    limitMs,
    connections: () => {
      watched.looks++;
      return [connection];
    },
    stateOf: () => watched.state,
    onOver: () => watched.over++,
    ...options,
  });
  return { watched, [Symbol.dispose]: () => limit[Symbol.dispose]() };
}

Deno.test("TimeLimit: reports an unchanged state once, never 0 or a state that changes", async () => {
  using stays = watch(50);
  using none = watch(50);
  none.watched.state = 0;
  using changes = watch(50, { stateOf: () => ++changes.watched.state });
  const startMs = performance.now();
  await until("the limit is over", () => stays.watched.over === 1);
  assert.ok(performance.now() - startMs >= 50);
  const { looks } = stays.watched;
  await until("it has passed again", () => stays.watched.looks > 3 * looks);
  assert.deepEqual([stays.watched.over, none.watched.over, changes.watched.over], [1, 0, 0]);
  stays.watched.state = 2;
  await until("the next state stays as well", () => stays.watched.over === 2);
});

Deno.test("TimeLimit: 0 means no limit, and a year does not end at once", async () => {
  using never = watch(0);
  using year = watch(365 * 86_400_000);
  using short = watch(50);
  await until("the short one is over", () => short.watched.over === 1);
  assert.deepEqual([never.watched.looks, year.watched.looks], [0, 0]);
});
