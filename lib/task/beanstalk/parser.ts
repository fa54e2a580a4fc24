import { valueFrom } from "../../storage/value.ts";
import type { BeanstalkCommand, CommandKind } from "./command.ts";
import {
  CommandArguments,
  type Header,
  type JobLimits,
  type Skipped,
} from "./command_arguments.ts";
import { CR, findLineEnd, LF, mistake } from "./line.ts";
import { MAX_LINE_BYTES, MAX_OPTIONS_LINE_BYTES } from "./words.ts";

/** Unread bytes: those from `start` to `end`. */
export interface Input {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  consume(count: number): void;
}

const BAD_FORMAT = mistake("BAD_FORMAT");

/** The only command whose line may be longer than that of the others. */
const PUT_JOB = new TextEncoder().encode("put-job ");

/** Command words by their first byte. A word comes before any shorter word that it starts with. */
const WORDS: { word: Uint8Array; kind: CommandKind }[][] = Array.from({ length: 256 }, () => []);
const ALL_WORDS = [
  "put |put-job |put-unique |put-batch |peek |peek-ready|peek-delayed|peek-buried|pause-tube|progress ",
  "reserve-with-timeout |reserve-job |reserve-batch |reserve|release |release-held |result ",
  "delete |done |bury |kick |kick-job |touch |fail |wait |watch |use |ignore ",
  "stats-job |stats-tube |stats|list-tubes-watched|list-tube-used|list-tubes|quit|cancel |flush-tube |move ",
  "list-jobs |list-workers|quiet-worker |resume-worker ",
];

/** The words of all commands. */
export const COMMAND_WORDS: readonly string[] = ALL_WORDS.join("|").split("|")
  .map((word) => word.trimEnd());

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
  readonly #arguments: CommandArguments;
  #header: Header | null = null;
  #skipBytes = 0;
  #skipReply: BeanstalkCommand | null = null;
  #skippingLine = false;

  /** @param limits The limits on jobs. */
  constructor(limits: JobLimits) {
    this.#arguments = new CommandArguments(limits);
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
    let lineEnd = findLineEnd(bytes, start, Math.min(end, start + MAX_LINE_BYTES));
    if (lineEnd === -1) {
      if (end - start < MAX_LINE_BYTES) return null;
      if (startsWith(bytes, start, end, PUT_JOB)) {
        lineEnd = findLineEnd(bytes, start, Math.min(end, start + MAX_OPTIONS_LINE_BYTES));
        if (lineEnd === -1 && end - start < MAX_OPTIONS_LINE_BYTES) return null;
      }
    }
    if (lineEnd === -1) {
      this.#skippingLine = true;
      return this.#skipLine(input);
    }
    const parsed = this.#parse(bytes, start, lineEnd);
    input.consume(lineEnd + 2 - start);
    if (parsed.kind === "skipped") {
      this.#skipBytes = parsed.skipBytes;
      return this.#skipBody(input, this.#skipReply = parsed.mistake);
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

  #parse(bytes: Uint8Array, start: number, end: number): BeanstalkCommand | Header | Skipped {
    for (let at = start; at < end; at++) if (bytes[at] === 0) return BAD_FORMAT;
    for (const { word, kind } of WORDS[bytes[start]!]!) {
      if (!startsWith(bytes, start, end, word)) continue;
      return this.#arguments.parse(kind, { bytes, at: start + word.length, end }) ?? BAD_FORMAT;
    }
    return mistake("UNKNOWN_COMMAND");
  }
}

function startsWith(bytes: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  if (end - start < word.length) return false;
  for (let at = 0; at < word.length; at++) if (bytes[start + at] !== word[at]) return false;
  return true;
}
