/**
 * The YAML in the replies of the beanstalk protocol.
 *
 * @module
 */

/** The entries of a dictionary: keys with numbers, or with texts that are valid YAML. */
export type Entries = readonly (readonly [key: string, value: string | number])[];

/** A dictionary. */
export function dictionary(entries: Entries): string {
  return `---\n${entries.map(([key, value]) => `${key}: ${value}\n`).join("")}`;
}

/** A list of dictionaries. */
export function dictionaries(items: readonly Entries[]): string {
  const lines = items.flatMap((entries) =>
    entries.map(([key, value], i) => `${i === 0 ? "-" : " "} ${key}: ${value}\n`)
  );
  return `---\n${lines.join("")}`;
}

/** Milliseconds as whole seconds. */
export function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

/** Quotes a string, on one line of ASCII. */
export function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
