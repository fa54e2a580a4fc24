/**
 * Commands that treat values as strings of bits.
 *
 * @module
 */

import type { Transaction } from "../../storage/store.ts";
import { type Value, valueBytes } from "../../storage/value.ts";
import { type Int64, parseInt64 } from "../int64.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { integer } from "./arguments.ts";
import { bitAt, countBits, findBit } from "./bit_string.ts";
import { ONE_KEY } from "./catalogue.ts";
import type { Command, KeyWork } from "./command.ts";
import type { CommandContext } from "./context.ts";
import { asReply, SYNTAX_ERROR } from "./errors.ts";
import { placeOf } from "./places.ts";
import { readPart, writePart } from "./value_part.ts";

const group = "bitmap";

/** Longer ranges are processed in steps of this length, each of which takes about 0.5 ms. */
const STEP_BITS = 8 * 512 * 1024;

const INVALID_OFFSET = new ErrorReply("ERR bit offset is not an integer or out of range");
const INVALID_BIT = new ErrorReply("ERR bit is not an integer or out of range");
const WRONG_BIT = new ErrorReply("ERR The bit argument must be 1 or 0.");

/**
 * The offset of a bit, which a value of the maximum length must contain.
 *
 * @throws {ErrorReply} If it is not a number, negative or too large.
 */
export function bitOffset(text: string, maxValueBytes: number): number {
  const offset = parseInt64(text);
  if (offset === undefined || offset < 0 || offset >= 8 * maxValueBytes) throw INVALID_OFFSET;
  return Number(offset);
}

function setbit(request: Request, { db, maxValueBytes }: CommandContext): KeyWork {
  const offset = bitOffset(request.text(2), maxValueBytes);
  const bit = request.text(3);
  if (bit !== "0" && bit !== "1") throw INVALID_BIT;
  const places = placeOf(db, request.text(1)), [place] = places;
  return {
    places,
    run(tx) {
      const start = Math.floor(offset / 8), inByte = offset % 8;
      const part = readPart(tx, place, { start, end: start + 1 });
      const before = bitAt(part, inByte);
      if (part.length === 0 || before !== Number(bit)) {
        const [byte = 0] = valueBytes(part), mask = 0x80 >> inByte;
        const changed = bit === "1" ? byte | mask : byte & ~mask;
        writePart(tx, place, { offset: start, part: String.fromCharCode(changed) });
      }
      return before;
    },
  };
}

function getbit(request: Request, { db, maxValueBytes }: CommandContext): KeyWork {
  const offset = bitOffset(request.text(2), maxValueBytes);
  const places = placeOf(db, request.text(1)), [place] = places;
  return {
    places,
    run(tx) {
      const start = Math.floor(offset / 8);
      return bitAt(readPart(tx, place, { start, end: start + 1 }), offset % 8);
    },
  };
}

/** A part of a value, in bits. */
interface BitRange {
  first: number;
  last: number;
}

/** The unit of a range, as an argument says it. */
function unitOf(request: Request, index: number): "byte" | "bit" {
  const unit = request.option(index);
  if (unit !== "BYTE" && unit !== "BIT") throw SYNTAX_ERROR;
  return unit === "BIT" ? "bit" : "byte";
}

/** A part of a value as the arguments give it: negative positions count from the end. */
interface Span {
  from: Int64;
  to: Int64;
  unit: "byte" | "bit";
}

/** The bits of a value that a span covers. */
function clip({ from, to, unit }: Span, length: number): BitRange {
  const total = unit === "bit" ? 8 * length : length;
  const first = Math.max(0, from < 0 ? total + Number(from) : Number(from));
  const last = Math.min(total - 1, Math.max(0, to < 0 ? total + Number(to) : Number(to)));
  return unit === "bit" ? { first, last } : { first: 8 * first, last: 8 * last + 7 };
}

/** What a function returns, or the error reply that it throws. Redis reports such an error late. */
function attempt<T>(parse: () => T): T | ErrorReply {
  try {
    return parse();
  } catch (error) {
    return asReply(error);
  }
}

/** Work that reads one value, in steps if it is long. */
function scanWork(
  place: { db: number; key: string },
  scan: (value: Value | undefined) => Scan | Reply,
): KeyWork {
  const { db, key } = place;
  const begin = (tx: Transaction) => scan(tx.get(db, key)?.value);
  return {
    places: placeOf(db, key),
    run(tx) {
      const found = begin(tx);
      if (!(found instanceof Scan)) return found;
      while (!found.step());
      return found.result;
    },
    inSteps(tx) {
      const found = begin(tx);
      if (!(found instanceof Scan) || !found.isLong) return undefined;
      return async (turn) => {
        while (!found.step()) {
          if (turn.over) await turn.next();
        }
        return () => found.result;
      };
    },
  };
}

/** Goes over a range of bits in steps. */
class Scan {
  result = 0;
  readonly #range: BitRange;
  /** Processes bits; returns whether the result is known. */
  readonly #visit: (scan: Scan, first: number, last: number) => boolean;
  #at: number;

  constructor(range: BitRange, visit: (scan: Scan, first: number, last: number) => boolean) {
    this.#range = range;
    this.#at = range.first;
    this.#visit = visit;
  }

  get isLong(): boolean {
    return this.#range.last - this.#range.first >= STEP_BITS;
  }

  /** Processes the next bits; returns whether the result is known. */
  step(): boolean {
    const { last } = this.#range;
    if (this.#at > last) return true;
    const first = this.#at;
    this.#at += STEP_BITS;
    return this.#visit(this, first, Math.min(last, this.#at - 1)) || this.#at > last;
  }
}

/** The span that BITCOUNT counts in. */
function countSpan(request: Request): Span {
  const { count } = request;
  if (count === 2) return { from: 0, to: -1, unit: "byte" };
  if (count !== 4 && count !== 5) throw SYNTAX_ERROR;
  const from = integer(request, 2), to = integer(request, 3);
  // Redis does not look at the unit of a span that ends before it begins.
  const empty = from < 0 && to < 0 && from > to;
  return { from, to, unit: count === 5 && !empty ? unitOf(request, 4) : "byte" };
}

function bitcount(request: Request, { db }: CommandContext): KeyWork {
  const span = attempt(() => countSpan(request));
  return scanWork({ db, key: request.text(1) }, (value) => {
    if (value === undefined) return 0;
    if (span instanceof ErrorReply) return span;
    const bytes = valueBytes(value);
    return new Scan(clip(span, value.length), (scan, first, last) => {
      scan.result += countBits(bytes, first, last);
      return false;
    });
  });
}

/** The span that BITPOS searches. */
function searchSpan(request: Request): Span {
  const { count } = request;
  if (count > 6) throw SYNTAX_ERROR;
  const from = count > 3 ? integer(request, 3) : 0;
  const unit = count > 5 ? unitOf(request, 5) : "byte";
  const to = count > 4 ? integer(request, 4) : -1;
  return { from, to, unit };
}

function bitpos(request: Request, { db }: CommandContext): KeyWork {
  const bit = integer(request, 2);
  if (bit !== 0 && bit !== 1) throw WRONG_BIT;
  const span = attempt(() => searchSpan(request));
  const hasEnd = request.count > 4;
  return scanWork({ db, key: request.text(1) }, (value) => {
    if (value === undefined) return bit === 1 ? -1 : 0;
    if (span instanceof ErrorReply) return span;
    const range = clip(span, value.length);
    if (range.first > range.last) return -1;
    const bytes = valueBytes(value);
    const scan = new Scan(range, (scan, first, last) => {
      const found = findBit(bytes, bit, first, last);
      if (found >= 0) scan.result = found;
      return found >= 0;
    });
    // A value is as if followed by zeros, unless the client gave an end.
    scan.result = bit === 0 && !hasEnd ? 8 * value.length : -1;
    return scan;
  });
}

/** SETBIT, GETBIT, BITCOUNT and BITPOS. */
export const BIT_COMMANDS: readonly Command[] = [
  {
    name: "setbit",
    arity: 4,
    flags: ["write", "denyoom"],
    keys: ONE_KEY,
    group,
    summary: "Sets or clears a bit of a value.",
    since: "2.2.0",
    action: { kind: "keys", prepare: setbit },
  },
  {
    name: "getbit",
    arity: 3,
    flags: ["readonly", "fast"],
    keys: ONE_KEY,
    group,
    summary: "Returns a bit of a value.",
    since: "2.2.0",
    action: { kind: "keys", prepare: getbit },
  },
  {
    name: "bitcount",
    arity: -2,
    flags: ["readonly"],
    keys: ONE_KEY,
    group,
    summary: "Counts the bits of a value that are 1.",
    since: "2.6.0",
    action: { kind: "keys", prepare: bitcount, alone: true },
  },
  {
    name: "bitpos",
    arity: -3,
    flags: ["readonly"],
    keys: ONE_KEY,
    group,
    summary: "Finds the first bit of a value that is 1 or 0.",
    since: "2.8.7",
    action: { kind: "keys", prepare: bitpos, alone: true },
  },
];
