import type { Config } from "../config/schema.ts";
import type { Refusals } from "../refusals.ts";
import type { ServiceView } from "../service.ts";
import type { StartedService } from "./reload_plan.ts";

/** What the daemon knows about its services, by their names. */
export interface ServiceFacts {
  config: Config;
  /** Those that run. */
  started: ReadonlyMap<string, StartedService>;
  /** What each has refused for lack of rights. */
  refusals: ReadonlyMap<string, Refusals>;
  /** Why one does not run as the configuration says. */
  failures: ReadonlyMap<string, string>;
}

/** A service as the other services see it. */
export function serviceView(name: string, facts: ServiceFacts): ServiceView {
  const started = facts.started.get(name);
  return {
    name,
    enabled: facts.config.services[name]?.enabled ?? false,
    running: started?.running,
    sinceMs: started?.sinceMs,
    refusals: facts.refusals.get(name)!.count,
    problems: () => {
      const problems = started?.running.problems() ?? [];
      const failure = facts.failures.get(name);
      return failure === undefined ? problems : [...problems, failure];
    },
  };
}
