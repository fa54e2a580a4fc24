import assert from "node:assert/strict";
import type { DaemonJson, MetricsJson } from "../../../lib/admin/page/daemon_json.ts";
import { Interval } from "../../../lib/admin/page/interval.ts";
import {
  formatAge,
  formatBytes,
  formatCount,
  formatLatency,
} from "../../../lib/admin/page/format.ts";
import { History, WINDOW_S } from "../../../lib/admin/page/history.ts";
import { parseLogLine } from "../../../lib/admin/page/log_line.ts";
import { createLog, type LogFormat } from "../../../lib/log.ts";

function daemonAt(nowMs: number, metrics: MetricsJson): DaemonJson {
  return {
    nowMs,
    startedMs: 0,
    version: "1",
    state: "ready",
    reasons: [],
    lastReload: { successful: true, successMs: 0 },
    readOnly: null,
    hasSession: false,
    services: [],
    metrics,
    log: { lines: [], position: 0 },
  };
}

Deno.test("Interval.rate(): sums what grew a second, and says nothing of a counter that fell", () => {
  const figures = (a: number, b: number): MetricsJson => ({
    c: [{ labels: { s: "a" }, value: a }, { labels: { s: "b" }, value: b }],
  });
  const interval = new Interval(daemonAt(1000, figures(10, 5)), daemonAt(3000, figures(30, 4)));
  assert.equal(interval.rate("c", { s: "a" }), 10);
  assert.equal(interval.rate("c", { s: "b" }), null);
  assert.equal(interval.rate("c"), 9.5);
  assert.equal(interval.rate("none"), null);
});

Deno.test("Interval.quantile(): goes by the observations of the time between", () => {
  const figures = (counts: number[]): MetricsJson => ({
    h: [{ labels: {}, value: 0, sum: 0, bounds: [1, 2, 4], counts }],
  });
  const of = (before: number[], after: number[]) =>
    new Interval(daemonAt(0, figures(before)), daemonAt(1000, figures(after)));
  assert.equal(of([9, 0, 0, 0], [9, 10, 0, 0]).quantile("h", 0.5), 1.5);
  assert.equal(of([0, 0, 0, 0], [0, 0, 4, 0]).quantile("h", 1), 4);
  assert.equal(of([0, 0, 0, 0], [0, 0, 0, 3]).quantile("h", 0.99), 4);
  assert.equal(of([1, 1, 1, 1], [1, 1, 1, 1]).quantile("h", 0.5), null);
});

Deno.test("History: keeps the window, with gaps where there was nothing", () => {
  const history = new History(2);
  for (let time = 0; time <= WINDOW_S + 10; time++) history.add(time, [time, null]);
  assert.equal(history.times.length, WINDOW_S + 1);
  assert.equal(history.times[0], 10);
  assert.equal(history.columns[0]![0], 10);
  assert.ok(history.columns[1]!.every((value) => value === null));
});

Deno.test("numbers are written short", () => {
  assert.deepEqual(
    [0, 7, 99.96, 999, 999.7, 12_345, 2_000_000].map(formatCount),
    ["0", "7", "100", "999", "1.00 k", "12.3 k", "2.00 M"],
  );
  assert.deepEqual([0, 1023, 1536, 5 * 1024 ** 3].map(formatBytes), [
    "0 B",
    "1023 B",
    "1.50 KiB",
    "5.00 GiB",
  ]);
  assert.deepEqual([0, 0.000_085, 0.012, 3.5].map(formatLatency), [
    "0 ms",
    "85.0 µs",
    "12.0 ms",
    "3.50 s",
  ]);
  assert.deepEqual([5, 65, 3700, 90_000].map(formatAge), ["5 s", "1 min", "1 h 1 min", "1 d 1 h"]);
});

Deno.test("parseLogLine(): reads what the log writes, in both formats", () => {
  for (const format of ["text", "json"] satisfies LogFormat[]) {
    let line = "";
    const sink = (bytes: Uint8Array) => line = new TextDecoder().decode(bytes).trimEnd();
    const log = createLog("kv", { level: "debug", format, sink });
    log.warn('A "strange" thing', { client: 7, text: "two words" });
    const { timeMs, level, part, message, rest } = parseLogLine(line);
    assert.ok(Math.abs(timeMs! - Date.now()) < 60_000, line);
    assert.deepEqual([level, part, message], ["warn", "kv", 'A "strange" thing']);
    assert.equal(rest, "client=7 text=two words");
  }
  assert.equal(parseLogLine("no format at all").message, "no format at all");
});
