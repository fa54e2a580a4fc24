import type { Value } from "../../storage/value.ts";
import type { JobId, JobPage, JobSpec, SweptState } from "../queue.ts";
import type { Mistake } from "./words.ts";

/** A command of a client, or the mistake it made. */
export type BeanstalkCommand =
  | { kind: "put" | "put-job"; spec: JobSpec }
  | { kind: "put-unique"; key: string; spec: JobSpec }
  | { kind: "put-batch"; specs: JobSpec[] }
  | { kind: "reserve" | "peek-ready" | "peek-delayed" | "peek-buried" }
  | { kind: "stats" | "list-tubes" | "list-tube-used" | "list-tubes-watched" | "quit" }
  | { kind: "reserve-with-timeout"; timeoutMs: number }
  | { kind: "reserve-batch"; max: number; timeoutMs: number }
  | {
    kind:
      | "reserve-job"
      | "delete"
      | "cancel"
      | "touch"
      | "peek"
      | "kick-job"
      | "release-held"
      | "stats-job"
      | "result";
    id: JobId;
  }
  | { kind: "release"; id: JobId; priority: number; delayMs: number }
  | { kind: "bury"; id: JobId; priority: number }
  | { kind: "done" | "fail" | "progress"; id: JobId; body: Value }
  | { kind: "wait"; id: JobId; timeoutMs: number; progress: boolean }
  | { kind: "kick"; bound: number }
  | { kind: "use" | "watch" | "ignore" | "stats-tube"; tube: string }
  | { kind: "list-jobs"; page: JobPage }
  | { kind: "list-workers"; from: number; count: number }
  | { kind: "quiet-worker" | "resume-worker"; worker: number }
  | { kind: "pause-tube"; tube: string; pauseMs: number }
  | { kind: "flush-tube"; tube: string; state: SweptState | undefined }
  | { kind: "move"; from: JobId | string; tube: string }
  /** `option` is the name of a bad option; it may be empty. */
  | { kind: "mistake"; reply: Mistake; option?: string };

/** The name of a command, as in the counters of `stats`. */
export type CommandKind = BeanstalkCommand["kind"];
