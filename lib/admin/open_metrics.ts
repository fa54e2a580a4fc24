/**
 * The OpenMetrics text format 1.0 (github.com/prometheus/OpenMetrics), which Prometheus and
 * compatible systems read.
 *
 * @module
 */

import type { Histogram, Metric } from "../metrics.ts";

/** The media type of the format, without the character set. */
export const OPEN_METRICS_TYPE = "application/openmetrics-text; version=1.0.0";

/**
 * Formats metrics. Metrics with the same name form one family, which takes its help text from the
 * first of them.
 *
 * @param metrics Metrics under their full names, prefix included.
 * @throws {TypeError} If metrics with the same name differ in type.
 */
export function formatOpenMetrics(metrics: readonly Metric[]): string {
  const families = new Map<string, { type: string; help: string; lines: string[] }>();
  for (const metric of metrics) {
    const name = metric.type === "counter" ? metric.name.replace(/_total$/, "") : metric.name;
    const family = families.get(name) ?? { type: metric.type, help: metric.help, lines: [] };
    families.set(name, family);
    if (family.type !== metric.type) {
      throw new TypeError(`Cannot write "${name}" as a ${metric.type}: it is a ${family.type}`);
    }
    family.lines.push(...sampleLines(name, metric));
  }
  let text = "";
  for (const [name, { type, help, lines }] of families) {
    text += `# TYPE ${name} ${type}\n# HELP ${name} ${escape(help)}\n${lines.join("")}`;
  }
  return `${text}# EOF\n`;
}

function sampleLines(name: string, metric: Metric): string[] {
  if (metric.type === "histogram") {
    return metric.samples.flatMap(({ labels, histogram }) =>
      histogramLines(name, labels, histogram)
    );
  }
  const suffix = metric.type === "counter" ? "_total" : "";
  return metric.samples.map(({ labels, value }) => sampleLine(name + suffix, labels, value));
}

function histogramLines(
  name: string,
  labels: Record<string, string> | undefined,
  { bounds, counts, sum, count }: Histogram,
): string[] {
  const lines: string[] = [];
  let cumulated = 0;
  for (const [i, bucket] of counts.entries()) {
    cumulated += bucket;
    const le = formatNumber(bounds[i] ?? Infinity, { decimal: true });
    lines.push(sampleLine(`${name}_bucket`, { ...labels, le }, cumulated));
  }
  lines.push(sampleLine(`${name}_count`, labels, count), sampleLine(`${name}_sum`, labels, sum));
  return lines;
}

function sampleLine(name: string, labels: Record<string, string> = {}, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escape(text)}"`);
  const set = pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
  return `${name}${set} ${formatNumber(value)}\n`;
}

/**
 * Formats a number as Go does, which OpenMetrics calls the canonical form of a bucket's bound.
 *
 * @param options `decimal`: append ".0" to whole numbers, as bounds require.
 */
function formatNumber(value: number, options: { decimal?: boolean } = {}): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  if (value !== 0 && Math.abs(value) < 1e-4) {
    const [digits, exponent] = value.toExponential().split("e-");
    return `${digits}e-${exponent!.padStart(2, "0")}`;
  }
  const text = String(value);
  return options.decimal && Number.isInteger(value) && !text.includes("e") ? `${text}.0` : text;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
