/**
 * The value of `notify-keyspace-events`: which events are sent to which channels.
 *
 * @module
 */

/** The classes that A stands for, in the order in which Redis shows them. */
const ALL = "g$lshzxetd";

/** The letters after them. */
const OTHERS = "KEmn";

/** The message of Redis for a letter that it does not know. */
export const UNKNOWN_EVENT_CLASS = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";

/** Which events to send. */
export interface EventClasses {
  /** Whether to send them to `__keyspace@…`, and to `__keyevent@…`. */
  keyspace: boolean;
  keyevent: boolean;
  /** The letters of the classes. */
  classes: ReadonlySet<string>;
}

/**
 * Parses the letters.
 *
 * @returns `undefined` if one of them is unknown. Those of types other than strings are accepted.
 */
export function parseEventClasses(text: string): EventClasses | undefined {
  const letters = new Set(text.replaceAll("A", ALL));
  for (const letter of letters) {
    if (!ALL.includes(letter) && !OTHERS.includes(letter)) return undefined;
  }
  const keyspace = letters.delete("K"), keyevent = letters.delete("E");
  return { keyspace, keyevent, classes: letters };
}

/** The letters in the form in which Redis shows them. */
export function formatEventClasses({ keyspace, keyevent, classes }: EventClasses): string {
  const all = [...ALL].every((letter) => classes.has(letter));
  let text = all ? "A" : [...ALL].filter((letter) => classes.has(letter)).join("");
  if (keyspace) text += "K";
  if (keyevent) text += "E";
  for (const letter of "mn") if (classes.has(letter)) text += letter;
  return text;
}
