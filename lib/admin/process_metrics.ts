import process from "node:process";
import { Histogram, type Metric, type Sample } from "../metrics.ts";
import type { DaemonView } from "../service.ts";
import { VERSION } from "../version.ts";
import { unreadiness } from "./readiness.ts";

/** How often the event loop is asked how late it is. */
const LOOP_PROBE_MS = 250;

const MICROS_PER_S = 1_000_000;

/** Watches how late timers run: how long a client may have waited for others, in any service. */
export class LoopProbe implements Disposable {
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
 * The figures of the process, named as Prometheus' own clients name them, and of its runtime.
 *
 * @param probe Watches the event loop.
 */
export function processMetrics(probe: LoopProbe): Metric[] {
  const memory = Deno.memoryUsage();
  const cpu = process.cpuUsage();
  const figure = (type: "counter" | "gauge", name: string, help: string, samples: Sample[]) =>
    ({ type, name, help, samples }) satisfies Metric;
  return [
    figure("gauge", "process_start_time_seconds", "When the process started, in Unix time.", [
      { value: performance.timeOrigin / 1000 },
    ]),
    figure("counter", "process_cpu_seconds_total", "Time on processors, in user and system mode.", [
      { value: (cpu.user + cpu.system) / MICROS_PER_S },
    ]),
    figure("gauge", "process_resident_memory_bytes", "Memory that the process has in RAM.", [
      { value: memory.rss },
    ]),
    figure("gauge", "quartet_heap_bytes", "Memory of the JavaScript heap of the main thread.", [
      { labels: { kind: "used" }, value: memory.heapUsed },
      { labels: { kind: "total" }, value: memory.heapTotal },
      { labels: { kind: "external" }, value: memory.external },
    ]),
    figure("gauge", "quartet_build_info", "1, with what the program was built from as labels.", [
      { labels: { version: VERSION, deno: Deno.version.deno, v8: Deno.version.v8 }, value: 1 },
    ]),
    {
      type: "histogram",
      name: "quartet_event_loop_delay_seconds",
      help: "How late a timer ran, asked a few times a second: what everybody waits for everybody.",
      samples: [{ histogram: probe.delay }],
    },
  ];
}

/** The figures of the daemon itself. */
export function daemonMetrics(daemon: DaemonView): Metric[] {
  const { successful, successMs } = daemon.lastReload;
  const gauge = (name: string, help: string, samples: Sample[]): Metric => (
    { type: "gauge", name: `quartet_${name}`, help, samples }
  );
  const services = daemon.services();
  return [
    gauge(
      "config_last_reload_successful",
      "1 if the last configuration that was read was taken, 0 if it was at fault.",
      [{ value: Number(successful) }],
    ),
    gauge(
      "config_last_reload_success_timestamp_seconds",
      "When a configuration was last taken, in Unix time.",
      [{ value: successMs / 1000 }],
    ),
    gauge("ready", "1 if the daemon is ready for work, as /readyz says.", [
      { value: Number(unreadiness(daemon).length === 0) },
    ]),
    gauge(
      "service_up",
      "1 if a service runs, 0 if not.",
      services.map(({ name, running }) => ({
        labels: { service: name },
        value: Number(running !== undefined),
      })),
    ),
    gauge(
      "service_problems",
      "How many reasons a service has for not doing its work.",
      services.map((service) => ({
        labels: { service: service.name },
        value: service.problems().length,
      })),
    ),
  ];
}
