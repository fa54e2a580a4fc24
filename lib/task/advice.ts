import type { Advice } from "../service.ts";
import type { TaskConfig } from "./config.ts";

const UNLIMITED = "no limit: a job that always fails is run again for ever, unless its producer " +
  "limits its attempts. Set a limit, such as 25, with a backoff";

/** Finds the tubes whose jobs may be tried without a limit. */
export function unlimitedAttempts({ max_attempts, tubes }: TaskConfig): Advice[] {
  const advice: Advice[] = [];
  if (max_attempts === 0) advice.push({ path: ["max_attempts"], message: UNLIMITED });
  for (const [name, own] of Object.entries(tubes)) {
    // A tube without a limit of its own has the general one.
    if (own.max_attempts !== 0) continue;
    advice.push({ path: ["tubes", name, "max_attempts"], message: UNLIMITED });
  }
  return advice;
}
