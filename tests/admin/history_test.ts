import assert from "node:assert/strict";
import { HISTORY_MAX_ROWS, HistoryRing } from "../../lib/admin/history_ring.ts";
import { CHARTS, ROW_VALUES } from "../../lib/admin/page/chart_series.ts";
import type { HistoryJson } from "../../lib/admin/page/daemon_json.ts";
import { Recorder } from "../../lib/admin/recorder.ts";
import type { Metric } from "../../lib/metrics.ts";
import { TestLog } from "../support/log.ts";
import { until } from "../support/within.ts";
import { FakeDaemon, startAdmin } from "./support.ts";

/** A row whose first value counts. */
function row(value: number | null): (number | null)[] {
  return [value, ...Array.from({ length: ROW_VALUES - 1 }, () => null)];
}

Deno.test("HistoryRing keeps a day and forgets what is older", () => {
  const ring = new HistoryRing();
  for (let i = 0; i < HISTORY_MAX_ROWS + 5; i++) ring.add(10 * i, row(i));
  const { everyS, times, columns } = ring.read(0);
  assert.equal(everyS, 240);
  assert.equal(times.length, 360);
  assert.equal(columns.length, ROW_VALUES);
  // The oldest of the rows that are kept is 5, and the highest of 24 rows is the last.
  assert.deepEqual(columns[0]!.slice(0, 2), [28, 52]);
  assert.deepEqual([times[0], times.at(-1)], [280, 10 * (HISTORY_MAX_ROWS + 4)]);
  assert.ok(columns[1]!.every((value) => value === null));
});

Deno.test("HistoryRing: a short range has every row, and no peak of a long one is lost", () => {
  const ring = new HistoryRing(2000);
  for (let i = 0; i < 1000; i++) {
    ring.add(10 * i, row(i === 777 ? 5.55555 : i % 100 === 0 ? null : 1));
  }
  const short = ring.read(10 * 995);
  assert.deepEqual([short.everyS, short.times], [10, [9960, 9970, 9980, 9990]]);
  const long = ring.read(-1);
  assert.equal(long.everyS, 30);
  assert.equal(long.columns[0]!.filter((value) => value === 5.556).length, 1);
  assert.deepEqual(new HistoryRing(5).read(0).times, []);
});

Deno.test("Recorder reads metrics at intervals, and goes on after a failure", async () => {
  const log = new TestLog();
  let calls = 0;
  const metrics = (): Metric[] => {
    calls++;
    if (calls === 3) throw new Error("a bug");
    return [{
      type: "counter",
      name: "quartet_echo_messages_total",
      help: "",
      samples: [{ value: 10 ** calls }],
    }];
  };
  using recorder = new Recorder({ metrics, log: log.log, everyMs: 5 });
  await until("there are rows after the failure", () => recorder.read(60).times.length >= 3);
  const { times, columns } = recorder.read(60);
  assert.equal(log.matching("Cannot record metrics").length, 1);
  assert.ok(Math.abs(times[0]! - Date.now() / 1000) < 60, `${times[0]}`);
  assert.ok(columns[0]!.every((rate) => rate! > 0));
});

Deno.test("admin answers with the history of a range, to clients that may read", async () => {
  await using server = await startAdmin(new FakeDaemon());
  const get = (range: string) => fetch(`${server.origin}/history?range=${range}`);
  const answer = await get("3600");
  assert.equal(answer.status, 200);
  const history = await answer.json() as HistoryJson;
  assert.deepEqual([history.everyS, history.times, history.columns.length], [10, [], ROW_VALUES]);
  for (const range of ["0", "-5", "86401", "x"]) {
    const refused = await get(range);
    assert.equal(refused.status, 400, range);
    await refused.body?.cancel();
  }
});

Deno.test("every line of a chart can be told apart, and a service has one colour in all", () => {
  for (const { title, series } of CHARTS) {
    const looks = series.map(({ color, style }) => `${color} ${style}`);
    assert.equal(new Set(looks).size, looks.length, title);
    // Without colours, lines that are often equal still differ.
    if (series.length <= 4) {
      assert.equal(new Set(series.map(({ style }) => style)).size, series.length, title);
    }
    for (const { label, color } of series) {
      const service = /^(echo|kv|task|mesh)\b/.exec(label)?.[1];
      if (service !== undefined) assert.equal(color, service, `${title}: ${label}`);
    }
  }
});
