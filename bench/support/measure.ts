import process from "node:process";
import type { ServerProcess } from "./servers.ts";
import { cpuSeconds, median } from "./usage.ts";

/** The result of one run; the load decides what it counts. */
export interface Measurement {
  /** Count per second. */
  perSecond: number;
  /** CPU seconds of the server per million. */
  serverCpuPerMillion: number;
  /** The server's CPU usage; 1 is one full core. */
  serverBusy: number;
  /** The load generator's CPU usage; near 1, it may be the bottleneck. */
  loadBusy: number;
}

/** Length of the warm-up, relative to the measured time. */
const WARM_UP = 0.5;

/** A load for {@linkcode measure}. */
export interface Load {
  /** Length of the measured time. */
  seconds: number;
  /** Runs one round and returns its count. */
  round: () => number;
  /** Called after the warm-up. */
  onWarm?: () => void;
}

/** Runs rounds of a load for a while and measures them. */
export async function measure(
  server: ServerProcess,
  { seconds, round, onWarm }: Load,
): Promise<Measurement> {
  const warm = performance.now() + WARM_UP * 1000 * seconds;
  while (performance.now() < warm) round();
  const serverBefore = await cpuSeconds(server.pid);
  const ownBefore = process.cpuUsage();
  onWarm?.();
  const start = performance.now();
  const end = start + 1000 * seconds;
  let count = 0;
  let now = start;
  for (; now < end; now = performance.now()) count += round();
  const elapsed = (now - start) / 1000;
  const own = process.cpuUsage(ownBefore);
  const serverCpu = await cpuSeconds(server.pid) - serverBefore;
  return {
    perSecond: count / elapsed,
    serverCpuPerMillion: serverCpu / count * 1e6,
    serverBusy: serverCpu / elapsed,
    loadBusy: (own.user + own.system) / 1e6 / elapsed,
  };
}

/** The median of each field over several runs. */
export function medians<Field extends string>(
  runs: readonly Record<Field, number>[],
): Record<Field, number> {
  const fields = Object.keys(runs[0] ?? {}) as Field[];
  const of = (field: Field) => median(runs.map((run) => run[field]));
  return Object.fromEntries(fields.map((field) => [field, of(field)])) as Record<
    Field,
    number
  >;
}
