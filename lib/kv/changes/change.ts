/**
 * Changes of keys, as those hear of them that follow the store.
 *
 * @module
 */

import type { Place } from "../../storage/store.ts";
import type { Value } from "../../storage/value.ts";

/** One change. The name of a command is in lower case; `undefined` for a plain write of a value. */
export type Change =
  | {
    kind: "put";
    place: Place;
    value: Value;
    /** 0 for never. */
    expiresAtMs: number;
    /** What it was before; `undefined` if there was none, or it is not known. */
    beforeMs: number | undefined;
    /** Whether the key is new; known only if `Followed.news` was set. */
    isNew: boolean;
    command: string | undefined;
  }
  | { kind: "delete"; place: Place; command: string | undefined }
  /** The store has removed a key. */
  | { kind: "expired" | "evicted"; place: Place }
  /** A command that reads has not found a key. */
  | { kind: "missed"; place: Place }
  /** All keys of a space were removed. */
  | { kind: "cleared"; space: number }
  /** Two spaces were exchanged. */
  | { kind: "swapped"; a: number; b: number };

/** Which of the keys that a command looks up count as missed: all, none, or only the first. */
export type Misses = boolean | "first";

/** A transaction that is told which command makes its next changes. */
export interface Labelled {
  /** The name of the command in lower case. */
  command: string | undefined;
  /** Which keys count as missed if the command does not find them. */
  misses: Misses;
}

/** Tells a transaction which command makes its next changes, if that matters to it. */
export function label(transaction: object, command: string, misses: Misses = false): void {
  if (!("misses" in transaction)) return;
  const labelled = transaction as Labelled;
  labelled.command = command;
  labelled.misses = misses;
}
