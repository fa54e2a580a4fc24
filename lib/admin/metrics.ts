import type { Metric } from "../metrics.ts";
import type { DaemonView } from "../service.ts";
import { daemonMetrics, type LoopProbe, processMetrics } from "./process_metrics.ts";

/** The figures of the process, of the daemon and of all services, with their names in full. */
export function allMetrics(daemon: DaemonView, probe: LoopProbe): Metric[] {
  const ofServices = daemon.services().flatMap(({ running }) => running?.metrics() ?? []);
  return [
    ...processMetrics(probe),
    ...daemonMetrics(daemon),
    ...ofServices.map((metric) => ({ ...metric, name: `quartet_${metric.name}` })),
  ];
}
