/// <reference lib="dom" />
import { Chart, type ChartOptions } from "./chart.ts";
import type { Interval, Labels } from "./interval.ts";
import { formatBytes, formatCount, formatLatency } from "./format.ts";

const perSecond = (value: number) => `${formatCount(value)}/s`;
const bytesPerSecond = (value: number) => `${formatBytes(value)}/s`;
const percent = (value: number) => `${formatCount(value)} %`;

const SERVICES = ["echo", "kv", "task", "mesh"] as const;
const serviceSeries = SERVICES.map((name) => ({ label: name, color: name }));

/** The histograms of response times, one line of a chart each. */
const LATENCIES: readonly { label: string; color: string; metric: string; labels?: Labels }[] = [
  { label: "echo", color: "echo", metric: "quartet_echo_message_duration_seconds" },
  ...(["kv", "task"] as const).map((service) => ({
    label: service,
    color: service,
    metric: "quartet_command_duration_seconds",
    labels: { service },
  })),
  {
    label: "push workers",
    color: "task-soft",
    metric: "quartet_task_push_answer_seconds",
    labels: { to: "job" },
  },
  ...([["shuffle", "mesh-soft"], ["sort", "mesh"]] as const).map(([phase, color]) => ({
    label: `mesh ${phase}`,
    color,
    metric: "quartet_mesh_phase_duration_seconds",
    labels: { phase },
  })),
];
const latencySeries = LATENCIES.map(({ label, color }) => ({ label, color }));

function latencies(interval: Interval, share: number): (number | null)[] {
  return LATENCIES.map(({ metric, labels }) => interval.quantile(metric, share, labels));
}

/** The charts, and how each reads its values. */
const CHARTS: readonly (ChartOptions & { read: (interval: Interval) => (number | null)[] })[] = [
  {
    title: "Lines and commands",
    format: perSecond,
    series: serviceSeries.slice(0, 3),
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
    series: latencySeries,
    read: (interval) => latencies(interval, 0.5),
  },
  {
    title: "Response time (99th percentile)",
    format: formatLatency,
    scale: "log",
    series: latencySeries,
    read: (interval) => latencies(interval, 0.99),
  },
  {
    title: "Commits and event loop (99th percentile)",
    format: formatLatency,
    scale: "log",
    series: [
      { label: "kv commits", color: "kv" },
      { label: "task commits", color: "task" },
      { label: "event loop", color: "neutral" },
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
      { label: "delivered", color: "echo" },
      { label: "dropped", color: "bad" },
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
    series: serviceSeries,
    read: (interval) =>
      SERVICES.map((service) => interval.gauge("quartet_connections", { service })),
  },
  {
    title: "Traffic",
    format: bytesPerSecond,
    scale: "binary",
    series: [
      { label: "received", color: "mesh" },
      { label: "sent", color: "task" },
    ],
    read: (interval) => [
      interval.rate("quartet_received_bytes_total"),
      interval.rate("quartet_sent_bytes_total"),
    ],
  },
  {
    title: "CPU",
    format: percent,
    series: [{ label: "of one core", color: "neutral" }],
    read: (interval) => {
      const share = interval.rate("process_cpu_seconds_total");
      return [share === null ? null : share * 100];
    },
  },
  {
    title: "Memory",
    format: formatBytes,
    scale: "binary",
    series: [
      { label: "process", color: "neutral" },
      { label: "JavaScript heap", color: "mesh" },
    ],
    read: (interval) => [
      interval.gauge("process_resident_memory_bytes"),
      interval.gauge("quartet_heap_bytes", { kind: "used" }),
    ],
  },
];

/** The charts section of the page. */
export class ChartsView {
  readonly #charts = CHARTS.map((options) => new Chart(options));

  constructor(root: HTMLElement) {
    root.append(...this.#charts.map((chart) => chart.root));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const chart of this.#charts) chart.redraw();
    });
  }

  /** Adds the values of an interval that ends at `timeMs` (Unix time). */
  add(timeMs: number, interval: Interval): void {
    for (const [i, chart] of this.#charts.entries()) {
      chart.add(timeMs / 1000, CHARTS[i]!.read(interval));
    }
  }

  /** Leaves a gap at `timeMs` (Unix time), when the daemon did not answer. */
  addGap(timeMs: number): void {
    for (const [i, chart] of this.#charts.entries()) {
      chart.add(timeMs / 1000, CHARTS[i]!.series.map(() => null));
    }
  }
}
