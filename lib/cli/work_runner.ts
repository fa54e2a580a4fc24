import { CommandError } from "./command.ts";

/** A job as a {@linkcode WorkRunner} gets it. */
export interface RunnableJob {
  id: string;
  tube: string;
  /** The number of this run, from 1. */
  attempt: number;
  body: Uint8Array;
  /** How long it may run, as its producer said; `undefined` if it did not. */
  timeoutMs?: number | undefined;
  /**
   * Aborts when the outcome is of no use any more: the job is no longer reserved for this worker, or
   * the worker must exit at once.
   */
  cancelled: AbortSignal;
  /**
   * Aborts when the job was cancelled: no other worker will run it, so there is time for a clean
   * end.
   */
  stop?: AbortSignal;
  /** Called at the start of a run that can report progress, with what reads the latest one. */
  reports?: (progress: () => Promise<Uint8Array>) => void;
}

/** The outcome of a job. */
export type JobOutcome =
  | {
    done: true;
    result: Uint8Array;
    /** The size of the whole result, of which `result` may be only the start. */
    resultBytes: number;
  }
  | { done: false; reason: string };

/** Runs a job. */
export type WorkRunner = (job: RunnableJob) => Promise<JobOutcome>;

/** Thrown when the worker cannot go on and a retry would not help. */
export class WorkerError extends CommandError {
  override name = "WorkerError";
}

/** The most digits of a number to square. */
const MAX_DIGITS = 10_000;

/** The built-in runner: squares a whole number. */
export const square: WorkRunner = ({ body }) => {
  const text = new TextDecoder().decode(body.subarray(0, MAX_DIGITS + 1)).trim();
  if (!/^-?\d+$/.test(text) || text.length > MAX_DIGITS) {
    const reason = `Cannot square "${text.slice(0, 50)}": it is not a whole number`;
    return Promise.resolve({ done: false, reason });
  }
  const result = new TextEncoder().encode(String(BigInt(text) ** 2n));
  return Promise.resolve({ done: true, result, resultBytes: result.length });
};
