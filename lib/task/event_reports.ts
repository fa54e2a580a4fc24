import type { JobEvent, JobFacts } from "./life_cycle.ts";
import type { JobReport } from "./reports.ts";

/** The reports about an event, given the job before its event and as it is after it. */
export function reportsOf(
  event: JobEvent,
  { id, tube, after }: { id: number; tube: string; after: JobFacts },
): JobReport[] {
  const { reason } = after;
  switch (event.kind) {
    case "fail":
    case "time-out":
    case "worker-lost": {
      const failed: JobReport = { kind: "failed", tube, id, reason };
      return after.state === "buried" ? [failed, { ...failed, kind: "buried" }] : [failed];
    }
    case "bury":
    case "expire":
      return [{ kind: "buried", tube, id, reason }];
    case "kick":
      return [{ kind: "kicked", tube, id, reason: "" }];
    default:
      return [];
  }
}
