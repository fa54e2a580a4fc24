import type { TaskConfig } from "./config.ts";
import type { TubeRules } from "./queue.ts";
import type { Rate } from "./token_bucket.ts";

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

/** The rate of a tube. By default it may start as many jobs at once as one second brings. */
function rateOf(intervalMs: number, burst: number | undefined): Rate | null {
  if (intervalMs === 0) return null;
  return { intervalMs, burst: burst ?? Math.max(1, Math.floor(1000 / intervalMs)) };
}
