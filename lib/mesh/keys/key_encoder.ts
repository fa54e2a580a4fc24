/**
 * Builds the key of a line: bytes that compare as the lines do. They are compared from left to
 * right, so the beginning of a key decides in most cases.
 *
 * A key is its parts one after another. No encoded part is the beginning of another one, so the
 * bytes after a part count only if that part is equal, and complementing its bytes reverses its
 * order. The line itself follows the parts, unless the order is stable: lines with equal keys are
 * then compared by all their bytes, as in `sort` of coreutils.
 *
 * @module
 */

import { CsvRecord } from "./csv_record.ts";
import { endOfField, endOfKey, startOfKey } from "./field_range.ts";
import { JSON_KIND, JsonValue } from "./json_value.ts";
import { KeyWriter } from "./key_writer.ts";
import { putMonth } from "./month_key.ts";
import { putGeneral, putHuman, putNumeric } from "./number_key.ts";
import type { SortKey, SortOrder } from "./sort_order.ts";
import { putVersion } from "./version_key.ts";

/** Builds keys for one order. It keeps its memory between lines. */
export class KeyEncoder {
  /** The bytes of the key that `encode` has built; valid until the next call. */
  get bytes(): Uint8Array {
    return this.#writer.bytes;
  }

  /** The length of that key. */
  get length(): number {
    return this.#writer.length;
  }

  /** Whether the key is longer than the limit, so that its end is missing. */
  get cut(): boolean {
    return this.#writer.cut;
  }

  /** The length of its parts; the rest of it is the line. */
  partsLength = 0;
  /** Whether all parts are there, so that at most the end of the line is missing. */
  partsWhole = false;

  readonly #order: SortOrder;
  readonly #endsWithLine: boolean;
  readonly #writer = new KeyWriter();
  readonly #parts: readonly Part[];

  constructor(order: SortOrder) {
    this.#order = order;
    this.#endsWithLine = !order.stable || order.keys.length === 0;
    this.#parts = order.keys.map((key) => partOf(key, order));
  }

  /**
   * Builds a key.
   *
   * @param line Contains the line.
   * @param from Start of the line.
   * @param to End of the line, without its newline.
   * @param limitBytes The most bytes of the key that are wanted.
   */
  encode(line: Uint8Array, from: number, to: number, limitBytes: number): void {
    const writer = this.#writer;
    writer.begin(limitBytes);
    for (const { key, put } of this.#parts) {
      writer.reversed = key.reverse;
      put(writer, line, from, to);
      if (writer.cut) break;
    }
    this.partsLength = writer.length;
    this.partsWhole = !writer.cut;
    if (!this.#endsWithLine || writer.cut) return;
    writer.reversed = this.#order.reverse;
    // Reversed, a line comes before those that it begins with, so it needs an end mark.
    if (this.#order.reverse) writer.putText(line, from, to);
    else writer.putRest(line, from, to);
  }
}

/** Adds one part of a key. */
type Put = (writer: KeyWriter, line: Uint8Array, from: number, to: number) => void;

interface Part {
  key: SortKey;
  put: Put;
}

function partOf(key: SortKey, { csv, separator }: SortOrder): Part {
  const put = readingOf(key);
  if (key.path) return { key, put: jsonPart(key, put) };
  if (csv) {
    const record = new CsvRecord(separator!);
    return {
      key,
      put: (writer, line, from, to) => {
        record.find(line, from, to, key);
        put(writer, record.bytes, record.from, Math.max(record.from, record.to));
      },
    };
  }
  const { from: start, to: end } = key;
  const isOneField = end !== undefined && start.field === end.field && start.char === 0 &&
    end.char === 0 && !start.skipBlanks;
  return {
    key,
    put: (writer, line, from, to) => {
      const first = startOfKey(line, from, to, start, separator);
      let last = to;
      if (isOneField) last = endOfField(line, first, to, separator);
      else if (end) last = Math.max(first, endOfKey(line, from, to, end, separator));
      put(writer, line, first, last);
    },
  };
}

/** A value of JSON by its kind and then by its value, or by its text if the order has letters for that. */
function jsonPart(key: SortKey, put: Put): Put {
  const value = new JsonValue(key.path!);
  if (key.reading !== "text") {
    return (writer, line, from, to) => {
      value.find(line, from, to);
      put(writer, value.bytes, value.from, value.to);
    };
  }
  return (writer, line, from, to) => {
    value.find(line, from, to);
    writer.put(value.kind);
    if (value.kind === JSON_KIND.NUMBER) putGeneral(writer, value.bytes, value.from, value.to);
    else if (value.kind === JSON_KIND.STRING) put(writer, value.bytes, value.from, value.to);
    else if (value.kind === JSON_KIND.STRUCTURE) {
      writer.putText(value.bytes, value.from, value.to);
    }
  };
}

/** Adds the text of a key as the key says. */
function readingOf({ reading, fold }: SortKey): Put {
  switch (reading) {
    case "numeric":
      return putNumeric;
    case "general":
      return putGeneral;
    case "human":
      // Folded, the lower-case units count as well.
      return fold ? folded(putHuman) : putHuman;
    case "month":
      return putMonth;
    case "version":
      return fold ? folded(putVersion) : putVersion;
    case "text":
      return fold ? putFolded : (writer, line, from, to) => writer.putText(line, from, to);
  }
}

/** Lower-case letters as upper-case ones, all other bytes as they are. */
const FOLD = Uint8Array.from(
  { length: 256 },
  (_, byte) => byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte,
);

function putFolded(writer: KeyWriter, text: Uint8Array, from: number, to: number): void {
  writer.putText(text, from, to, FOLD);
}

function folded(put: Put): Put {
  return (writer, text, from, to) => {
    const upper = text.slice(from, to).map((byte) => FOLD[byte]!);
    put(writer, upper, 0, upper.length);
  };
}
