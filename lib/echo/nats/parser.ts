import type { Operation, Publication } from "./operation.ts";
import { decodeUtf8, TextMemo, Tokens } from "./tokens.ts";
import { FATAL_ERRORS, MAX_CONTROL_LINE_BYTES } from "./words.ts";

/** Unread bytes: those from `start` to `end`. */
export interface Input {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  consume(count: number): void;
}

/** The limits of a {@linkcode NatsParser}. They may change: a message is judged when it ends. */
export interface PayloadLimits {
  /** The largest message, headers included. */
  readonly maxPayloadBytes: number;
}

const TAB = 9;
const LF = 10;
const CR = 13;
const BLANK = 32;

const A = 0x61;
const B = 0x62;
const P = 0x70;
const U = 0x75;
const Z = 0x7a;
/** The bit that makes an ASCII letter lower-case. */
const LOWER = 0x20;

const encoder = new TextEncoder();

/** The names of operations, in lower case. A blank or a tab must follow those in `BLANK_FOLLOWS`. */
const NAMES = ["pub", "hpub", "sub", "unsub", "ping", "pong", "connect", "info", "+ok", "-err"]
  .map((text) => ({ text, bytes: encoder.encode(text) }));
const BLANK_FOLLOWS: ReadonlySet<string> = new Set(["pub", "hpub", "sub", "unsub"]);

const PING: Operation = { kind: "ping" };
const PONG: Operation = { kind: "pong" };
const IGNORED: Operation = { kind: "ignored" };

/**
 * Parses the operations of one client. It does no I/O, and the input may be cut anywhere: an
 * incomplete operation stays in the input. After a mistake it must not be asked again.
 *
 * The input needs space for the longest operation; see {@linkcode NatsParser.maxInputBytes}.
 */
export class NatsParser {
  /**
   * Whether consecutive messages on one subject become one publication.
   *
   * @default {true}
   */
  joinsMessages = true;

  readonly #limits: PayloadLimits;
  readonly #tokens = new Tokens();
  readonly #subject = new TextMemo();
  readonly #publication: Publication = {
    kind: "publish",
    count: 0,
    bytes: new Uint8Array(0),
    starts: new Uint32Array(8),
    ends: new Uint32Array(8),
    subject: undefined,
    reply: undefined,
    hasHeaders: false,
    headerBytes: 0,
  };
  /** Where the payload of the message just parsed lies. */
  #payloadStart = 0;
  #payloadEnd = 0;

  constructor(limits: PayloadLimits) {
    this.#limits = limits;
  }

  /** The longest operation, which the input must be able to hold. */
  get maxInputBytes(): number {
    const namesAndLineEnds = 16;
    return MAX_CONTROL_LINE_BYTES + this.#limits.maxPayloadBytes + namesAndLineEnds;
  }

  /** Consumes the next operation of the input; `null` if it is not complete yet. */
  next(input: Input): Operation | null {
    const { bytes, start, end } = input;
    if (start === end) return null;
    if (isPub(bytes, start, end)) return this.#publish(input, start + 4, 0);
    const name = nameOf(bytes, start, end);
    if (name === null) return null;
    if (name === undefined) return mistake(FATAL_ERRORS.unknownOperation);
    let from = start + name.length;
    if (BLANK_FOLLOWS.has(name)) {
      if (from === end) return null;
      if (!isBlank(bytes[from]!)) return mistake(FATAL_ERRORS.unknownOperation);
    }
    if (from < end && isBlank(bytes[from]!)) from++;
    if (name === "hpub") return this.#publish(input, from, 1);
    const next = bytes.subarray(0, end).indexOf(LF, from) + 1;
    // Blanks count, too: without an end they would fill the input.
    if (isTooLong(from, next === 0 ? end : next)) return mistake(FATAL_ERRORS.controlLine);
    if (next === 0) return null;
    input.consume(next - start);
    switch (name) {
      case "sub":
        return this.#subscribe(bytes, from, next);
      case "unsub":
        return this.#unsubscribe(bytes, from, next);
      case "connect": {
        const lineEnd = bytes[next - 2] === CR ? next - 2 : next - 1;
        return { kind: "connect", json: bytes.slice(from, lineEnd) };
      }
      case "ping":
        return PING;
      case "pong":
        return PONG;
      case "-err":
        return mistake(FATAL_ERRORS.parser);
      default:
        return IGNORED;
    }
  }

  /**
   * Parses a message, and those on the same subject that follow it.
   *
   * @param from Where the arguments of the first one begin.
   * @param headerTokens How many sizes come before that of the message: 1 with headers, else 0.
   */
  #publish(input: Input, from: number, headerTokens: 0 | 1): Operation | null {
    const { bytes, start, end } = input;
    const next = this.#message(bytes, from, end, headerTokens);
    if (next === null) return null;
    if (typeof next === "string") return mistake(next);
    const tokens = this.#tokens;
    const publication = this.#publication;
    publication.bytes = bytes;
    publication.count = 0;
    publication.subject = this.#subject.decode(bytes, tokens.starts[0]!, tokens.ends[0]!);
    publication.hasHeaders = headerTokens === 1;
    publication.headerBytes = headerTokens === 1 ? tokens.size(bytes, tokens.count - 2) : 0;
    const hasReply = tokens.count === 3 + headerTokens;
    publication.reply = hasReply
      ? decodeUtf8(bytes, tokens.starts[1]!, tokens.ends[1]!) ?? ""
      : undefined;
    this.#push();
    let at = next;
    if (this.joinsMessages && !hasReply && headerTokens === 0) at = this.#follow(bytes, at, end);
    input.consume(at - start);
    return publication;
  }

  /** Adds the messages that follow on the same subject; returns where the next operation begins. */
  #follow(bytes: Uint8Array, from: number, end: number): number {
    const tokens = this.#tokens;
    let at = from;
    while (isPub(bytes, at, end)) {
      const next = this.#message(bytes, at + 4, end, 0);
      // Whatever is wrong or missing is for the next call.
      if (next === null || typeof next === "string" || tokens.count !== 2) break;
      if (!this.#subject.holds(bytes, tokens.starts[0]!, tokens.ends[0]!)) break;
      this.#push();
      at = next;
    }
    return at;
  }

  /**
   * Parses the arguments of a message and finds its payload.
   *
   * @returns Where the next operation begins; `null` if the message is not complete; the text of the
   * error if it is wrong.
   */
  #message(
    bytes: Uint8Array,
    from: number,
    end: number,
    headerTokens: 0 | 1,
  ): number | string | null {
    const tokens = this.#tokens;
    const lineEnd = tokens.split(bytes, from, end);
    if (isTooLong(from, lineEnd === -1 ? end : lineEnd)) return FATAL_ERRORS.controlLine;
    if (lineEnd === -1) return null;
    const { count } = tokens;
    if (count < 2 + headerTokens || count > 3 + headerTokens) return FATAL_ERRORS.parser;
    const size = tokens.size(bytes, count - 1);
    if (size === -1) return FATAL_ERRORS.parser;
    if (headerTokens === 1) {
      const headerBytes = tokens.size(bytes, count - 2);
      if (headerBytes === -1 || headerBytes > size) return FATAL_ERRORS.parser;
    }
    if (size > this.#limits.maxPayloadBytes) return FATAL_ERRORS.payload;
    const payloadEnd = lineEnd + size;
    if (payloadEnd < end && bytes[payloadEnd] !== CR) return FATAL_ERRORS.unknownOperation;
    if (payloadEnd + 1 >= end) return null;
    if (bytes[payloadEnd + 1] !== LF) return FATAL_ERRORS.unknownOperation;
    this.#payloadStart = lineEnd;
    this.#payloadEnd = payloadEnd;
    return payloadEnd + 2;
  }

  #push(): void {
    const publication = this.#publication;
    const { count } = publication;
    if (count === publication.starts.length) {
      publication.starts = grown(publication.starts);
      publication.ends = grown(publication.ends);
    }
    publication.starts[count] = this.#payloadStart;
    publication.ends[count] = this.#payloadEnd;
    publication.count++;
  }

  #subscribe(bytes: Uint8Array, from: number, end: number): Operation {
    const tokens = this.#tokens;
    tokens.split(bytes, from, end);
    const { count, starts, ends } = tokens;
    if (count !== 2 && count !== 3) return mistake(FATAL_ERRORS.parser);
    return {
      kind: "subscribe",
      pattern: decodeUtf8(bytes, starts[0]!, ends[0]!),
      group: count === 3 ? latin1(bytes, starts[1]!, ends[1]!) : undefined,
      sid: latin1(bytes, starts[count - 1]!, ends[count - 1]!),
    };
  }

  #unsubscribe(bytes: Uint8Array, from: number, end: number): Operation {
    const tokens = this.#tokens;
    tokens.split(bytes, from, end);
    const { count, starts, ends } = tokens;
    if (count !== 1 && count !== 2) return mistake(FATAL_ERRORS.parser);
    return {
      kind: "unsubscribe",
      sid: latin1(bytes, starts[0]!, ends[0]!),
      // As in nats-server, a maximum that is no number is none.
      max: count === 2 ? Math.max(0, tokens.size(bytes, 1)) : 0,
    };
  }
}

/** Whether an input begins with `PUB` and a blank. */
function isPub(bytes: Uint8Array, start: number, end: number): boolean {
  return start + 3 < end && (bytes[start]! | LOWER) === P && (bytes[start + 1]! | LOWER) === U &&
    (bytes[start + 2]! | LOWER) === B && isBlank(bytes[start + 3]!);
}

/**
 * The name of the operation that an input begins with; `null` if it is cut off, `undefined` if there
 * is no such operation.
 */
function nameOf(bytes: Uint8Array, start: number, end: number): string | null | undefined {
  for (const name of NAMES) {
    let length = 0;
    while (start + length < end && length < name.bytes.length) {
      const byte = bytes[start + length]!;
      const wanted = name.bytes[length]!;
      if (byte !== wanted && (!isLetter(byte) || (byte | LOWER) !== wanted)) break;
      length++;
    }
    if (length === name.bytes.length) return name.text;
    if (start + length === end) return null;
  }
  return undefined;
}

function isLetter(byte: number): boolean {
  const lower = byte | LOWER;
  return lower >= A && lower <= Z;
}

function isBlank(byte: number): boolean {
  return byte === BLANK || byte === TAB;
}

/** Whether the arguments up to `end`, perhaps with a line end, are longer than they may be. */
function isTooLong(from: number, end: number): boolean {
  const lineEndBytes = 2;
  return end - from > MAX_CONTROL_LINE_BYTES + lineEndBytes;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, end));
}

function grown(positions: Uint32Array): Uint32Array {
  const grown = new Uint32Array(2 * positions.length);
  grown.set(positions);
  return grown;
}

function mistake(text: string): Operation {
  return { kind: "mistake", text };
}
