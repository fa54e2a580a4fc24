import { type Value, valueBytes, valueFrom } from "../../storage/value.ts";
import {
  JOB_STATES,
  type JobSpec,
  MAX_JOBS_PER_PAGE,
  MAX_LISTED_JOBS,
  MAX_PROGRESS_BYTES,
  SWEPT_STATES,
} from "../queue.ts";
import { MAX_WORKERS_PER_PAGE } from "../workers.ts";
import type { BeanstalkCommand, CommandKind } from "./command.ts";
import { CR, findLineEnd, LF, LineArguments, MAX_ID, mistake } from "./line.ts";
import { parseOptions } from "./put_options.ts";
import { MAX_BATCH_BYTES, MAX_BATCH_JOBS, MAX_LINE_BYTES, MAX_U32 } from "./words.ts";

/** A command line whose body has not been read yet. */
export interface Header {
  kind: "put" | "put-job" | "put-unique" | "put-batch" | "done" | "fail" | "progress";
  /** The length of the body, without its CRLF. */
  bodyBytes: number;
  /** Makes the command from its body. */
  finish(body: Value): BeanstalkCommand;
}

/** A mistake of a command whose body is skipped. */
export interface Skipped {
  kind: "skipped";
  /** The length of the body and its CRLF. */
  skipBytes: number;
  mistake: BeanstalkCommand;
}

/** The limits on jobs. They may change; a body that has been announced may still come. */
export interface JobLimits {
  /** The largest body of a job, in bytes. */
  readonly maxJobBytes: number;
}

const BAD_FORMAT = mistake("BAD_FORMAT");

/** Parses what follows the word of a command on its line, and the jobs of a batch. */
export class CommandArguments {
  readonly #limits: JobLimits;
  readonly #line = new LineArguments();

  constructor(limits: JobLimits) {
    this.#limits = limits;
  }

  /**
   * Parses the arguments of a command.
   *
   * @param rest The line behind the command word: the bytes from `at` to `end`.
   * @returns The command, or its header if a body follows; `null` if the arguments are malformed.
   */
  parse(
    kind: CommandKind,
    rest: { bytes: Uint8Array; at: number; end: number },
  ): BeanstalkCommand | Header | Skipped | null {
    const line = this.#line;
    line.set(rest.bytes, rest.at, rest.end);
    switch (kind) {
      case "put":
        return this.#put((spec) => ({ kind, spec }));
      case "put-job":
        return this.#putJob();
      case "put-unique": {
        const key = line.name();
        return key === null ? null : this.#put((spec) => ({ kind, key, spec }), kind);
      }
      case "put-batch": {
        const count = line.number(MAX_BATCH_JOBS);
        const bodyBytes = line.number(MAX_U32);
        if (count < 1 || bodyBytes < 0) return null;
        return this.#withBody(kind, bodyBytes, {
          max: MAX_BATCH_BYTES,
          finish: (body) => this.#batch(valueBytes(body), count),
        });
      }
      case "quit":
        return { kind };
      case "reserve":
      case "peek-ready":
      case "peek-delayed":
      case "peek-buried":
      case "stats":
      case "list-tubes":
      case "list-tube-used":
      case "list-tubes-watched":
        return line.done ? { kind } : null;
      case "reserve-with-timeout": {
        const seconds = line.number(MAX_U32);
        return seconds >= 0 && line.done ? { kind, timeoutMs: seconds * 1000 } : null;
      }
      case "reserve-batch": {
        const max = line.number(MAX_BATCH_JOBS);
        if (max < 1) return null;
        if (line.done) return { kind, max, timeoutMs: Infinity };
        const seconds = line.number(MAX_U32);
        return seconds >= 0 && line.done ? { kind, max, timeoutMs: seconds * 1000 } : null;
      }
      case "reserve-job":
      case "delete":
      case "cancel":
      case "touch":
      case "peek":
      case "kick-job":
      case "release-held":
      case "stats-job":
      case "result": {
        const id = line.id();
        return id >= 0 && line.done ? { kind, id } : null;
      }
      case "release": {
        const id = line.id();
        const priority = line.number(MAX_U32);
        const seconds = line.number(MAX_U32);
        const good = id >= 0 && priority >= 0 && seconds >= 0 && line.done;
        return good ? { kind, id, priority, delayMs: seconds * 1000 } : null;
      }
      case "bury": {
        const id = line.id();
        const priority = line.number(MAX_U32);
        return id >= 0 && priority >= 0 && line.done ? { kind, id, priority } : null;
      }
      case "wait": {
        const id = line.id();
        const seconds = line.number(MAX_U32);
        if (id < 0 || seconds < 0) return null;
        const timeoutMs = seconds * 1000;
        if (line.done) return { kind, id, timeoutMs, progress: false };
        const progress = line.atSpace && line.name() === "progress" && line.done;
        return progress ? { kind, id, timeoutMs, progress } : null;
      }
      case "done":
      case "fail":
      case "progress": {
        const id = line.id();
        const bodyBytes = line.number(MAX_U32);
        if (id < 0 || bodyBytes < 0) return null;
        return this.#withBody(kind, bodyBytes, {
          max: kind === "progress" ? MAX_PROGRESS_BYTES : this.#limits.maxJobBytes,
          finish: (body) => ({ kind, id, body }),
        });
      }
      case "kick": {
        const bound = line.number(MAX_U32);
        return bound >= 0 && line.done ? { kind, bound } : null;
      }
      case "use":
      case "watch":
      case "ignore":
      case "stats-tube": {
        const tube = line.nameToEnd();
        return tube === null ? null : { kind, tube };
      }
      case "pause-tube": {
        const tube = line.name();
        const seconds = tube === null ? -1 : line.number(MAX_U32);
        return tube !== null && seconds >= 0 && line.done
          ? { kind, tube, pauseMs: seconds * 1000 }
          : null;
      }
      case "list-jobs": {
        const tube = line.name();
        const name = tube === null ? null : line.name();
        const state = JOB_STATES.find((state) => state === name);
        const range = this.#range(MAX_LISTED_JOBS, MAX_JOBS_PER_PAGE);
        return tube === null || state === undefined || range === null
          ? null
          : { kind, page: { tube, state, ...range } };
      }
      case "list-workers": {
        const range = this.#range(MAX_U32, MAX_WORKERS_PER_PAGE);
        return range && { kind, ...range };
      }
      case "quiet-worker":
      case "resume-worker": {
        const worker = line.number(Number.MAX_SAFE_INTEGER);
        return worker >= 0 && line.done ? { kind, worker } : null;
      }
      case "flush-tube": {
        const tube = line.name();
        if (tube === null) return null;
        if (line.done) return { kind, tube, state: undefined };
        const word = line.name();
        const state = SWEPT_STATES.find((state) => state === word);
        return state !== undefined && line.done ? { kind, tube, state } : null;
      }
      case "move": {
        const from = line.name();
        const tube = from === null ? null : line.name();
        if (from === null || tube === null || !line.done) return null;
        if (!/^\d+$/.test(from)) return { kind, from, tube };
        return BigInt(from) > MAX_ID ? null : { kind, from: Number(from), tube };
      }
      case "mistake":
        return null;
    }
  }

  /** Parses `[<from> [<count>]]`, up to the end of the line. */
  #range(maxFrom: number, maxCount: number): { from: number; count: number } | null {
    const line = this.#line;
    if (!line.done && !line.atSpace) return null;
    const from = line.done ? 0 : line.number(maxFrom);
    const count = line.done ? maxCount : line.number(maxCount);
    return from >= 0 && count >= 0 && line.done ? { from, count } : null;
  }

  #put(
    finish: (spec: JobSpec) => BeanstalkCommand,
    kind: "put" | "put-unique" = "put",
  ): BeanstalkCommand | Header | Skipped | null {
    const spec = specFrom(this.#line);
    if (spec === null) return null;
    return this.#withBody(kind, spec.bodyBytes, {
      max: this.#limits.maxJobBytes,
      finish: (body) => finish({ ...spec.rest, body }),
    });
  }

  /** Parses `<pri> <delay> <ttr> <bytes> [name=value …]`. */
  #putJob(): BeanstalkCommand | Header | Skipped | null {
    const kind = "put-job";
    const spec = specFrom(this.#line);
    const text = spec === null ? null : this.#line.options();
    if (spec === null || text === null) return null;
    const { bodyBytes, rest } = spec;
    const skipBytes = bodyBytes + 2;
    if (bodyBytes > this.#limits.maxJobBytes) {
      return { kind: "skipped", skipBytes, mistake: mistake("JOB_TOO_BIG") };
    }
    const options = parseOptions(text);
    if ("bad" in options) {
      const command = { kind: "mistake", reply: "BAD_OPTION", option: options.bad } as const;
      return { kind: "skipped", skipBytes, mistake: command };
    }
    return { kind, bodyBytes, finish: (body) => ({ kind, spec: { ...rest, body, options } }) };
  }

  /** A header, unless the body is too long: that is reported before any other fault of the line. */
  #withBody(
    kind: Header["kind"],
    bodyBytes: number,
    { max, finish }: { max: number; finish: (body: Value) => BeanstalkCommand },
  ): BeanstalkCommand | Header | Skipped | null {
    if (bodyBytes > max) {
      return { kind: "skipped", skipBytes: bodyBytes + 2, mistake: mistake("JOB_TOO_BIG") };
    }
    return this.#line.done ? { kind, bodyBytes, finish } : null;
  }

  /** Parses the jobs of a batch: each is a line of four numbers and a body, as in `put`. */
  #batch(bytes: Uint8Array, count: number): BeanstalkCommand {
    const specs: JobSpec[] = [];
    const line = new LineArguments();
    let at = 0;
    while (specs.length < count) {
      const lineEnd = findLineEnd(bytes, at, Math.min(bytes.length, at + MAX_LINE_BYTES));
      if (lineEnd === -1) return BAD_FORMAT;
      line.set(bytes, at, lineEnd);
      const spec = specFrom(line);
      if (spec === null || !line.done) return BAD_FORMAT;
      if (spec.bodyBytes > this.#limits.maxJobBytes) return mistake("JOB_TOO_BIG");
      const bodyEnd = lineEnd + 2 + spec.bodyBytes;
      if (bytes[bodyEnd] !== CR || bytes[bodyEnd + 1] !== LF) return mistake("EXPECTED_CRLF");
      specs.push({ ...spec.rest, body: valueFrom(bytes, lineEnd + 2, bodyEnd) });
      at = bodyEnd + 2;
    }
    return at === bytes.length ? { kind: "put-batch", specs } : BAD_FORMAT;
  }
}

/** Parses `<pri> <delay> <ttr> <bytes>`. */
function specFrom(
  line: LineArguments,
): { rest: Omit<JobSpec, "body">; bodyBytes: number } | null {
  const priority = line.number(MAX_U32);
  if (priority < 0) return null;
  const delay = line.number(MAX_U32);
  if (delay < 0) return null;
  const ttr = line.number(MAX_U32);
  if (ttr < 0) return null;
  const bodyBytes = line.number(MAX_U32);
  if (bodyBytes < 0) return null;
  return { rest: { priority, delayMs: delay * 1000, ttrMs: ttr * 1000 }, bodyBytes };
}
