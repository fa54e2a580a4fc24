/// <reference lib="dom" />
import { Chart, type ChartOptions } from "./chart.ts";
import type { Interval, Labels } from "./figures.ts";
import { formatBytes, formatCount, formatLatency } from "./format.ts";

const perSecond = (value: number) => `${formatCount(value)}/s`;
const bytesPerSecond = (value: number) => `${formatBytes(value)}/s`;
const percent = (value: number) => `${formatCount(value)} %`;

const SERVICES = ["echo", "kv", "task", "mesh"] as const;
const ofServices = SERVICES.map((name) => ({ label: name, color: name }));

/** The services that answer something, and the distribution of how long that takes. */
const LATENCIES: { label: string; color: string; metric: string; labels?: Labels }[] = [
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
const ofLatencies = LATENCIES.map(({ label, color }) => ({ label, color }));

function latencies(figures: Interval, share: number): (number | null)[] {
  return LATENCIES.map(({ metric, labels }) => figures.quantile(metric, share, labels));
}

/** The charts, and how their values are read from the figures. */
const CHARTS: (ChartOptions & { read: (figures: Interval) => (number | null)[] })[] = [
  {
    title: "Lines and commands",
    format: perSecond,
    series: ofServices.slice(0, 3),
    read: (figures) => [
      figures.rate("quartet_echo_messages_total"),
      figures.rate("quartet_commands_total", { service: "kv" }),
      figures.rate("quartet_commands_total", { service: "task" }),
    ],
  },
  {
    title: "Time to answer (median)",
    format: formatLatency,
    scale: "log",
    series: ofLatencies,
    read: (figures) => latencies(figures, 0.5),
  },
  {
    title: "Time to answer (99th percentile)",
    format: formatLatency,
    scale: "log",
    series: ofLatencies,
    read: (figures) => latencies(figures, 0.99),
  },
  {
    title: "Commits and event loop (99th percentile)",
    format: formatLatency,
    scale: "log",
    series: [
      { label: "commit of kv", color: "kv" },
      { label: "commit of task", color: "task" },
      { label: "event loop", color: "neutral" },
    ],
    read: (figures) => [
      figures.quantile("quartet_kv_commit_seconds", 0.99),
      figures.quantile("quartet_task_commit_seconds", 0.99),
      figures.quantile("quartet_event_loop_delay_seconds", 0.99),
    ],
  },
  {
    title: "Echo: messages to clients",
    format: perSecond,
    series: [
      { label: "delivered", color: "echo" },
      { label: "dropped", color: "bad" },
    ],
    read: (figures) => [
      figures.rate("quartet_echo_delivered_messages_total"),
      figures.rate("quartet_echo_dropped_messages_total"),
    ],
  },
  {
    title: "Connections",
    format: formatCount,
    scale: "whole",
    series: ofServices,
    read: (figures) => SERVICES.map((service) => figures.gauge("quartet_connections", { service })),
  },
  {
    title: "Traffic",
    format: bytesPerSecond,
    scale: "binary",
    series: [
      { label: "received", color: "mesh" },
      { label: "sent", color: "task" },
    ],
    read: (figures) => [
      figures.rate("quartet_received_bytes_total"),
      figures.rate("quartet_sent_bytes_total"),
    ],
  },
  {
    title: "Processor",
    format: percent,
    series: [{ label: "of one processor", color: "neutral" }],
    read: (figures) => {
      const share = figures.rate("process_cpu_seconds_total");
      return [share === null ? null : share * 100];
    },
  },
  {
    title: "Memory",
    format: formatBytes,
    scale: "binary",
    series: [
      { label: "process", color: "neutral" },
      { label: "JavaScript", color: "mesh" },
    ],
    read: (figures) => [
      figures.gauge("process_resident_memory_bytes"),
      figures.gauge("quartet_heap_bytes", { kind: "used" }),
    ],
  },
];

/** All charts. */
export class ChartsView {
  readonly #charts = CHARTS.map((options) => new Chart(options));

  constructor(root: HTMLElement) {
    root.append(...this.#charts.map((chart) => chart.root));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const chart of this.#charts) chart.redraw();
    });
  }

  /** Adds the time between two moments. */
  add(timeMs: number, figures: Interval): void {
    for (const [i, chart] of this.#charts.entries()) {
      chart.add(timeMs / 1000, CHARTS[i]!.read(figures));
    }
  }

  /** Leaves a gap: at this time nobody answered. */
  addGap(timeMs: number): void {
    for (const [i, chart] of this.#charts.entries()) {
      chart.add(timeMs / 1000, CHARTS[i]!.series.map(() => null));
    }
  }
}
