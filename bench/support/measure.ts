import process from "node:process";
import type { ServerProcess } from "./servers.ts";
import { cpuSeconds, median } from "./usage.ts";

/** What one run has measured; what is counted is up to the load. */
export interface Measurement {
  perSecond: number;
  /** Processor seconds that the server used for a million. */
  serverCpuPerMillion: number;
  /** How much of one processor the server was using, as a part of 1. */
  serverBusy: number;
  /** The same of the load generator; near 1 it may be what limits the run. */
  loadBusy: number;
}

/** How long a run goes on before it counts, as a part of what counts. */
const WARM_UP = 0.5;

/** What {@linkcode measure} runs. */
export interface Load {
  /** How long it counts. */
  seconds: number;
  /** Does one round; returns how much came of it. */
  round: () => number;
  /** Called when the rounds begin to count. */
  onWarm?: () => void;
}

/** Runs rounds for a while and measures them. */
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

/** The median of each figure over several runs. */
export function medians<Figure extends string>(
  runs: readonly Record<Figure, number>[],
): Record<Figure, number> {
  const figures = Object.keys(runs[0] ?? {}) as Figure[];
  const of = (figure: Figure) => median(runs.map((run) => run[figure]));
  return Object.fromEntries(figures.map((figure) => [figure, of(figure)])) as Record<
    Figure,
    number
  >;
}
