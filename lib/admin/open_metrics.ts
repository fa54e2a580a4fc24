/**
 * The text formats of metrics: OpenMetrics 1.0 (github.com/prometheus/OpenMetrics), and the older
 * format 0.0.4 of Prometheus (prometheus.io/docs/instrumenting/exposition_formats).
 *
 * @module
 */

import type { Histogram, Metric } from "../metrics.ts";

/** The media types of the formats, without the character set. */
export const METRICS_TYPES = {
  openMetrics: "application/openmetrics-text; version=1.0.0",
  text: "text/plain; version=0.0.4",
} as const;

/** A text format of metrics. */
export type MetricsFormat = keyof typeof METRICS_TYPES;

/**
 * The format that a client prefers; OpenMetrics if it does not say.
 *
 * @param accept The header Accept of the request (RFC 9110, section 12.5.1), if there is one.
 */
export function preferredFormat(accept: string = ""): MetricsFormat {
  const quality = { openMetrics: 0, text: 0 };
  for (const range of accept.split(",")) {
    const [type, ...parameters] = range.toLowerCase().split(";").map((part) => part.trim());
    const q = parameters.find((parameter) => parameter.startsWith("q="));
    const weight = q === undefined ? 1 : Number(q.slice(2)) || 0;
    if (type === "application/openmetrics-text") {
      quality.openMetrics = Math.max(quality.openMetrics, weight);
    } else if (type === "text/plain") quality.text = Math.max(quality.text, weight);
  }
  return quality.text > quality.openMetrics ? "text" : "openMetrics";
}

/**
 * Formats metrics. Metrics with the same name form one family, which takes its help text from the
 * first of them.
 *
 * @param metrics Metrics under their full names, prefix included.
 * @throws {TypeError} If metrics with the same name differ in type.
 */
export function formatMetrics(
  metrics: readonly Metric[],
  format: MetricsFormat = "openMetrics",
): string {
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
    // The older format knows no family of a counter, only its samples.
    const head = format === "text" && type === "counter" ? `${name}_total` : name;
    const words = format === "text" ? escapeHelp(help) : escape(help);
    text += `# TYPE ${head} ${type}\n# HELP ${head} ${words}\n${lines.join("")}`;
  }
  return format === "text" ? text : `${text}# EOF\n`;
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

/** Escapes a help text for the older format, in which quotes stay as they are. */
function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
