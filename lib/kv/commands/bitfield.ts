/**
 * BITFIELD: reads and writes integers of any width inside a value.
 *
 * @module
 */

import type { Place, Transaction } from "../../storage/store.ts";
import { copyValue, valueBytes, valueOf } from "../../storage/value.ts";
import { int64, parseInt64 } from "../int64.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { integer } from "./arguments.ts";
import {
  bytesUpTo,
  type FieldType,
  fitField,
  type OverflowRule,
  readField,
  writeField,
} from "./bit_fields.ts";
import { bitOffset } from "./bits.ts";
import { ONE_KEY } from "./catalogue.ts";
import type { Command, KeyWork } from "./command.ts";
import type { CommandContext } from "./context.ts";
import { SYNTAX_ERROR, VALUE_TOO_LONG } from "./errors.ts";
import { placeOf } from "./places.ts";
import { lengthOf, readPart, writePart } from "./value_part.ts";

const group = "bitmap";

/** The maximum number of operations in one command, so that it holds the thread only for a moment. */
const MAX_OPERATIONS = 4096;

/** A longer value is changed in place. */
const MAX_COPY_BYTES = 16 * 1024;

const INVALID_TYPE = new ErrorReply(
  "ERR Invalid bitfield type. Use something like i16 u8. " +
    "Note that u64 is not supported but i64 is.",
);
const INVALID_OVERFLOW = new ErrorReply("ERR Invalid OVERFLOW type specified");
const ONLY_GET = new ErrorReply("ERR BITFIELD_RO only supports the GET subcommand");
const TOO_MANY = new ErrorReply(`ERR BITFIELD takes at most ${MAX_OPERATIONS} operations`);

/** One GET, SET or INCRBY. */
interface Operation {
  kind: "get" | "set" | "incrby";
  type: FieldType;
  /** The first bit of the field. */
  offset: number;
  /** The new value of SET, or the increment. */
  amount: bigint;
  overflow: OverflowRule;
}

/** The number of arguments after the name of an operation. */
const OPERANDS: Readonly<Record<string, number>> = { GET: 2, SET: 3, INCRBY: 3, OVERFLOW: 1 };

function parseOperations(request: Request, maxValueBytes: number): Operation[] {
  const operations: Operation[] = [];
  let overflow: OverflowRule = "wrap";
  for (let at = 2; at < request.count;) {
    const name = request.option(at);
    const operands = Object.hasOwn(OPERANDS, name) ? OPERANDS[name]! : Infinity;
    if (at + operands >= request.count) throw SYNTAX_ERROR;
    if (name === "OVERFLOW") {
      overflow = overflowRule(request, at + 1);
    } else {
      if (operations.length === MAX_OPERATIONS) throw TOO_MANY;
      const type = fieldType(request.text(at + 1));
      operations.push({
        kind: name.toLowerCase() as Operation["kind"],
        type,
        offset: fieldOffset(request.text(at + 2), type, maxValueBytes),
        amount: name === "GET" ? 0n : BigInt(integer(request, at + 3)),
        overflow,
      });
    }
    at += operands + 1;
  }
  return operations;
}

function overflowRule(request: Request, index: number): OverflowRule {
  const rule = request.option(index);
  if (rule !== "WRAP" && rule !== "SAT" && rule !== "FAIL") throw INVALID_OVERFLOW;
  return rule.toLowerCase() as OverflowRule;
}

function fieldType(text: string): FieldType {
  const signed = text.startsWith("i");
  const bits = signed || text.startsWith("u") ? parseInt64(text.slice(1)) : undefined;
  if (bits === undefined || bits < 1 || bits > (signed ? 64 : 63)) throw INVALID_TYPE;
  return { signed, bits: Number(bits) };
}

/** The offset of a field: of its first bit, or after `#` a count of fields of the same width. */
function fieldOffset(text: string, { bits }: FieldType, maxValueBytes: number): number {
  if (!text.startsWith("#")) return bitOffset(text, maxValueBytes);
  return bits * bitOffset(text.slice(1), maxValueBytes / bits);
}

function bitfield(readOnly: boolean) {
  return (request: Request, { db, maxValueBytes }: CommandContext): KeyWork => {
    const operations = parseOperations(request, maxValueBytes);
    const writes = operations.filter(({ kind }) => kind !== "get");
    if (readOnly && writes.length > 0) throw ONLY_GET;
    const needed = writes.reduce(
      (max, { offset, type }) => Math.max(max, bytesUpTo(offset, type)),
      0,
    );
    if (needed > maxValueBytes) throw VALUE_TOO_LONG;
    const places = placeOf(db, request.text(1)), [place] = places;
    return {
      places,
      run(tx): Reply {
        const length = lengthOf(tx, place);
        if (Math.max(length, needed) > MAX_COPY_BYTES) {
          if (needed > length) writePart(tx, place, { offset: needed - 1, part: "\0" });
          return operations.map((operation) => applyInPlace(operation, tx, place));
        }
        const entry = tx.get(place.space, place.key);
        const before = valueBytes(entry?.value ?? "");
        const bytes = new Uint8Array(Math.max(before.length, needed));
        bytes.set(before);
        const replies = operations.map((operation) => apply(operation, bytes));
        if (writes.length > 0) {
          tx.put(place.space, place.key, valueOf(bytes), entry?.expiresAtMs ?? 0);
        }
        return replies;
      },
    };
  };
}

/** Runs one operation on the bytes that it needs of a long value. */
function applyInPlace(operation: Operation, tx: Transaction, place: Place): Reply {
  const { kind, type, offset } = operation;
  const start = Math.floor(offset / 8), end = bytesUpTo(offset, type);
  const bytes = new Uint8Array(end - start);
  copyValue(readPart(tx, place, { start, end }), bytes, 0);
  const reply = apply({ ...operation, offset: offset - 8 * start }, bytes);
  if (kind !== "get" && reply !== null) {
    writePart(tx, place, { offset: start, part: valueOf(bytes) });
  }
  return reply;
}

/** Runs one operation; returns its reply. */
function apply(operation: Operation, bytes: Uint8Array): Reply {
  const { kind, type, offset, amount, overflow } = operation;
  const before = readField(bytes, offset, type);
  if (kind === "get") return reply(before);
  // Redis takes the new value of an unsigned field as an unsigned number of 64 bits.
  const wanted = kind === "incrby"
    ? before + amount
    : type.signed
    ? amount
    : BigInt.asUintN(64, amount);
  const after = fitField(wanted, type, overflow);
  if (after === undefined) return null;
  writeField(bytes, after, { offset, type });
  return reply(kind === "set" ? before : after);
}

/** A field's value as a reply: it has at most 64 bits. */
function reply(value: bigint): Reply {
  return int64(value)!;
}

/** BITFIELD and BITFIELD_RO. */
export const BITFIELD_COMMANDS: readonly Command[] = [
  {
    name: "bitfield",
    arity: -2,
    flags: ["write", "denyoom"],
    keys: ONE_KEY,
    group,
    summary: "Reads and writes integers of any width inside a value.",
    since: "3.2.0",
    action: { kind: "keys", prepare: bitfield(false) },
  },
  {
    name: "bitfield_ro",
    arity: -2,
    flags: ["readonly", "fast"],
    keys: ONE_KEY,
    group,
    summary: "Reads integers of any width inside a value.",
    since: "6.0.0",
    action: { kind: "keys", prepare: bitfield(true) },
  },
];
