/**
 * The events of Redis for changes: which command fires which event, as
 * https://redis.io/docs/latest/develop/use/keyspace-notifications/ lists them.
 *
 * @module
 */

import type { Place } from "../../storage/store.ts";
import type { Change } from "./change.ts";

/** The classes of events that concern strings; see `notify-keyspace-events`. */
export type EventClass = "g" | "$" | "x" | "e" | "n" | "m";

/** An event on a key. */
export interface KeyEvent {
  name: string;
  class: EventClass;
  place: Place;
}

type Put = Change & { kind: "put" };

/** Events of commands that write a string, other than "set". */
const STRING_EVENTS: Readonly<Record<string, string>> = {
  append: "append",
  bitfield: "setbit",
  decr: "incrby",
  decrby: "incrby",
  incr: "incrby",
  incrby: "incrby",
  incrbyfloat: "incrbyfloat",
  increx: "incrby",
  setbit: "setbit",
  setrange: "setrange",
};

/** Events of commands that move a key: of the one that goes, and of the one that comes. */
const MOVES: Readonly<Record<string, { from: string; to: string }>> = {
  copy: { from: "del", to: "copy_to" },
  move: { from: "move_from", to: "move_to" },
  rename: { from: "rename_from", to: "rename_to" },
  renamenx: { from: "rename_from", to: "rename_to" },
};

/** Stands for a SET that leaves the time to live as it is. */
export const SET_KEEPTTL = "set keepttl";

const EXPIRES = ["expire", "pexpire", "expireat", "pexpireat", "getex", "persist"];

/** The events of the changes of one transaction, in order. */
export function eventsOf(changes: readonly Change[]): KeyEvent[] {
  const events: KeyEvent[] = [];
  for (const change of changes) addEvents(change, events);
  return events;
}

function addEvents(change: Change, events: KeyEvent[]): void {
  switch (change.kind) {
    case "put":
      return addPutEvents(change, events);
    case "delete": {
      const { place, command = "" } = change;
      events.push({ name: MOVES[command]?.from ?? "del", class: "g", place });
      return;
    }
    case "expired":
      events.push({ name: "expired", class: "x", place: change.place });
      return;
    case "evicted":
      events.push({ name: "evicted", class: "e", place: change.place });
      return;
    case "missed":
      events.push({ name: "keymiss", class: "m", place: change.place });
      return;
    case "cleared":
    case "swapped":
      // Redis has no events for whole databases.
      return;
  }
}

function addPutEvents(change: Put, events: KeyEvent[]): void {
  const { place, command = "set", expiresAtMs, beforeMs, isNew } = change;
  const move = MOVES[command];
  if (move !== undefined) {
    // Redis adds the new key before it reports that the old one has gone.
    const last = command === "copy" ? events.length : events.length - 1;
    events.splice(last, 0, { name: "new", class: "n", place });
    events.push({ name: move.to, class: "g", place });
    return;
  }
  if (isNew) events.push({ name: "new", class: "n", place });
  if (EXPIRES.includes(command) || (command === "increx" && expiresAtMs !== beforeMs)) {
    events.push({ name: expiresAtMs === 0 ? "persist" : "expire", class: "g", place });
    return;
  }
  const name = STRING_EVENTS[command];
  events.push({ name: name ?? "set", class: "$", place });
  if (name !== undefined || command === SET_KEEPTTL || expiresAtMs === 0) return;
  events.push({ name: "expire", class: "g", place });
}
