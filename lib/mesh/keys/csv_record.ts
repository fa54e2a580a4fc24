/**
 * Records of CSV (RFC 4180): fields may be quoted, and contain separators, newlines and doubled
 * quotes then.
 *
 * @module
 */

import { skipBlanks } from "./field_range.ts";
import type { FieldPlace, SortKey } from "./sort_order.ts";

const QUOTE = 0x22;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * The end of the record at a position, which is its newline.
 *
 * @param to End of the bytes to look at.
 * @param quoted Whether the position is within quotes.
 * @returns The place of the newline; -1 if it is not among the bytes.
 */
export function endOfRecord(
  bytes: Uint8Array,
  from: number,
  to: number,
  quoted = false,
): number {
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    // Of a doubled quote, the first one ends the quotes and the second one begins them again.
    if (byte === QUOTE) quoted = !quoted;
    else if (byte === NEWLINE && !quoted) return at;
  }
  return -1;
}

/** Counts the quotes among bytes. Behind an odd number of them, a position is within quotes. */
export function countQuotes(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(QUOTE); at >= 0; at = bytes.indexOf(QUOTE, at + 1)) count++;
  return count;
}

/** Takes keys out of records, without the quotes. It keeps its memory between records. */
export class CsvRecord {
  /** Contains the key that `find` found, */
  bytes = new Uint8Array(0);
  /** from here */
  from = 0;
  /** to here. */
  to = 0;
  readonly #separator: number;
  /** The fields from the first to the last one of a key, without their quotes. */
  #text = new Uint8Array(256);
  #length = 0;

  constructor(separator: number) {
    this.#separator = separator;
  }

  /**
   * Finds a key in a record. If it covers several fields, these are joined by separators.
   *
   * @param from Start of the record.
   * @param to Its end, without the newline; a carriage return before that does not count.
   */
  find(record: Uint8Array, from: number, to: number, key: SortKey): void {
    if (to > from && record[to - 1] === RETURN) to--;
    const first = this.#skipFields(record, from, to, key.from.field);
    const lastField = key.to?.field ?? Infinity;
    if (first < 0 || lastField < key.from.field) {
      this.#set(record, to, to);
      return;
    }
    const end = this.#endOfField(record, first, to);
    if (lastField === key.from.field && record[first] !== QUOTE) {
      // The usual case, in which nothing has to be copied.
      this.#cut(record, first, end, first, end, key);
      return;
    }
    this.#length = 0;
    let lastStart = 0;
    let found = key.from.field;
    for (let start = first, stop = end;;) {
      lastStart = this.#length;
      this.#append(record, start, stop);
      if (found === lastField || stop >= to) break;
      this.#push(this.#separator);
      found++;
      start = stop + 1;
      stop = this.#endOfField(record, start, to);
    }
    // A last field that the record does not have ends where the record ends.
    if (found < lastField) lastStart = this.#length;
    this.#cut(this.#text, 0, this.#length, lastStart, this.#length, key);
  }

  #set(bytes: Uint8Array, from: number, to: number): void {
    this.bytes = bytes as Uint8Array<ArrayBuffer>;
    this.from = from;
    this.to = to;
  }

  /** Takes a key out of its fields, by blanks and characters. */
  #cut(
    text: Uint8Array,
    from: number,
    to: number,
    lastStart: number,
    lastEnd: number,
    { from: start, to: end }: SortKey,
  ): void {
    const first = place(text, from, to, start);
    const stop = end && end.char > 0 ? place(text, lastStart, to, end) : lastEnd;
    this.#set(text, first, stop);
  }

  /** The start of the field with this number; -1 if there are fewer. */
  #skipFields(record: Uint8Array, from: number, to: number, field: number): number {
    let at = from;
    for (let left = field; left > 0; left--) {
      at = this.#endOfField(record, at, to) + 1;
      if (at > to) return -1;
    }
    return at;
  }

  #endOfField(record: Uint8Array, from: number, to: number): number {
    let at = from;
    if (record[at] === QUOTE && at < to) {
      at++;
      for (; at < to; at++) {
        if (record[at] !== QUOTE) continue;
        if (record[at + 1] !== QUOTE || at + 1 >= to) break;
        at++;
      }
    }
    while (at < to && record[at] !== this.#separator) at++;
    return at;
  }

  /** Appends a field without its quotes. Bytes after the closing quote are kept as they are. */
  #append(record: Uint8Array, from: number, to: number): void {
    let quoted = from < to && record[from] === QUOTE;
    for (let at = quoted ? from + 1 : from; at < to; at++) {
      const byte = record[at]!;
      if (quoted && byte === QUOTE) {
        if (at + 1 < to && record[at + 1] === QUOTE) at++;
        else {
          quoted = false;
          continue;
        }
      }
      this.#push(byte);
    }
  }

  #push(byte: number): void {
    if (this.#length === this.#text.length) {
      const larger = new Uint8Array(2 * this.#text.length);
      larger.set(this.#text);
      this.#text = larger;
    }
    this.#text[this.#length++] = byte;
  }
}

function place(
  text: Uint8Array,
  from: number,
  to: number,
  { skipBlanks: skips, char }: FieldPlace,
) {
  const at = skips ? skipBlanks(text, from, to) : from;
  return Math.min(to, at + char);
}
