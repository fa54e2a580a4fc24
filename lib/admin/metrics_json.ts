import type { Metric } from "../metrics.ts";
import type { MetricsJson } from "./page/daemon_json.ts";

/** The samples of metrics by name, as the page reads them. */
export function metricsJson(metrics: readonly Metric[]): MetricsJson {
  const byName: MetricsJson = {};
  for (const metric of metrics) {
    const samples = byName[metric.name] ??= [];
    if (metric.type === "histogram") {
      for (const { labels = {}, histogram } of metric.samples) {
        const { bounds, counts, sum, count } = histogram;
        samples.push({ labels, value: count, sum, bounds: [...bounds], counts: [...counts] });
      }
    } else {
      for (const { labels = {}, value } of metric.samples) samples.push({ labels, value });
    }
  }
  return byName;
}
