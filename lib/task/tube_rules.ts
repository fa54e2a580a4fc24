import { rateOf } from "../token_bucket.ts";
import type { TaskConfig } from "./config.ts";
import type { TubeRules } from "./queue.ts";

/** The rules of a tube by a configuration: its own, and the general ones for the rest. */
export function tubeRules(config: TaskConfig, tube: string): TubeRules {
  const own = config.tubes[tube];
  return {
    maxAttempts: own?.max_attempts ?? config.max_attempts,
    backoffMs: own?.backoff ?? config.backoff,
    maxBackoffMs: own?.max_backoff ?? config.max_backoff,
    maxReserved: own?.max_reserved ?? config.max_reserved,
    deadLetter: own?.dead_letter ?? "",
    rate: rateOf(own?.rate ?? config.rate, own?.burst ?? config.burst),
  };
}

/** Whether two tubes are treated alike. */
export function sameRules(a: TubeRules, b: TubeRules): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
