/**
 * What a command answers, before it is written in the version of the protocol that the client
 * speaks.
 *
 * @module
 */

import type { Value } from "../../storage/value.ts";

/** A word such as `OK`. */
export class SimpleString {
  constructor(readonly text: string) {}
}

/** An error, as a reply or thrown. Its message is what the client gets, its code first. */
export class CommandError extends Error {
  override name = "CommandError";
}

/** Pairs; a flat array in RESP2. */
export class ReplyMap {
  constructor(readonly pairs: readonly (readonly [Reply, Reply])[]) {}
}

/** Things without an order; an array in RESP2. */
export class ReplySet {
  constructor(readonly items: readonly Reply[]) {}
}

/** Text for people; a bulk string in RESP2. */
export class Verbatim {
  constructor(readonly text: string) {}
}

/** A reply: strings and bytes are bulk strings, `null` is a value that is not there. */
export type Reply =
  | Value
  | number
  | bigint
  | null
  | readonly Reply[]
  | SimpleString
  | CommandError
  | ReplyMap
  | ReplySet
  | Verbatim
  | typeof NULL_ARRAY
  | typeof NO_REPLY;

/** Status replies that many commands share. */
export const OK = new SimpleString("OK");
export const PONG = new SimpleString("PONG");
export const QUEUED = new SimpleString("QUEUED");

/** An array that is not there; RESP3 has one null for everything. */
export const NULL_ARRAY = Symbol("null array");

/** Nothing is sent. */
export const NO_REPLY = Symbol("no reply");
