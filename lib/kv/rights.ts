/**
 * The rights that a token can have at kv, and which events of keys they let a client hear.
 *
 * @module
 */

import { GLOBS, rightsTable } from "../config/rights.ts";
import type { Rights } from "../rights.ts";
import { channelOf } from "./pubsub/channel_name.ts";

/** The schema of the rights: globs of keys for "read" and "write", of channels for the others. */
export const kvRights = rightsTable(["read", "write", "publish", "subscribe"], GLOBS);

/** Every name, as a pattern. */
const EVERYTHING = "*";

/** A channel with the events of one key, or a pattern of such channels. */
const KEYSPACE = /^__keyspace@(?:\d+|\*)__:(.*)$/s;

/** A channel with one event of all keys. */
const KEYEVENT = /^__keyevent@/;

/** Whether rights include an action on all keys or channels. */
export function allowsEverything(rights: Rights, action: string): boolean {
  return rights.allowsAll(action, EVERYTHING);
}

/**
 * Whether a client may subscribe to a channel. The events of a key belong to those who may read it.
 *
 * @param channel With one character per byte, as is a key.
 */
export function maySubscribe(rights: Rights, channel: string): boolean {
  const key = KEYSPACE.exec(channel)?.[1];
  if (key !== undefined) return rights.allows("read", key);
  if (KEYEVENT.test(channel)) return allowsEverything(rights, "read");
  return rights.allows("subscribe", channel);
}

/** Whether a client may subscribe to all channels that match a pattern. */
export function mayPatternSubscribe(rights: Rights, pattern: string): boolean {
  const keys = KEYSPACE.exec(pattern)?.[1];
  if (keys !== undefined) return rights.allowsAll("read", keys);
  if (KEYEVENT.test(pattern)) return allowsEverything(rights, "read");
  return rights.allowsAll("subscribe", pattern);
}

/**
 * Whether a client may hear an event of kv, however its subscription came about.
 *
 * @param subject A subject on either bus; see `pubsub/channel_name.ts`.
 */
export function mayHearKeys(rights: Rights, subject: string): boolean {
  const key = KEYSPACE.exec(channelOf(subject))?.[1];
  return key === undefined ? allowsEverything(rights, "read") : rights.allows("read", key);
}
