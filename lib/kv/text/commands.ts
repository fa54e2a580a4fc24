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
} from "../../storage/store.ts";
import { sameValue, type Value } from "../../storage/value.ts";
import { increment } from "../commands/counters.ts";
import { FORMS, type TextCommand, TextError } from "./parser.ts";

/** The space of the text protocol: database 0 of Redis. */
export const TEXT_SPACE = 0;

// See `Store.transact`.
const READ_ONLY = { readOnly: true };
const BLIND = { blind: true };

/** A reply: a line, or a value that is still to be escaped and follows the word VALUE. */
export type TextReply = string | { value: Value };

/** A command whose reply is built in memory: all but LIST. */
export type PlainCommand = Exclude<TextCommand, { name: "list" }>;

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
type KeyCommand = Exclude<PlainCommand, { name: "put" | "get" | "count" | "help" | "quit" }>;

function runOnKey(command: KeyCommand, store: Store): MaybePromise<TextReply> {
  const { key } = command;
  return store.transact([{ space: TEXT_SPACE, key }], (tx): TextReply => {
    switch (command.name) {
      case "delete":
        return found(tx.delete(TEXT_SPACE, key));
      case "exists":
        return found(tx.get(TEXT_SPACE, key) !== undefined);
      case "incr": {
        const sum = increment(tx, TEXT_SPACE, key, command.by);
        if (sum === "not an integer") return "ERR the value is not a whole number of 64 bits";
        if (sum === "overflow") return "ERR the sum does not fit into 64 bits";
        return `VALUE ${sum}`;
      }
      case "cas": {
        const entry = tx.get(TEXT_SPACE, key);
        if (entry === undefined) return "NOT_FOUND";
        if (!sameValue(entry.value, command.expected)) return "CONFLICT";
        tx.put(TEXT_SPACE, key, command.value, 0);
        return "OK";
      }
      case "putex":
        tx.put(TEXT_SPACE, key, command.value, tx.nowMs + 1000 * command.seconds);
        return "OK";
    }
  }, command.name === "exists" ? READ_ONLY : command.name === "putex" ? BLIND : undefined);
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

function valueReply(entry: Entry | undefined): TextReply {
  return entry === undefined ? "NOT_FOUND" : entry;
}
