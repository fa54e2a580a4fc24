import assert from "node:assert/strict";
import { History, WINDOW_S } from "../../../lib/admin/page/history.ts";

Deno.test("History keeps the window, with gaps where there are no values", () => {
  const history = new History(2);
  for (let time = 0; time <= WINDOW_S + 10; time++) history.add(time, [time, null]);
  assert.equal(history.times.length, WINDOW_S + 1);
  assert.equal(history.times[0], 10);
  assert.equal(history.columns[0]![0], 10);
  assert.ok(history.columns[1]!.every((value) => value === null));
});

Deno.test("History.precede() puts older values in front, within the window and without overlap", () => {
  const history = new History(1);
  history.add(1000, [1]);
  history.add(1001, [2]);
  history.precede({ times: [690, 990, 1000.5], columns: [[7, 8, 9]] });
  assert.deepEqual(history.times, [990, 1000, 1001]);
  assert.deepEqual(history.columns, [[8, 1, 2]]);
  const empty = new History(1);
  empty.precede({ times: [1, 400], columns: [[5, 6]] });
  assert.deepEqual([empty.times, empty.columns], [[400], [[6]]]);
});

Deno.test("History begins anew if the clock was set back", () => {
  const history = new History(1);
  history.add(1000, [1]);
  history.add(500, [2]);
  assert.deepEqual([history.times, history.columns], [[500], [[2]]]);
});
