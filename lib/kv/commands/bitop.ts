/**
 * BITOP: combines the bits of several values.
 *
 * @module
 */

import type { Transaction } from "../../storage/store.ts";
import { type Value, valueBytes, valueOf } from "../../storage/value.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { type BitOperation, combineBits, invertBits } from "./bit_string.ts";
import type { Command, KeyWork } from "./command.ts";
import type { CommandContext } from "./context.ts";
import { SYNTAX_ERROR } from "./errors.ts";
import { placesFrom } from "./places.ts";

/** Longer values are processed in steps of this size, each of which takes about 0.1 ms. */
const STEP_BYTES = 64 * 1024;

/** More values than this are processed in steps, however short they are. */
const MAX_SHORT_VALUES = 1024;

const NOT_OF_ONE = new ErrorReply("ERR BITOP NOT must be called with a single source key.");

function bitop(request: Request, { db }: CommandContext): KeyWork {
  const operation = request.option(1).toLowerCase();
  if (!/^(and|or|xor|not)$/.test(operation)) throw SYNTAX_ERROR;
  if (operation === "not" && request.count !== 4) throw NOT_OF_ONE;
  const target = request.text(2), sources = placesFrom(request, db, 3);
  const read = (tx: Transaction) => {
    const values = sources.map(({ key }) => tx.get(db, key)?.value ?? "");
    return new Combination(values, operation as BitOperation | "not");
  };
  const write = (tx: Transaction, { bytes }: Combination): Reply => {
    if (bytes.length === 0) tx.delete(db, target);
    else tx.put(db, target, valueOf(bytes), 0);
    return bytes.length;
  };
  return {
    places: [{ space: db, key: target }, ...sources],
    run(tx) {
      const combination = read(tx);
      while (!combination.step());
      return write(tx, combination);
    },
    inSteps(tx) {
      const combination = read(tx);
      if (!combination.isLong) return undefined;
      return async (turn) => {
        while (!combination.step()) {
          if (turn.over) await turn.next();
        }
        return (tx) => write(tx, combination);
      };
    },
  };
}

/** Combines values in steps: a part of each one after another, then the next part. */
class Combination {
  /** The result, as long as the longest value. */
  readonly bytes: Uint8Array;
  readonly #operation: BitOperation | "not";
  readonly #values: readonly Value[];
  /** The part and the value that are next. */
  #start = 0;
  #index = 0;

  constructor(values: readonly Value[], operation: BitOperation | "not") {
    this.#values = values;
    this.#operation = operation;
    this.bytes = new Uint8Array(values.reduce((max, { length }) => Math.max(max, length), 0));
  }

  get isLong(): boolean {
    const { length } = this.#values;
    return this.bytes.length * length >= STEP_BYTES || length > MAX_SHORT_VALUES;
  }

  /** Does the next piece of work; returns whether all is done. */
  step(): boolean {
    const { bytes } = this;
    if (this.#start >= bytes.length) return true;
    const start = this.#start, end = Math.min(bytes.length, start + STEP_BYTES);
    const value = valueBytes(this.#values[this.#index]!);
    const operation = this.#operation;
    if (this.#index === 0) bytes.set(value.subarray(start, end), start);
    else if (operation !== "not") combineBits(operation, bytes, value, { start, end });
    if (operation === "not") invertBits(bytes, start, end);
    if (++this.#index === this.#values.length) {
      this.#index = 0;
      this.#start = end;
    }
    return this.#start >= bytes.length;
  }
}

/** BITOP. */
export const BITOP_COMMANDS: readonly Command[] = [
  {
    name: "bitop",
    arity: -4,
    flags: ["write", "denyoom"],
    keys: { first: 2, last: -1, step: 1 },
    group: "bitmap",
    summary: "Combines the bits of values and stores the result.",
    since: "2.6.0",
    action: { kind: "keys", prepare: bitop, alone: true },
  },
];
