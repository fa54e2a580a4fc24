import type { JobEvent, JobFacts } from "./life_cycle.ts";
import type { JobReport } from "./reports.ts";

/**
 * The reports about an event.
 *
 * @param job The job after the event, the tube in which it happened, and whether it made the job a
 * dead letter.
 */
export function reportsOf(
  event: JobEvent,
  { id, tube, after, died }: { id: number; tube: string; after: JobFacts; died: boolean },
): JobReport[] {
  const { reason } = after;
  switch (event.kind) {
    case "fail":
    case "time-out":
    case "worker-lost": {
      const failed: JobReport = { kind: "failed", tube, id, reason };
      if (died) return [failed, { ...failed, kind: "dead" }];
      return after.state === "buried" ? [failed, { ...failed, kind: "buried" }] : [failed];
    }
    case "bury":
    case "expire":
      return [{ kind: died ? "dead" : "buried", tube, id, reason }];
    case "kick":
      return [{ kind: "kicked", tube, id, reason: "" }];
    default:
      return [];
  }
}
