/**
 * What the task service answers to the queries of the page.
 *
 * @module
 */

/** The states of jobs that the table of tubes counts, in its order. */
export const STATES = ["ready", "reserved", "delayed", "buried"] as const;

/** The states of jobs that can be listed. */
export const LISTED_STATES = [...STATES, "held"] as const;

/** A state of a job. */
export type JobState = typeof LISTED_STATES[number];

/** A job. Times are in milliseconds. */
export interface JobJson {
  id: number;
  tube: string;
  state: JobState;
  priority: number;
  ageMs: number;
  delayMs: number;
  ttrMs: number;
  /** Time until it becomes ready by itself; 0 unless it is reserved or delayed. */
  leftMs: number;
  reserves: number;
  timeouts: number;
  releases: number;
  buries: number;
  kicks: number;
  attempts: number;
  reason: string;
  /** What its last worker said about its progress; empty for nothing. */
  progress: string;
  key: string;
  /** Its other options, if it has any. */
  options?: {
    attempts?: number;
    timeoutMs?: number;
    expiresInMs?: number;
    after: number[];
  };
  body: {
    /** The text, or the bytes in hexadecimal if they are not text. */
    text: string;
    isText: boolean;
    /** The length of the whole body, and how many bytes of it are shown. */
    bytes: number;
    shown: number;
  };
}

/** The answer to `jobs`. */
export interface JobsJson {
  jobs: JobJson[];
  /** How many jobs of a state can be listed. */
  end: number;
}

/** A worker. Times are in milliseconds. */
export interface WorkerJson {
  number: number;
  address: string;
  port: string;
  ageMs: number;
  quiet: boolean;
  waits: boolean;
  /** How many tubes it watches, and the first of them. */
  watches: number;
  watched: string[];
  busyMs: number;
  /** How many jobs it holds, and the first of them. */
  holds: number;
  held: { id: number; leftMs: number }[];
}

/** The answer to `workers`. */
export interface WorkersJson {
  workers: WorkerJson[];
  total: number;
}
