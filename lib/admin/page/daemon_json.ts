/**
 * What the server tells the page, once a second.
 *
 * @module
 */

/** One figure of a metric. A distribution has its count as value, and the last three fields. */
export interface SampleJson {
  labels: Record<string, string>;
  value: number;
  sum?: number;
  /** Upper bounds of the buckets, ascending. */
  bounds?: number[];
  /** Observations by bucket, not cumulated; one longer than `bounds`. */
  counts?: number[];
}

/** Metrics by name. */
export type FiguresJson = Record<string, SampleJson[]>;

/** One service. */
export interface ServiceJson {
  name: string;
  /** Whether it is to run. */
  enabled: boolean;
  running: boolean;
  /** Whether it is the one that serves the page. */
  self: boolean;
  addresses: string[];
  /** Since when it has been running, in Unix time. */
  sinceMs: number | null;
  /** Why it does not do its work. */
  problems: string[];
  /** What it can be made to do. */
  actions: string[];
  /** Whether one can talk to it in lines. */
  console: boolean;
  /** More of its own. */
  status: unknown;
}

/** The daemon at one moment. */
export interface DaemonJson {
  nowMs: number;
  /** When the process started. */
  startedMs: number;
  version: string;
  state: "starting" | "ready" | "draining";
  /** Why it is not ready; empty if it is. */
  reasons: string[];
  lastReload: { successful: boolean; successMs: number };
  /** Why nothing can be changed from the page; `null` if it can. */
  readOnly: string | null;
  /** Whether one can log out. */
  hasSession: boolean;
  services: ServiceJson[];
  metrics: FiguresJson;
  /** What was logged, and the position behind it. */
  log: { lines: string[]; position: number };
}
