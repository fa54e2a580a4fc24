import assert from "node:assert/strict";
import type { DaemonJson, MetricsJson } from "../../../lib/admin/page/daemon_json.ts";
import { Interval } from "../../../lib/admin/page/interval.ts";

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

Deno.test("Interval.rate() sums the growth per second, and is null for a counter that fell", () => {
  const counters = (a: number, b: number): MetricsJson => ({
    c: [{ labels: { s: "a" }, value: a }, { labels: { s: "b" }, value: b }],
  });
  const interval = new Interval(daemonAt(1000, counters(10, 5)), daemonAt(3000, counters(30, 4)));
  assert.equal(interval.rate("c", { s: "a" }), 10);
  assert.equal(interval.rate("c", { s: "b" }), null);
  assert.equal(interval.rate("c"), 9.5);
  assert.equal(interval.rate("none"), null);
});

Deno.test("Interval.quantile() considers only the observations of the interval", () => {
  const histogram = (counts: number[]): MetricsJson => ({
    h: [{ labels: {}, value: 0, sum: 0, bounds: [1, 2, 4], counts }],
  });
  const between = (before: number[], after: number[]) =>
    new Interval(daemonAt(0, histogram(before)), daemonAt(1000, histogram(after)));
  assert.equal(between([9, 0, 0, 0], [9, 10, 0, 0]).quantile("h", 0.5), 1.5);
  assert.equal(between([0, 0, 0, 0], [0, 0, 4, 0]).quantile("h", 1), 4);
  assert.equal(between([0, 0, 0, 0], [0, 0, 0, 3]).quantile("h", 0.99), 4);
  assert.equal(between([1, 1, 1, 1], [1, 1, 1, 1]).quantile("h", 0.5), null);
});
