/**
 * Changes of keys as the lines that FOLLOW sends.
 *
 * @module
 */

import { joinBytes } from "../../join_bytes.ts";
import type { Value } from "../../storage/value.ts";
import { Turn } from "../../turn.ts";
import type { Change } from "../changes/change.ts";
import { TEXT_SPACE } from "./commands.ts";
import { TextWriter } from "./writer.ts";

/**
 * The line for a change, with its newline.
 *
 * @param prefix Only keys with this prefix matter.
 * @returns `undefined` if the change does not concern the followers of that prefix: the key or the
 * database is another one, or only its time to live has changed.
 */
export function changeLine(
  change: Change,
  prefix: string,
): Promise<Uint8Array> | undefined {
  switch (change.kind) {
    case "put": {
      const { command = "", place, value } = change;
      if (TIMES_ONLY.has(command) || !isBelow(place, prefix)) return undefined;
      return lineOf("PUT", place.key, value);
    }
    case "delete":
    case "evicted":
      return isBelow(change.place, prefix) ? lineOf("DELETE", change.place.key) : undefined;
    case "expired":
      return isBelow(change.place, prefix) ? lineOf("EXPIRE", change.place.key) : undefined;
    case "cleared":
      return change.space === TEXT_SPACE ? lineOf("CLEAR") : undefined;
    case "swapped":
      return change.a === TEXT_SPACE || change.b === TEXT_SPACE ? lineOf("SWAP") : undefined;
    case "missed":
      return undefined;
  }
}

/** Commands that write the same value again, to set when it expires. */
const TIMES_ONLY: ReadonlySet<string> = new Set([
  "expire",
  "expireat",
  "getex",
  "persist",
  "pexpire",
  "pexpireat",
]);

function isBelow({ space, key }: { space: number; key: string }, prefix: string): boolean {
  return space === TEXT_SPACE && key.startsWith(prefix);
}

/** Escapes a key and a value. A long value is escaped in turns. */
async function lineOf(word: string, key?: string, value?: Value): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const turn = new Turn();
  const sink = {
    write: async (bytes: Uint8Array) => {
      parts.push(bytes.slice());
      if (turn.over) await turn.next();
    },
  };
  const writer = new TextWriter();
  writer.text(word);
  if (key !== undefined) {
    writer.text(" ");
    await writer.value(key, "key", sink);
  }
  if (value !== undefined) {
    writer.text(" ");
    await writer.value(value, "value", sink);
  }
  writer.text("\n");
  await writer.flush(sink);
  return joinBytes(parts);
}
