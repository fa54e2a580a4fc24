/**
 * Conversations in the Redis protocol, with the exact bytes of each reply.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertTimeLeft, type RawClient } from "../support.ts";

/** The reply to TTL: this many seconds, less the time since the conversation started. */
export class SecondsLeft {
  constructor(readonly seconds: number) {}
}

/** A request as words, and its reply without the last line end. */
export type Exchange = [request: string, reply: string | SecondsLeft];

/** Sends requests and checks their replies. Blanks separate words; `''` is an empty word. */
export async function converse(client: RawClient, exchanges: readonly Exchange[]): Promise<void> {
  const startMs = performance.now();
  for (const [request, expected] of exchanges) {
    const words = request.split(" ").map((word) => word === "''" ? "" : word);
    const reply = await client.ask(...words);
    if (typeof expected === "string") {
      assert.equal(reply, `${expected}\r\n`, request);
    } else {
      assert.match(reply, /^:\d+\r\n$/, request);
      assertTimeLeft(Number(reply.slice(1)), { seconds: expected.seconds, startMs });
    }
  }
}

/** A bulk string. */
export const bulk = (text: string) => `$${text.length}\r\n${text}`;
/** An array of bulk strings, which are given separated by blanks. */
export const bulkArray = (words: string) => {
  const all = words.split(" ");
  return [`*${all.length}`, ...all.map(bulk)].join("\r\n");
};
/** Replies that occur often. */
export const OK = "+OK", ZERO = ":0", ONE = ":1", NIL = "$-1";
export const SYNTAX = "-ERR syntax error";
export const NOT_INTEGER = "-ERR value is not an integer or out of range";
