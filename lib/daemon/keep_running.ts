import type { Config } from "../config/schema.ts";
import type { Log } from "../log.ts";
import type { ServiceChange, StartedService } from "./reload_plan.ts";

/**
 * Lets a running service adjust to its new section and read its files again.
 *
 * @param started The service.
 * @param change What is different for it; it keeps running.
 * @returns Why it could not; `undefined` if it could. It then goes on with what it had.
 */
export function keepRunning(
  started: StartedService,
  { service: { name }, action, keys }: ServiceChange,
  { config, log }: { config: Config; log: Log },
): string | undefined {
  try {
    if (action === "adjust") {
      const section = config.services[name]!;
      started.running.adjust!(section);
      started.section = section;
      log.info("Adjusted", { service: name, keys: keys.join() });
    }
    started.running.reread?.();
    return undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.error("Cannot read files again", { service: name, error: reason });
    return `Files not read again, the old ones stay in use: ${reason}`;
  }
}
