/**
 * Events of jobs on the bus: `task.<tube>.<put|reserved|done|failed|buried|kicked|cancelled|dead>`.
 *
 * @module
 */

import { Batch } from "../bus/batch.ts";
import type { Bus } from "../bus/bus.ts";
import { valueBytes } from "../storage/value.ts";
import type { JobReport, ReportJob } from "./reports.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * The subject of a report. A dot would separate tokens, so it is written `%2E`; all other characters
 * of tube names are fine, and none of them has a percent sign.
 */
export function subjectOf({ tube, kind }: Pick<JobReport, "tube" | "kind">): string {
  return `task.${tube.replaceAll(".", "%2E")}.${kind}`;
}

/** The tube in the subject of a report. */
export function tubeOf(subject: string): string {
  return (subject.split(".")[1] ?? "").replaceAll("%2E", ".");
}

/** Returns what announces reports on a bus. It never waits, and does next to nothing if nobody listens. */
export function announceOn(bus: Bus): ReportJob {
  function announce(report: JobReport): void {
    const subject = subjectOf(report);
    if (!bus.isHeard(subject)) return;
    const { id, tube, reason } = report;
    const text = JSON.stringify({ id, tube, reason: decoder.decode(valueBytes(reason)) });
    bus.announce(Batch.ofPayload(subject, encoder.encode(text)));
  }
  return (report, durable) => {
    if (durable === undefined) announce(report);
    // What could not be written has not happened.
    else durable.then(() => announce(report), () => {});
  };
}
