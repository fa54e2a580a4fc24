import { type Value, valueBytes, valueFrom } from "../../storage/value.ts";
import type { JobSpec } from "../queue.ts";
import type { BeanstalkCommand, CommandKind } from "./command.ts";
import { LineArguments } from "./line.ts";
import { MAX_BATCH_BYTES, MAX_BATCH_JOBS, MAX_LINE_BYTES, MAX_U32, type Mistake } from "./words.ts";

/** Unread bytes: those from `start` to `end`. */
export interface Input {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  consume(count: number): void;
}

/** A command line whose body has not been read yet. */
interface Header {
  kind: "put" | "put-unique" | "put-batch" | "done" | "fail";
  /** The length of the body, without its CRLF. */
  bodyBytes: number;
  /** Makes the command from its body. */
  finish(body: Value): BeanstalkCommand;
}

const CR = 0x0d;
const LF = 0x0a;
const BAD_FORMAT = mistake("BAD_FORMAT");

/** Command words by their first byte. A word comes before any shorter word that it starts with. */
const WORDS: { word: Uint8Array; kind: CommandKind }[][] = Array.from({ length: 256 }, () => []);
const ALL_WORDS = [
  "put |put-unique |put-batch |peek |peek-ready|peek-delayed|peek-buried|pause-tube",
  "reserve-with-timeout |reserve-job |reserve-batch |reserve|release |result ",
  "delete |done |bury |kick |kick-job |touch |fail |wait |watch |use |ignore ",
  "stats-job |stats-tube |stats|list-tubes-watched|list-tube-used|list-tubes|quit",
];
for (const text of ALL_WORDS.join("|").split("|")) {
  WORDS[text.charCodeAt(0)]!.push({
    word: new TextEncoder().encode(text),
    kind: text.trimEnd() as CommandKind,
  });
}

/**
 * Parses the commands of one client. It does no I/O, and the input may be cut anywhere: an incomplete
 * command stays in the input.
 */
export class CommandParser {
  readonly #maxJobBytes: number;
  readonly #line = new LineArguments();
  #header: Header | null = null;
  #skipBytes = 0;
  #skipReply: BeanstalkCommand | null = null;
  #skippingLine = false;

  /** @param maxJobBytes The largest body of a job. */
  constructor(maxJobBytes: number) {
    this.#maxJobBytes = maxJobBytes;
  }

  /** Whether a command has begun whose bytes so far may all be consumed. */
  get midway(): boolean {
    return this.#header !== null || this.#skipReply !== null || this.#skippingLine;
  }

  /** Consumes the next command of the input; `null` if it is not complete yet. */
  next(input: Input): BeanstalkCommand | null {
    if (this.#skipReply !== null) return this.#skipBody(input, this.#skipReply);
    if (this.#skippingLine) return this.#skipLine(input);
    if (this.#header !== null) return this.#body(input, this.#header);

    const { bytes, start, end } = input;
    const lineEnd = findLineEnd(bytes, start, Math.min(end, start + MAX_LINE_BYTES));
    if (lineEnd === -1) {
      if (end - start < MAX_LINE_BYTES) return null;
      this.#skippingLine = true;
      return this.#skipLine(input);
    }
    const parsed = this.#parse(bytes, start, lineEnd);
    input.consume(lineEnd + 2 - start);
    if (parsed.kind === "mistake" && this.#skipBytes > 0) {
      return this.#skipBody(input, this.#skipReply = parsed);
    }
    if (!("finish" in parsed)) return parsed;
    return this.#body(input, this.#header = parsed);
  }

  #body(input: Input, header: Header): BeanstalkCommand | null {
    const { bytes, start, end } = input;
    const bodyEnd = start + header.bodyBytes;
    if (end < bodyEnd + 2) return null;
    this.#header = null;
    const good = bytes[bodyEnd] === CR && bytes[bodyEnd + 1] === LF;
    const command = good
      ? header.finish(valueFrom(bytes, start, bodyEnd))
      : mistake("EXPECTED_CRLF");
    input.consume(header.bodyBytes + 2);
    return command;
  }

  #skipBody(input: Input, reply: BeanstalkCommand): BeanstalkCommand | null {
    const count = Math.min(this.#skipBytes, input.end - input.start);
    input.consume(count);
    this.#skipBytes -= count;
    if (this.#skipBytes > 0) return null;
    this.#skipReply = null;
    return reply;
  }

  #skipLine(input: Input): BeanstalkCommand | null {
    const { bytes, start, end } = input;
    const lineEnd = findLineEnd(bytes, start, end);
    if (lineEnd === -1) {
      // The last byte may be the CR of a CRLF.
      const keep = end > start && bytes[end - 1] === CR ? 1 : 0;
      input.consume(end - start - keep);
      return null;
    }
    input.consume(lineEnd + 2 - start);
    this.#skippingLine = false;
    return BAD_FORMAT;
  }

  #parse(bytes: Uint8Array, start: number, end: number): BeanstalkCommand | Header {
    for (let at = start; at < end; at++) if (bytes[at] === 0) return BAD_FORMAT;
    for (const { word, kind } of WORDS[bytes[start]!]!) {
      if (!startsWith(bytes, start, end, word)) continue;
      this.#line.set(bytes, start + word.length, end);
      return this.#arguments(kind) ?? BAD_FORMAT;
    }
    return mistake("UNKNOWN_COMMAND");
  }

  #arguments(kind: CommandKind): BeanstalkCommand | Header | null {
    const line = this.#line;
    switch (kind) {
      case "put":
        return this.#put((spec) => ({ kind, spec }));
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
      case "touch":
      case "peek":
      case "kick-job":
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
        return id >= 0 && seconds >= 0 && line.done
          ? { kind, id, timeoutMs: seconds * 1000 }
          : null;
      }
      case "done":
      case "fail": {
        const id = line.id();
        const bodyBytes = line.number(MAX_U32);
        if (id < 0 || bodyBytes < 0) return null;
        return this.#withBody(kind, bodyBytes, {
          max: this.#maxJobBytes,
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
      case "mistake":
        return null;
    }
  }

  #put(
    finish: (spec: JobSpec) => BeanstalkCommand,
    kind: "put" | "put-unique" = "put",
  ): BeanstalkCommand | Header | null {
    const spec = specFrom(this.#line);
    if (spec === null) return null;
    return this.#withBody(kind, spec.bodyBytes, {
      max: this.#maxJobBytes,
      finish: (body) => finish({ ...spec.rest, body }),
    });
  }

  /** A header, unless the body is too long: that is reported first, whatever else is on the line. */
  #withBody(
    kind: Header["kind"],
    bodyBytes: number,
    { max, finish }: { max: number; finish: (body: Value) => BeanstalkCommand },
  ): BeanstalkCommand | Header | null {
    if (bodyBytes > max) {
      this.#skipBytes = bodyBytes + 2;
      return mistake("JOB_TOO_BIG");
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
      if (spec.bodyBytes > this.#maxJobBytes) return mistake("JOB_TOO_BIG");
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

function mistake(reply: Mistake): BeanstalkCommand {
  return { kind: "mistake", reply };
}

/** The index of the first CRLF between `start` and `end`; -1 if there is none. */
function findLineEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at + 1 < end; at++) {
    if (bytes[at] === CR && bytes[at + 1] === LF) return at;
  }
  return -1;
}

function startsWith(bytes: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  if (end - start < word.length) return false;
  for (let at = 0; at < word.length; at++) if (bytes[start + at] !== word[at]) return false;
  return true;
}
