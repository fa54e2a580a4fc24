/**
 * Runs the commands of the text protocol.
 *
 * @module
 */

import {
  type Entry,
  type MaybePromise,
  OutOfMemoryError,
  StorageUnavailableError,
  type Store,
  type Transaction,
} from "../../storage/store.ts";
import { sameValue, type Value } from "../../storage/value.ts";
import { label } from "../changes/change.ts";
import { increment } from "../commands/counters.ts";
import type { Int64 } from "../int64.ts";
import { FORMS, type TextCommand, TextError } from "./parser.ts";

/** The space of the text protocol: database 0 of Redis. */
export const TEXT_SPACE = 0;

// See `Store.transact`.
const READ_ONLY = { readOnly: true };
const BLIND = { blind: true };

/** A line of a reply: text, or a value that is still to be escaped and follows the word VALUE. */
export type ReplyLine = string | { value: Value };

/** A reply: one line, or one for each key. */
export type TextReply = ReplyLine | readonly ReplyLine[];

type Increment = ReturnType<typeof increment>;

/** A command whose reply is built in memory: all but LIST and FOLLOW. */
export type PlainCommand = Exclude<TextCommand, { name: "list" | "follow" }>;

/** Runs a command. */
export function runText(command: PlainCommand, store: Store): MaybePromise<TextReply> {
  switch (command.name) {
    case "put": {
      const wait = store.put(TEXT_SPACE, command.key, command.value, 0);
      return wait === undefined ? "OK" : wait.then(answerOk);
    }
    case "get": {
      const entry = store.get(TEXT_SPACE, command.key);
      return entry instanceof Promise ? entry.then(valueReply) : valueReply(entry);
    }
    case "mget": {
      const places = command.keys.map((key) => ({ space: TEXT_SPACE, key }));
      const run = (tx: Transaction) => places.map(({ key }) => valueReply(tx.get(TEXT_SPACE, key)));
      return store.transact(places, run, READ_ONLY);
    }
    case "count":
      return store.transactSpaces((tx) => tx.count(TEXT_SPACE), READ_ONLY)
        .then(({ keys }) => `VALUE ${keys}`);
    case "help":
      return `COMMANDS ${Object.values(FORMS).join(" | ")}`;
    case "quit":
      return "OK";
    default:
      return runOnKey(command, store);
  }
}

/** A command that runs as a transaction on one key. */
type KeyCommand = Exclude<
  PlainCommand,
  { name: "put" | "get" | "mget" | "count" | "help" | "quit" }
>;

function runOnKey(command: KeyCommand, store: Store): MaybePromise<TextReply> {
  const { key } = command;
  return store.transact([{ space: TEXT_SPACE, key }], (tx): TextReply => {
    label(tx, command.name);
    switch (command.name) {
      case "delete":
        return found(tx.delete(TEXT_SPACE, key));
      case "exists":
        return found(tx.get(TEXT_SPACE, key) !== undefined);
      case "incr":
        return incrementReply(increment(tx, TEXT_SPACE, key, command.by));
      case "increx": {
        const sum = increment(tx, TEXT_SPACE, key, command.by);
        const entry = tx.get(TEXT_SPACE, key);
        // Only the first increment starts the time, so a client cannot prolong it by asking again.
        if (isSum(sum) && entry?.expiresAtMs === 0) {
          tx.put(TEXT_SPACE, key, entry.value, expiresAtMs(tx, command));
        }
        return incrementReply(sum);
      }
      case "putnx":
        if (tx.get(TEXT_SPACE, key) !== undefined) return "EXISTS";
        tx.put(TEXT_SPACE, key, command.value, 0);
        return "OK";
      case "putex":
        tx.put(TEXT_SPACE, key, command.value, expiresAtMs(tx, command));
        return "OK";
      default: {
        const entry = tx.get(TEXT_SPACE, key);
        return entry === undefined ? "NOT_FOUND" : runOnEntry(command, entry, tx);
      }
    }
  }, optionsOf(command.name));
}

/** A command that does nothing unless the key exists. */
type EntryCommand = Extract<
  KeyCommand,
  { name: "cas" | "deleteif" | "ttl" | "expire" | "persist" }
>;

function runOnEntry(command: EntryCommand, entry: Entry, tx: Transaction): TextReply {
  const { key } = command;
  switch (command.name) {
    case "cas":
      if (!sameValue(entry.value, command.expected)) return "CONFLICT";
      tx.put(TEXT_SPACE, key, command.value, 0);
      return "OK";
    case "deleteif":
      if (!sameValue(entry.value, command.value)) return "CONFLICT";
      tx.delete(TEXT_SPACE, key);
      return "OK";
    case "ttl": {
      if (entry.expiresAtMs === 0) return "NO_TTL";
      const leftMs = Math.max(0, entry.expiresAtMs - tx.nowMs);
      // To the nearest second, as Redis does.
      return `VALUE ${Math.floor((leftMs + 500) / 1000)}`;
    }
    case "expire":
      tx.put(TEXT_SPACE, key, entry.value, expiresAtMs(tx, command));
      return "OK";
    case "persist":
      if (entry.expiresAtMs === 0) return "NO_TTL";
      tx.put(TEXT_SPACE, key, entry.value, 0);
      return "OK";
  }
}

function optionsOf(name: KeyCommand["name"]): { readOnly?: boolean; blind?: boolean } | undefined {
  if (name === "exists" || name === "ttl") return READ_ONLY;
  return name === "putex" ? BLIND : undefined;
}

function expiresAtMs(tx: Transaction, { seconds }: { seconds: number }): number {
  return tx.nowMs + 1000 * seconds;
}

/**
 * The reply for an error that a client may see.
 *
 * @throws Any other error, which is a bug.
 */
export function errorReply(error: unknown): string {
  if (error instanceof OutOfMemoryError) return "ERR out of memory";
  if (error instanceof TextError || error instanceof StorageUnavailableError) {
    return `ERR ${error.message.replace(/[\r\n]/g, " ")}`;
  }
  throw error;
}

function answerOk(): TextReply {
  return "OK";
}

function found(whether: boolean): TextReply {
  return whether ? "OK" : "NOT_FOUND";
}

function isSum(result: Increment): result is Int64 {
  return result !== "not an integer" && result !== "overflow";
}

function incrementReply(result: Increment): ReplyLine {
  if (result === "not an integer") return "ERR the value is not a whole number of 64 bits";
  if (result === "overflow") return "ERR the sum does not fit into 64 bits";
  return `VALUE ${result}`;
}

function valueReply(entry: Entry | undefined): ReplyLine {
  return entry === undefined ? "NOT_FOUND" : entry;
}
