/**
 * What the charts show, and how each value is read from metrics. The page draws them once a second,
 * and the daemon keeps the same values for the past day.
 *
 * @module
 */

import { formatBytes, formatCount, formatLatency } from "./format.ts";
import type { Interval, Labels } from "./interval.ts";

/** How a line is drawn, beside its colour: lines that lie on each other can be told apart. */
export type LineStyle = "solid" | "dashed" | "dotted" | "dash-dot";

/** One line of a chart. */
export interface SeriesOptions {
  label: string;
  /** Name of the CSS custom property that holds its colour. A service has one in all charts. */
  color: string;
  style: LineStyle;
}

/** What one chart shows. */
export interface ChartOptions {
  title: string;
  series: readonly SeriesOptions[];
  format: (value: number) => string;
  /**
   * Steps of the value axis: "whole" for integers, "binary" for bytes, "log" for times from
   * microseconds to seconds. @default {"decimal"}
   */
  scale?: "decimal" | "whole" | "binary" | "log";
  /** The values at the end of an interval, one for each series; `null` where there is none. */
  read: (interval: Interval) => (number | null)[];
}

const perSecond = (value: number) => `${formatCount(value)}/s`;
const bytesPerSecond = (value: number) => `${formatBytes(value)}/s`;
const percent = (value: number) => `${formatCount(value)} %`;

/** The line of each service, in every chart. */
const ECHO: SeriesOptions = { label: "echo", color: "echo", style: "solid" };
const KV: SeriesOptions = { label: "kv", color: "kv", style: "dashed" };
const TASK: SeriesOptions = { label: "task", color: "task", style: "dash-dot" };
const MESH: SeriesOptions = { label: "mesh", color: "mesh", style: "dotted" };
const PROCESS: SeriesOptions = { label: "process", color: "neutral", style: "solid" };

const SERVICES = [ECHO, KV, TASK, MESH];

/** The histograms of response times, one line of a chart each. */
const LATENCIES: readonly (SeriesOptions & { metric: string; labels?: Labels })[] = [
  { ...ECHO, metric: "quartet_echo_message_duration_seconds" },
  { ...KV, metric: "quartet_command_duration_seconds", labels: { service: "kv" } },
  { ...TASK, metric: "quartet_command_duration_seconds", labels: { service: "task" } },
  {
    ...{ label: "push workers", color: "task", style: "dotted" },
    metric: "quartet_task_push_answer_seconds",
    labels: { to: "job" },
  },
  {
    ...{ label: "mesh shuffle", color: "mesh", style: "dashed" },
    metric: "quartet_mesh_phase_duration_seconds",
    labels: { phase: "shuffle" },
  },
  {
    ...{ label: "mesh sort", color: "mesh", style: "dotted" },
    metric: "quartet_mesh_phase_duration_seconds",
    labels: { phase: "sort" },
  },
];

function latencies(interval: Interval, share: number): (number | null)[] {
  return LATENCIES.map(({ metric, labels }) => interval.quantile(metric, share, labels));
}

/** All charts, in the order of the page. */
export const CHARTS: readonly ChartOptions[] = [
  {
    title: "Lines and commands",
    format: perSecond,
    series: [ECHO, KV, TASK],
    read: (interval) => [
      interval.rate("quartet_echo_messages_total"),
      interval.rate("quartet_commands_total", { service: "kv" }),
      interval.rate("quartet_commands_total", { service: "task" }),
    ],
  },
  {
    title: "Response time (median)",
    format: formatLatency,
    scale: "log",
    series: LATENCIES,
    read: (interval) => latencies(interval, 0.5),
  },
  {
    title: "Response time (99th percentile)",
    format: formatLatency,
    scale: "log",
    series: LATENCIES,
    read: (interval) => latencies(interval, 0.99),
  },
  {
    title: "Commits and event loop (99th percentile)",
    format: formatLatency,
    scale: "log",
    series: [
      { ...KV, label: "kv commits" },
      { ...TASK, label: "task commits" },
      { ...PROCESS, label: "event loop" },
    ],
    read: (interval) => [
      interval.quantile("quartet_kv_commit_seconds", 0.99),
      interval.quantile("quartet_task_commit_seconds", 0.99),
      interval.quantile("quartet_event_loop_delay_seconds", 0.99),
    ],
  },
  {
    title: "Echo: messages to clients",
    format: perSecond,
    series: [
      { ...ECHO, label: "delivered" },
      { label: "dropped", color: "bad", style: "dashed" },
    ],
    read: (interval) => [
      interval.rate("quartet_echo_delivered_messages_total"),
      interval.rate("quartet_echo_dropped_messages_total"),
    ],
  },
  {
    title: "Connections",
    format: formatCount,
    scale: "whole",
    series: SERVICES,
    read: (interval) =>
      SERVICES.map(({ label: service }) => interval.gauge("quartet_connections", { service })),
  },
  {
    title: "Traffic",
    format: bytesPerSecond,
    scale: "binary",
    series: [{ ...PROCESS, label: "received" }, { ...PROCESS, label: "sent", style: "dashed" }],
    read: (interval) => [
      interval.rate("quartet_received_bytes_total"),
      interval.rate("quartet_sent_bytes_total"),
    ],
  },
  {
    title: "CPU",
    format: percent,
    series: [{ ...PROCESS, label: "of one core" }],
    read: (interval) => {
      const share = interval.rate("process_cpu_seconds_total");
      return [share === null ? null : share * 100];
    },
  },
  {
    title: "Memory",
    format: formatBytes,
    scale: "binary",
    series: [PROCESS, { ...PROCESS, label: "JavaScript heap", style: "dashed" }],
    read: (interval) => [
      interval.gauge("process_resident_memory_bytes"),
      interval.gauge("quartet_heap_bytes", { kind: "used" }),
    ],
  },
];

/** The values of all charts in one row. */
export function readAll(interval: Interval): (number | null)[] {
  return CHARTS.flatMap(({ read }) => read(interval));
}

/** How many values a row has. */
export const ROW_VALUES: number = CHARTS.reduce((sum, { series }) => sum + series.length, 0);
