/**
 * The replies to the `stats` and `list` commands of the beanstalk protocol, in YAML.
 *
 * @module
 */

import type { Histogram } from "../../metrics.ts";
import { valueBytes } from "../../storage/value.ts";
import type { JobDeath, JobStats, QueueStats, TubeStats } from "../queue.ts";
import type { CommandKind } from "./command.ts";
import { dictionary, quote, seconds } from "./yaml.ts";

/** What a server counts about its clients. */
export interface BeanstalkMetrics {
  /** How many well-formed commands came, by name. */
  commands: Map<CommandKind, number>;
  /** Time per command, without those that waited for a job or an outcome. */
  duration: Histogram;
  /** Malformed commands. */
  mistakes: number;
  connections: number;
  /** Open connections that have put a job. */
  producers: number;
  /** Open connections that have asked for a job. */
  workers: number;
  totalConnections: number;
}

/** What `stats` reports about the process. */
export interface ProcessFacts {
  pid: number;
  version: string;
  /** A random id of this process. */
  id: string;
  hostname: string;
  os: string;
  platform: string;
  uptimeMs: number;
  userCpuMicros: number;
  systemCpuMicros: number;
}

/** The commands in the order of `stats`: those of beanstalkd first, then quartet's own. */
const COUNTED: readonly CommandKind[] = [
  "put",
  "peek",
  "peek-ready",
  "peek-delayed",
  "peek-buried",
  "reserve",
  "reserve-with-timeout",
  "delete",
  "release",
  "use",
  "watch",
  "ignore",
  "bury",
  "kick",
  "touch",
  "stats",
  "stats-job",
  "stats-tube",
  "list-tubes",
  "list-tube-used",
  "list-tubes-watched",
  "pause-tube",
  "put-job",
  "put-unique",
  "put-batch",
  "reserve-batch",
  "reserve-job",
  "kick-job",
  "release-held",
  "done",
  "fail",
  "progress",
  "result",
  "wait",
  "cancel",
  "list-jobs",
  "list-workers",
  "quiet-worker",
  "resume-worker",
  "flush-tube",
  "move",
];

/** The reply to `stats-job`. */
export function formatJobStats(job: JobStats): string {
  return dictionary([
    ["id", job.id],
    ["tube", quote(job.tube)],
    ["state", job.state],
    ["pri", job.priority],
    ["age", seconds(job.ageMs)],
    ["delay", seconds(job.delayMs)],
    ["ttr", seconds(job.ttrMs)],
    ["time-left", seconds(job.leftMs)],
    ["file", 0],
    ["reserves", job.reserves],
    ["timeouts", job.timeouts],
    ["releases", job.releases],
    ["buries", job.buries],
    ["kicks", job.kicks],
    ["attempts", job.attempts],
    ["key", quote(job.key)],
    ["reason", quoteBytes(job.reason)],
    ["progress", quoteBytes(job.progress)],
    ...deathEntries(job.death),
    ...optionEntries(job.options),
  ]);
}

/** The options of a job that it has. */
function optionEntries(options: JobStats["options"]): [string, string | number][] {
  if (options === undefined) return [];
  const { attempts, backoff, timeoutMs, expiresInMs, after } = options;
  const entries: [string, string | number][] = [];
  if (attempts !== undefined) entries.push(["max-attempts", attempts]);
  if (backoff !== undefined) {
    entries.push(["backoff", backoff.firstMs / 1000], ["max-backoff", backoff.maxMs / 1000]);
  }
  if (timeoutMs !== undefined) entries.push(["timeout", timeoutMs / 1000]);
  if (expiresInMs !== undefined) entries.push(["expires-in", seconds(expiresInMs)]);
  if (after.length > 0) entries.push(["after", quote(after.join(","))]);
  return entries;
}

/** How a job became a dead letter. */
function deathEntries(death: JobDeath | null): [key: string, value: string | number][] {
  if (death === null) return [];
  return [
    ["dead-from", quote(death.tube)],
    ["dead-attempts", death.attempts],
    ["dead-reason", quoteBytes(death.reason)],
  ];
}

/** The reply to `stats-tube`. */
export function formatTubeStats(tube: TubeStats): string {
  return dictionary([
    ["name", quote(tube.name)],
    ["current-jobs-urgent", tube.urgent],
    ["current-jobs-ready", tube.ready],
    ["current-jobs-reserved", tube.reserved],
    ["current-jobs-delayed", tube.delayed],
    ["current-jobs-buried", tube.buried],
    ["total-jobs", tube.totalJobs],
    ["current-using", tube.using],
    ["current-watching", tube.watching],
    ["current-waiting", tube.waiting],
    ["cmd-delete", tube.deletes],
    ["cmd-pause-tube", tube.pauses],
    ["pause", seconds(tube.pauseMs)],
    ["pause-time-left", seconds(tube.pauseLeftMs)],
  ]);
}

/** The reply to `stats`. */
export function formatStats(
  queue: QueueStats,
  server: BeanstalkMetrics,
  about: { facts: ProcessFacts; maxJobBytes: number; draining: boolean },
): string {
  const { facts } = about;
  return dictionary([
    ["current-jobs-urgent", queue.urgent],
    ["current-jobs-ready", queue.ready],
    ["current-jobs-reserved", queue.reserved],
    ["current-jobs-delayed", queue.delayed],
    ["current-jobs-buried", queue.buried],
    ...COUNTED.map((kind): [string, number] => [`cmd-${kind}`, server.commands.get(kind) ?? 0]),
    ["job-timeouts", queue.timeouts],
    ["total-jobs", queue.totalJobs],
    ["max-job-size", about.maxJobBytes],
    ["current-tubes", queue.tubes],
    ["current-connections", server.connections],
    ["current-producers", server.producers],
    ["current-workers", server.workers],
    ["current-waiting", queue.waiting],
    ["total-connections", server.totalConnections],
    ["pid", facts.pid],
    ["version", quote(facts.version)],
    ["rusage-utime", cpuTime(facts.userCpuMicros)],
    ["rusage-stime", cpuTime(facts.systemCpuMicros)],
    ["uptime", seconds(facts.uptimeMs)],
    ["binlog-oldest-index", 0],
    ["binlog-current-index", 0],
    ["binlog-records-migrated", 0],
    ["binlog-records-written", 0],
    ["binlog-max-size", 0],
    ["draining", String(about.draining)],
    ["id", quote(facts.id)],
    ["hostname", quote(facts.hostname)],
    ["os", quote(facts.os)],
    ["platform", quote(facts.platform)],
    ["current-results", queue.results],
  ]);
}

/** The reply to `list-tubes` and `list-tubes-watched`. */
export function formatTubes(tubes: readonly string[]): string {
  return `---\n${tubes.map((tube) => `- ${tube}\n`).join("")}`;
}

function cpuTime(micros: number): string {
  return (micros / 1e6).toFixed(6);
}

/** As `quote`, for a text with one character a byte. */
function quoteBytes(text: string): string {
  return quote(new TextDecoder().decode(valueBytes(text)));
}
