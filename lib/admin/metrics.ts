import type { Metric } from "../metrics.ts";
import type { DaemonView } from "../service.ts";
import { daemonMetrics, type LoopProbe, processMetrics } from "./process_metrics.ts";

/** The metrics of the process, the daemon and all services, under their full names. */
export function allMetrics(daemon: DaemonView, probe: LoopProbe): Metric[] {
  const serviceMetrics = daemon.services().flatMap(({ running }) => running?.metrics() ?? []);
  const metrics = [...daemon.logMetrics(), ...daemon.bus.metrics(), ...serviceMetrics];
  return [
    ...processMetrics(probe),
    ...daemonMetrics(daemon),
    ...metrics.map((metric) => ({ ...metric, name: `quartet_${metric.name}` })),
  ];
}
