/**
 * The JSON that the page reads: once a second the answer to `GET /state`, and that to `GET /history`.
 *
 * @module
 */

/** One sample of a metric. That of a histogram has its count as value, and the last three fields. */
export interface SampleJson {
  labels: Record<string, string>;
  value: number;
  sum?: number;
  /** Upper bounds of the buckets, ascending. */
  bounds?: number[];
  /** Observations by bucket, not cumulated; one longer than `bounds`. */
  counts?: number[];
}

/** Samples by metric name. */
export type MetricsJson = Record<string, SampleJson[]>;

/** One service. */
export interface ServiceJson {
  name: string;
  /** Whether it is switched on. */
  enabled: boolean;
  running: boolean;
  /** Whether it is the one that serves the page. */
  self: boolean;
  addresses: string[];
  /** When it started, in Unix time; `null` if it is not running. */
  sinceMs: number | null;
  /** Why it cannot do its work; empty if it can. */
  problems: string[];
  /** Names of the actions that it offers. */
  actions: string[];
  /** Whether it offers a console. */
  console: boolean;
  /** Details that only this service has. */
  status: unknown;
}

/** The daemon's state at one moment. */
export interface DaemonJson {
  nowMs: number;
  /** When the process started, in Unix time. */
  startedMs: number;
  version: string;
  state: "starting" | "ready" | "draining";
  /** Why it is not ready; empty if it is. */
  reasons: string[];
  lastReload: { successful: boolean; successMs: number };
  /** Why nothing can be changed from the page; `null` if it can. */
  readOnly: string | null;
  /** Whether the user can log out. */
  hasSession: boolean;
  services: ServiceJson[];
  metrics: MetricsJson;
  /** New log lines, and the position after them. */
  log: { lines: string[]; position: number };
}

/** What the charts show of the past. */
export interface HistoryJson {
  /** How many seconds one row stands for. */
  everyS: number;
  /** Unix times of the rows in seconds, ascending. */
  times: number[];
  /** One column for each line of all charts, in their order; `null` where there is no value. */
  columns: (number | null)[][];
}
