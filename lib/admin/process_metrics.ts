import process from "node:process";
import { Histogram, type Metric, type Sample } from "../metrics.ts";
import type { DaemonView } from "../service.ts";
import { VERSION } from "../version.ts";
import { unreadiness } from "./readiness.ts";

/** Interval at which the delay of the event loop is measured. */
const LOOP_PROBE_MS = 250;

const MICROS_PER_S = 1_000_000;

/** Measures how late timers fire: the delay that clients of every service experience. */
export class LoopProbe implements Disposable {
  /** Delays in seconds. */
  readonly delay: Histogram = new Histogram();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor() {
    let dueMs = performance.now() + LOOP_PROBE_MS;
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      this.delay.observe(Math.max(0, nowMs - dueMs) / 1000);
      dueMs = nowMs + LOOP_PROBE_MS;
    }, LOOP_PROBE_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/**
 * The metrics of the process, named as in Prometheus' own client libraries, and of its runtime.
 *
 * @param probe The source of the event loop's delay.
 */
export function processMetrics(probe: LoopProbe): Metric[] {
  const memory = Deno.memoryUsage();
  const cpu = process.cpuUsage();
  const metric = (type: "counter" | "gauge", name: string, help: string, samples: Sample[]) =>
    ({ type, name, help, samples }) satisfies Metric;
  return [
    metric("gauge", "process_start_time_seconds", "Start time of the process, in Unix time.", [
      { value: performance.timeOrigin / 1000 },
    ]),
    metric("counter", "process_cpu_seconds_total", "CPU time in user and system mode.", [
      { value: (cpu.user + cpu.system) / MICROS_PER_S },
    ]),
    metric("gauge", "process_resident_memory_bytes", "Resident memory of the process.", [
      { value: memory.rss },
    ]),
    metric("gauge", "quartet_heap_bytes", "JavaScript heap of the main thread.", [
      { labels: { kind: "used" }, value: memory.heapUsed },
      { labels: { kind: "total" }, value: memory.heapTotal },
      { labels: { kind: "external" }, value: memory.external },
    ]),
    metric(
      "gauge",
      "quartet_build_info",
      "1, with the versions of the program and its runtime as labels.",
      [
        { labels: { version: VERSION, deno: Deno.version.deno, v8: Deno.version.v8 }, value: 1 },
      ],
    ),
    {
      type: "histogram",
      name: "quartet_event_loop_delay_seconds",
      help: "How late timers fire, measured four times a second: the delay that every client sees.",
      samples: [{ histogram: probe.delay }],
    },
  ];
}

/** The metrics of the daemon itself. */
export function daemonMetrics(daemon: DaemonView): Metric[] {
  const { successful, successMs } = daemon.lastReload;
  const gauge = (name: string, help: string, samples: Sample[]): Metric => (
    { type: "gauge", name: `quartet_${name}`, help, samples }
  );
  const services = daemon.services();
  return [
    gauge(
      "config_last_reload_successful",
      "1 if the last configuration was applied, 0 if it was rejected.",
      [{ value: Number(successful) }],
    ),
    gauge(
      "config_last_reload_success_timestamp_seconds",
      "When a configuration was last applied, in Unix time.",
      [{ value: successMs / 1000 }],
    ),
    gauge("ready", "1 if the daemon is ready, as /readyz reports.", [
      { value: Number(unreadiness(daemon).length === 0) },
    ]),
    gauge(
      "service_up",
      "1 if the service is running, 0 if not.",
      services.map(({ name, running }) => ({
        labels: { service: name },
        value: Number(running !== undefined),
      })),
    ),
    gauge(
      "service_problems",
      "Number of problems that a service reports.",
      services.map((service) => ({
        labels: { service: service.name },
        value: service.problems().length,
      })),
    ),
    {
      type: "counter",
      name: "quartet_rights_refusals_total",
      help: "What a service has refused to clients whose tokens lack the right.",
      samples: services.map(({ name, refusals }) => ({
        labels: { service: name },
        value: refusals,
      })),
    },
  ];
}
