/**
 * Commands on parts of values.
 *
 * @module
 */

import type { Transaction } from "../../storage/store.ts";
import { valueText } from "../../storage/value.ts";
import { type Lcs, lcsCells, lcsInSteps, longestCommonSubsequence } from "./lcs.ts";
import { ErrorReply, type Reply, ReplyMap } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { appendBytes, setrangeBytes } from "./byte_forms.ts";
import { checkOptionCount, integer } from "./arguments.ts";
import { ONE_KEY, TWO_KEYS } from "./catalogue.ts";
import type { Command, KeyWork } from "./command.ts";
import type { CommandContext } from "./context.ts";
import { OFFSET_OUT_OF_RANGE, SYNTAX_ERROR, VALUE_TOO_LONG } from "./errors.ts";
import { placeOf } from "./places.ts";
import { lengthOf, readPart, writePart } from "./value_part.ts";

const group = "string";

/** The largest table for LCS, in cells; filling it takes a tenth of a second. */
const MAX_LCS_CELLS = 32 * 1024 * 1024;

/** A table of up to this size is filled in one go. */
const SHORT_LCS_CELLS = 128 * 1024;

const LCS_TOO_LONG = new ErrorReply(
  "ERR Insufficient memory, transient memory for LCS exceeds limit",
);

function append(request: Request, { db, maxValueBytes }: CommandContext): KeyWork {
  const value = request.value(2);
  const places = placeOf(db, request.text(1)), [place] = places;
  return {
    places,
    run(tx) {
      const before = Math.max(0, lengthOf(tx, place));
      const length = before + value.length;
      if (length > maxValueBytes) return VALUE_TOO_LONG;
      writePart(tx, place, { offset: before, part: value });
      return length;
    },
  };
}

function setrange(request: Request, { db, maxValueBytes }: CommandContext): KeyWork {
  const value = request.value(3);
  const offset = integer(request, 2);
  if (offset < 0) throw OFFSET_OUT_OF_RANGE;
  const places = placeOf(db, request.text(1)), [place] = places;
  return {
    places,
    run(tx) {
      const before = Math.max(0, lengthOf(tx, place));
      if (value.length === 0) return before;
      if (offset > maxValueBytes - value.length) return VALUE_TOO_LONG;
      writePart(tx, place, { offset: Number(offset), part: value });
      return Math.max(before, Number(offset) + value.length);
    },
  };
}

function getrange(request: Request, { db }: CommandContext): KeyWork {
  const first = Number(integer(request, 2)), last = Number(integer(request, 3));
  const places = placeOf(db, request.text(1)), [place] = places;
  return {
    places,
    run(tx) {
      const length = lengthOf(tx, place);
      if (first < 0 && last < 0 && first > last) return "";
      const start = Math.max(first < 0 ? first + length : first, 0);
      const end = Math.min(Math.max(last < 0 ? last + length : last, 0) + 1, length);
      return start >= end ? "" : readPart(tx, place, { start, end });
    },
  };
}

/** The options of LCS. */
interface LcsOptions {
  length: boolean;
  indexes: boolean;
  minLength: number;
  withLength: boolean;
}

function lcsOptions(request: Request): LcsOptions {
  checkOptionCount(request);
  const options = { length: false, indexes: false, minLength: 0, withLength: false };
  for (let at = 3; at < request.count; at++) {
    const option = request.option(at);
    if (option === "IDX") options.indexes = true;
    else if (option === "LEN") options.length = true;
    else if (option === "WITHMATCHLEN") options.withLength = true;
    else if (option === "MINMATCHLEN" && at + 1 < request.count) {
      options.minLength = Math.max(0, Number(integer(request, ++at)));
    } else throw SYNTAX_ERROR;
  }
  if (options.indexes && options.length) {
    throw new ErrorReply(
      "ERR If you want both the length and indexes, please just use IDX.",
    );
  }
  return options;
}

function lcs(request: Request, { db }: CommandContext): KeyWork {
  const options = lcsOptions(request);
  const keyA = request.text(1), keyB = request.text(2);
  const read = (tx: Transaction, key: string) => tx.get(db, key)?.value ?? "";
  return {
    places: [{ space: db, key: keyA }, { space: db, key: keyB }],
    run(tx): Reply {
      const a = read(tx, keyA), b = read(tx, keyB);
      if (lcsCells(a.length, b.length) > MAX_LCS_CELLS) return LCS_TOO_LONG;
      return lcsReply(longestCommonSubsequence(valueText(a), valueText(b)), options);
    },
    inSteps(tx) {
      const a = read(tx, keyA), b = read(tx, keyB);
      const cells = lcsCells(a.length, b.length);
      if (cells <= SHORT_LCS_CELLS || cells > MAX_LCS_CELLS) return undefined;
      const steps = lcsInSteps(valueText(a), valueText(b));
      return async (turn) => {
        for (let step = steps.next();; step = steps.next()) {
          const { value } = step;
          if (value !== undefined) return () => lcsReply(value, options);
          if (turn.over) await turn.next();
        }
      };
    },
  };
}

function lcsReply({ text, matches }: Lcs, options: LcsOptions): Reply {
  if (options.length) return text.length;
  if (!options.indexes) return text;
  const shown = matches.filter(({ length }) => length >= options.minLength)
    .map((match): Reply => [match.a, match.b, ...(options.withLength ? [match.length] : [])]);
  return new ReplyMap([["matches", shown], ["len", text.length]]);
}

const READ = ["readonly"];
const WRITE = ["write", "denyoom"];

/** Commands on a part of a value, and LCS. */
export const RANGE_COMMANDS: readonly Command[] = [
  {
    name: "append",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    keys: ONE_KEY,
    group,
    summary: "Appends to the value of a key.",
    since: "2.0.0",
    action: { kind: "keys", prepare: append, bytes: appendBytes },
  },
  {
    name: "setrange",
    arity: 4,
    flags: WRITE,
    keys: ONE_KEY,
    group,
    summary: "Overwrites part of a value, starting at an offset.",
    since: "2.2.0",
    action: { kind: "keys", prepare: setrange, bytes: setrangeBytes },
  },
  {
    name: "getrange",
    arity: 4,
    flags: READ,
    keys: ONE_KEY,
    group,
    summary: "Returns part of a value, between two offsets.",
    since: "2.4.0",
    action: { kind: "keys", prepare: getrange },
  },
  {
    name: "substr",
    arity: 4,
    flags: READ,
    keys: ONE_KEY,
    group,
    summary: "Returns part of a value; the old name of GETRANGE.",
    since: "1.0.0",
    action: { kind: "keys", prepare: getrange },
  },
  {
    name: "lcs",
    arity: -3,
    flags: READ,
    keys: TWO_KEYS,
    group,
    summary: "Finds the longest common subsequence of two values.",
    since: "7.0.0",
    action: { kind: "keys", prepare: lcs, alone: true },
  },
];
