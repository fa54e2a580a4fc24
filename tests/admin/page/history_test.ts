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
