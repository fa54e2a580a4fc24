/**
 * Commands that treat values as numbers.
 *
 * @module
 */

import type { Transaction } from "../../storage/store.ts";
import { valueText } from "../../storage/value.ts";
import { addDecimals, isDecimal } from "./long_double.ts";
import { addInt64, type Int64, MAX_INT64_CHARS, negateInt64, parseInt64 } from "../int64.ts";
import type { Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { integer } from "./arguments.ts";
import { incrementBytes } from "./byte_forms.ts";
import { ONE_KEY } from "./catalogue.ts";
import type { Command, KeyWork } from "./command.ts";
import type { CommandContext } from "./context.ts";
import {
  DECREMENT_OVERFLOW,
  NAN_OR_INFINITY,
  NOT_A_FLOAT,
  NOT_AN_INTEGER,
  OVERFLOW,
} from "./errors.ts";
import { placeOf } from "./places.ts";

const group = "string";

/**
 * Adds to the integer value of a key, which is 0 if the key does not exist. The key keeps its
 * expiry.
 *
 * @returns The sum; or "not an integer" or "overflow", and then nothing has changed.
 */
export function increment(
  tx: Transaction,
  db: number,
  key: string,
  by: Int64,
): Int64 | "not an integer" | "overflow" {
  const entry = tx.get(db, key);
  let before: Int64 | undefined = 0;
  if (entry !== undefined) {
    const { value } = entry;
    before = value.length > MAX_INT64_CHARS ? undefined : parseInt64(valueText(value));
    if (before === undefined) return "not an integer";
  }
  const sum = addInt64(before, by);
  if (sum === undefined) return "overflow";
  tx.put(db, key, String(sum), entry?.expiresAtMs ?? 0);
  return sum;
}

function incrementWork(request: Request, db: number, by: Int64): KeyWork {
  const key = request.text(1);
  return {
    places: placeOf(db, key),
    run(tx): Reply {
      const sum = increment(tx, db, key, by);
      if (sum === "not an integer") return NOT_AN_INTEGER;
      return sum === "overflow" ? OVERFLOW : sum;
    },
  };
}

function incrby(request: Request, { db }: CommandContext): KeyWork {
  return incrementWork(request, db, integer(request, 2));
}

function decrby(request: Request, { db }: CommandContext): KeyWork {
  const by = negateInt64(integer(request, 2));
  if (by === undefined) throw DECREMENT_OVERFLOW;
  return incrementWork(request, db, by);
}

function incrbyfloat(request: Request, { db }: CommandContext): KeyWork {
  const key = request.text(1), by = request.text(2);
  return {
    places: placeOf(db, key),
    run(tx) {
      const entry = tx.get(db, key);
      const before = entry === undefined ? "0" : valueText(entry.value);
      if (!isDecimal(before) || !isDecimal(by)) return NOT_A_FLOAT;
      const result = addDecimals(before, by);
      if (!result.ok) return NAN_OR_INFINITY;
      tx.put(db, key, result.sum, entry?.expiresAtMs ?? 0);
      return result.sum;
    },
  };
}

const flags = ["write", "denyoom", "fast"];

/** INCR and its variants. */
export const COUNTER_COMMANDS: readonly Command[] = [
  {
    name: "incr",
    arity: 2,
    flags,
    keys: ONE_KEY,
    group,
    summary: "Adds one to the integer value of a key.",
    since: "1.0.0",
    action: {
      kind: "keys",
      prepare: (request, { db }) => incrementWork(request, db, 1),
      bytes: incrementBytes(1),
    },
  },
  {
    name: "decr",
    arity: 2,
    flags,
    keys: ONE_KEY,
    group,
    summary: "Subtracts one from the integer value of a key.",
    since: "1.0.0",
    action: {
      kind: "keys",
      prepare: (request, { db }) => incrementWork(request, db, -1),
      bytes: incrementBytes(-1),
    },
  },
  {
    name: "incrby",
    arity: 3,
    flags,
    keys: ONE_KEY,
    group,
    summary: "Adds to the integer value of a key.",
    since: "1.0.0",
    action: { kind: "keys", prepare: incrby, bytes: incrementBytes(1) },
  },
  {
    name: "decrby",
    arity: 3,
    flags,
    keys: ONE_KEY,
    group,
    summary: "Subtracts from the integer value of a key.",
    since: "1.0.0",
    action: { kind: "keys", prepare: decrby, bytes: incrementBytes(-1) },
  },
  {
    name: "incrbyfloat",
    arity: 3,
    flags,
    keys: ONE_KEY,
    group,
    summary: "Adds to the floating-point value of a key.",
    since: "2.6.0",
    action: { kind: "keys", prepare: incrbyfloat },
  },
];
