/**
 * What a queue reports about its jobs while it works, for those who want to hear of it.
 *
 * @module
 */

/** Something that has happened to a job. */
export interface JobReport {
  readonly kind:
    | "put"
    | "reserved"
    | "done"
    | "failed"
    | "buried"
    | "kicked"
    | "cancelled"
    | "dead";
  readonly tube: string;
  readonly id: number;
  /** Why it failed, was buried or became a dead letter, one character a byte; otherwise empty. */
  readonly reason: string;
}

/**
 * Takes a report. Must be quick, and must not throw.
 *
 * @param durable Resolves when what it reports is durable; `undefined` if it already is.
 */
export type ReportJob = (report: JobReport, durable: Promise<void> | undefined) => void;
