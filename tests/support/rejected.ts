import assert from "node:assert/strict";
import type { Metric } from "../../lib/metrics.ts";

/** The number of rejected connections by reason, from the metrics of a service. */
export function rejectedIn(metrics: readonly Metric[]): Record<string, number> {
  const metric = metrics.find(({ name }) => name === "connections_rejected_total");
  assert.ok(metric?.type === "counter");
  return Object.fromEntries(metric.samples.map(({ labels, value }) => [labels!.reason, value]));
}

/** The number of open connections, from the metrics of a service. */
export function openIn(metrics: readonly Metric[]): number {
  const metric = metrics.find(({ name }) => name === "connections");
  assert.ok(metric?.type === "gauge");
  return metric.samples[0]!.value;
}
