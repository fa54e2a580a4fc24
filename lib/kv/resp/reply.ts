/**
 * Replies to commands, independent of the protocol version in which they are encoded.
 *
 * @module
 */

import type { Value } from "../../storage/value.ts";
import type { EncodedItems } from "./item_encoder.ts";

/** A simple string such as `OK`. */
export class SimpleString {
  constructor(readonly text: string) {}
}

/** An error, as a reply or thrown. Its message is sent to the client and starts with the code. */
export class ErrorReply extends Error {
  override name = "ErrorReply";
}

/** A map; a flat array in RESP2. */
export class ReplyMap {
  constructor(readonly pairs: readonly (readonly [Reply, Reply])[]) {}
}

/** A set; an array in RESP2. */
export class ReplySet {
  constructor(readonly items: readonly Reply[]) {}
}

/** A verbatim string: text for people. A bulk string in RESP2. */
export class Verbatim {
  constructor(readonly text: string) {}
}

/** Data that is no reply to a command, such as a message; an array in RESP2. */
export class Push {
  constructor(readonly items: readonly Reply[]) {}
}

/** What SUBSCRIBE and its like send: one push for each channel, and no reply of their own. */
export class Pushes {
  constructor(readonly all: readonly (Push | ErrorReply)[]) {}
}

/**
 * A reply. Strings and bytes are bulk strings, `null` is a missing value, and booleans are 1 and 0 in
 * RESP2.
 */
export type Reply =
  | Value
  | number
  | bigint
  | boolean
  | null
  | readonly Reply[]
  | EncodedItems
  | SimpleString
  | ErrorReply
  | ReplyMap
  | ReplySet
  | Verbatim
  | Push
  | Pushes
  | typeof NULL_ARRAY
  | typeof NO_REPLY;

/** Status replies that many commands share. */
export const OK = new SimpleString("OK");
export const PONG = new SimpleString("PONG");
export const QUEUED = new SimpleString("QUEUED");

/** A missing array. RESP3 has the same null for this and for a missing value. */
export const NULL_ARRAY = Symbol("null array");

/** Tells the writer to send nothing. */
export const NO_REPLY = Symbol("no reply");
