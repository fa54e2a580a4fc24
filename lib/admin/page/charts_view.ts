/// <reference lib="dom" />
import { Chart, type ChartOptions } from "./chart.ts";
import type { Interval } from "./figures.ts";
import { formatBytes, formatCount, formatLatency } from "./format.ts";

const perSecond = (value: number) => `${formatCount(value)}/s`;
const bytesPerSecond = (value: number) => `${formatBytes(value)}/s`;
const percent = (value: number) => `${formatCount(value)} %`;

const SERVICES = ["echo", "kv", "task", "mesh"] as const;
const ofServices = SERVICES.map((name) => ({ label: name, color: name }));

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
    title: "Time to answer",
    format: formatLatency,
    scale: "log",
    series: [
      { label: "kv p50", color: "kv" },
      { label: "kv p99", color: "kv-soft" },
      { label: "task p99", color: "task" },
      { label: "commit p99", color: "mesh" },
      { label: "event loop p99", color: "neutral" },
    ],
    read: (figures) => [
      figures.quantile("quartet_command_duration_seconds", 0.5, { service: "kv" }),
      figures.quantile("quartet_command_duration_seconds", 0.99, { service: "kv" }),
      figures.quantile("quartet_command_duration_seconds", 0.99, { service: "task" }),
      figures.quantile("quartet_kv_commit_seconds", 0.99),
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
