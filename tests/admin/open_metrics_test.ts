import assert from "node:assert/strict";
import parsePrometheus from "parse-prometheus-text-format";
import { formatMetrics, preferredFormat } from "../../lib/admin/open_metrics.ts";
import { Histogram, type Metric } from "../../lib/metrics.ts";

function counter(name: string, labels: Record<string, string>, value: number): Metric {
  return { type: "counter", name, help: `Help of ${name}.`, samples: [{ labels, value }] };
}

Deno.test("formatMetrics() writes families as in the specification", () => {
  const histogram = new Histogram([0.000_05, 0.1, 1]);
  histogram.observe(0.05, 2);
  histogram.observe(5);
  const text = formatMetrics([
    counter("q_bytes_total", { service: "a" }, 5),
    { type: "gauge", name: "q_up", help: "Up.", samples: [{ value: 0.5 }] },
    { type: "histogram", name: "q_seconds", help: "Time.", samples: [{ histogram }] },
    counter("q_bytes_total", { service: "b" }, 1e-7),
  ]);
  assert.equal(
    text,
    `# TYPE q_bytes counter
# HELP q_bytes Help of q_bytes_total.
q_bytes_total{service="a"} 5
q_bytes_total{service="b"} 1e-07
# TYPE q_up gauge
# HELP q_up Up.
q_up 0.5
# TYPE q_seconds histogram
# HELP q_seconds Time.
q_seconds_bucket{le="5e-05"} 0
q_seconds_bucket{le="0.1"} 2
q_seconds_bucket{le="1.0"} 2
q_seconds_bucket{le="+Inf"} 3
q_seconds_count 3
q_seconds_sum 5.1
# EOF
`,
  );
});

Deno.test("formatMetrics() escapes labels so that a parser restores them", () => {
  const tube = 'a"b\\c\nd{},= e';
  const text = formatMetrics([counter("q_jobs_total", { tube, state: "ready" }, 7)]);
  const families: { metrics: unknown[] }[] = parsePrometheus(text.replace("# EOF\n", ""));
  const metrics = families.flatMap((family) => family.metrics);
  assert.deepEqual(metrics, [{ labels: { tube, state: "ready" }, value: "7" }]);
});

Deno.test("formatMetrics() refuses metrics of one name with different types", () => {
  const gauge: Metric = { type: "gauge", name: "q_jobs", help: "Jobs.", samples: [] };
  assert.throws(() => formatMetrics([gauge, counter("q_jobs_total", {}, 1)]), {
    name: "TypeError",
    message: 'Cannot write "q_jobs" as a counter: it is a gauge',
  });
});

Deno.test("formatMetrics() writes the format 0.0.4, with the whole names of counters", () => {
  const gauge: Metric = { type: "gauge", name: "q_up", help: 'Is "up".', samples: [{ value: 1 }] };
  assert.equal(
    formatMetrics([counter("q_bytes_total", {}, 5), gauge], "text"),
    `# TYPE q_bytes_total counter
# HELP q_bytes_total Help of q_bytes_total.
q_bytes_total 5
# TYPE q_up gauge
# HELP q_up Is "up".
q_up 1
`,
  );
});

Deno.test("preferredFormat() follows the header Accept", () => {
  const prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
  for (
    const [accept, format] of [
      [undefined, "openMetrics"],
      ["*/*", "openMetrics"],
      [`${prometheus},*/*;q=0.1`, "openMetrics"],
      ["text/plain", "text"],
      ["text/plain; version=0.0.4", "text"],
      ["application/openmetrics-text;q=0.2, TEXT/plain;q=0.3", "text"],
      ["text/plain;q=0, application/openmetrics-text;q=0", "openMetrics"],
    ] as const
  ) assert.equal(preferredFormat(accept), format, `${accept}`);
});
