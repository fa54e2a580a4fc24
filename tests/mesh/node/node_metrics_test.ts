import assert from "node:assert/strict";
import { NodeMetrics } from "../../../lib/mesh/node/node_metrics.ts";
import type { SortSummary } from "../../../lib/mesh/job/sort_job.ts";
import type { HistogramMetric, NumberMetric } from "../../../lib/metrics.ts";

const SUMMARY: SortSummary = {
  node: 0,
  nodes: 2,
  input: { records: 10, bytes: 1000, sum: 1n },
  output: { records: 12, bytes: 1200, sum: 2n },
  seconds: { sample: 0.01, shuffle: 2, sort: 0.3, commit: 10_000 },
  spilledBytes: 0,
  peers: [{ node: 1, sentBytes: 300, receivedBytes: 500 }],
};

Deno.test("NodeMetrics: counts jobs and bytes, and records how long each phase took", () => {
  const counted = new NodeMetrics();
  counted.succeeded(SUMMARY, 0.2);
  counted.succeeded(SUMMARY, 4);
  counted.failed();
  const metrics = new Map(counted.metrics(undefined).map((metric) => [metric.name, metric]));
  const values = (name: string) =>
    (metrics.get(name) as NumberMetric).samples.map(({ value }) => value);
  assert.deepEqual(values("mesh_jobs_total"), [2, 1]);
  assert.deepEqual(values("mesh_bytes_total"), [600, 1000]);
  assert.deepEqual(values("mesh_partition_records"), [12]);
  assert.deepEqual(values("mesh_phase"), [0, 0, 0, 0, 0]);
  const { samples } = metrics.get("mesh_phase_duration_seconds") as HistogramMetric;
  assert.deepEqual(samples.map(({ labels, histogram: { count, sum } }) => [labels, count, sum]), [
    [{ phase: "connect" }, 2, 4.2],
    [{ phase: "sample" }, 2, 0.02],
    [{ phase: "shuffle" }, 2, 4],
    [{ phase: "sort" }, 2, 0.6],
    [{ phase: "commit" }, 2, 20_000],
  ]);
  // Values above the last bound have a bucket of their own.
  assert.equal(samples.at(-1)!.histogram.counts.at(-1), 2);
});

Deno.test("NodeMetrics: shows the phase of the running job", () => {
  const counts = { doneBytes: 3, totalBytes: 7, records: 5, sentBytes: 0, receivedBytes: 0 };
  const metrics = new NodeMetrics().metrics({ node: 0, phase: "sort", ...counts });
  const { samples } = metrics.find(({ name }) => name === "mesh_phase") as NumberMetric;
  assert.deepEqual(samples.filter(({ value }) => value === 1).map(({ labels }) => labels), [
    { phase: "sort" },
  ]);
  const value = (wanted: string) =>
    (
      metrics.find(({ name }) => name === wanted) as NumberMetric
    ).samples[0]!.value;
  assert.deepEqual(
    ["mesh_phase_bytes", "mesh_phase_done_bytes", "mesh_job_records"].map(value),
    [7, 3, 5],
  );
});
