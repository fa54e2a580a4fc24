/**
 * The format of records, and the bytes by which they are sorted.
 *
 * @module
 */

import { formatSortOrder, type OrderWords, parseSortOrder } from "../keys/sort_order.ts";

/** The format of a file of records. Plain data, sent to peers and workers as it is. */
export interface RecordFormat {
  /** Size of each record in bytes; 0 for lines, which end with a newline. */
  recordBytes: number;
  /** Offset of the key in a record or line. */
  keyStart: number;
  /** Offset of the end of the key, exclusive. A line that ends before has a shorter key. */
  keyEnd: number;
  /** The longest line, without its newline. @default {DEFAULT_MAX_LINE_BYTES} */
  maxLineBytes?: number;
  /** How lines are ordered, if not by the bytes from `keyStart` to `keyEnd`. */
  order?: OrderWords;
  /** What becomes of entries with equal keys. By default, all are kept. */
  reduce?: Reduction;
  /** How many entries are wanted: the most frequent if they are counted, otherwise the first. */
  top?: number;
}

/**
 * What becomes of entries with equal keys: the first in the order of nodes and inputs is kept, alone or
 * with the number of them.
 */
export type Reduction = "unique" | "count";

/** The most entries of a `top`: node 0 keeps them in memory. */
export const MAX_TOP = 10_000;

/** The largest record. It is also the size of a slot, the unit in which entries are sent and kept. */
export const MAX_ENTRY_BYTES = 64 * 1024;

/** The size of the count in front of each entry while a sort reduces. */
export const COUNT_BYTES = 4;

/** The longest line that a format may allow: an eighth of the most memory that a sort may have. */
export const MAX_LINE_BYTES = 512 * 1024 * 1024;

/** A line may take this part of the memory of a sort. */
export const MAX_LINE_PART = 1 / 8;

/** The longest line of a format that does not say. */
export const DEFAULT_MAX_LINE_BYTES = 1024 * 1024;

/** Records of 100 bytes with a key of 10 bytes, as in the sort benchmarks. */
export const DEFAULT_RECORD_FORMAT: RecordFormat = { recordBytes: 100, keyStart: 0, keyEnd: 10 };

/** A record format in the form of options. */
export interface RecordFormatText {
  /** Size of a record in bytes, such as "100". */
  record?: string | undefined;
  /** Start and exclusive end of the key, such as "0:10". */
  key?: string | undefined;
  /** The records are lines. An order implies it. */
  lines?: boolean | undefined;
  /** The longest line in bytes. */
  maxLineBytes?: number | undefined;
  /** The order of lines, as options of `sort`; empty for none. `-u` may be among them. */
  order?: OrderWords | undefined;
  /** Each key is wanted once, with its count. */
  count?: boolean | undefined;
  /** How many entries are wanted, such as "10". */
  top?: string | undefined;
}

/**
 * Parses a record format. Without a key, records of 100 bytes are sorted by their first 10 bytes, and
 * all others by all of their bytes.
 *
 * @throws {SyntaxError} If a part of it is malformed or out of range, or contradicts another.
 */
export function parseRecordFormat(text: RecordFormatText): RecordFormat {
  const parsed = parseSortOrder(text.order ?? []);
  const order = formatSortOrder(parsed);
  const operation = parseOperation(parsed.unique, text);
  const lines = text.lines || order.length > 0;
  if (lines && text.record !== undefined) {
    throw new SyntaxError('Cannot use "lines" and "record" together: lines have no fixed size');
  }
  if (order.length > 0 && text.key !== undefined) {
    throw new SyntaxError(`Cannot use the bytes "${text.key}" as a key together with fields`);
  }
  const recordBytes = lines ? 0 : parseRecordBytes(text.record ?? "100", operation);
  const more = lines
    ? {
      ...(text.maxLineBytes === undefined ? {} : { maxLineBytes: text.maxLineBytes }),
      ...(order.length === 0 ? {} : { order }),
      ...operation,
    }
    : operation;
  const end = lines ? MAX_LINE_BYTES : recordBytes;
  if (text.key === undefined) {
    return recordBytes === DEFAULT_RECORD_FORMAT.recordBytes
      ? { ...DEFAULT_RECORD_FORMAT, ...more }
      : { recordBytes, keyStart: 0, keyEnd: end, ...more };
  }
  const match = /^(\d{1,9}):(\d{1,9})$/.exec(text.key);
  const [keyStart, keyEnd] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || keyStart >= keyEnd || keyEnd > end) {
    throw new SyntaxError(
      `Cannot read "${text.key}" as a key: expected "first:end" in bytes, ` +
        `with first below end and end at most ${end}`,
    );
  }
  return { recordBytes, keyStart, keyEnd, ...more };
}

function parseOperation(
  unique: boolean,
  { count = false, top }: RecordFormatText,
): Pick<RecordFormat, "reduce" | "top"> {
  if (unique && count) {
    throw new SyntaxError("unique (-u) and count cannot be used together: a count has unique keys");
  }
  if (top !== undefined && !isTop(/^\d{1,6}$/.test(top) ? Number(top) : 0)) {
    throw new SyntaxError(`Cannot use "${top}" as top: expected a number from 1 to ${MAX_TOP}`);
  }
  return {
    ...(unique ? { reduce: "unique" } : count ? { reduce: "count" } : {}),
    ...(top === undefined ? {} : { top: Number(top) }),
  };
}

function isTop(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_TOP;
}

function parseRecordBytes(text: string, { reduce }: Pick<RecordFormat, "reduce">): number {
  const bytes = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  const most = maxRecordBytes(reduce);
  if (bytes < 1 || bytes > most) {
    throw new SyntaxError(
      `Cannot read "${text}" as the size of a record: expected 1 to ${most} bytes`,
    );
  }
  return bytes;
}

/** The largest record: it has to fit in a slot, with its count. */
function maxRecordBytes(reduce: unknown): number {
  return reduce === undefined ? MAX_ENTRY_BYTES : MAX_ENTRY_BYTES - COUNT_BYTES;
}

/** Whether a received value is a valid format. */
export function isRecordFormat(value: unknown): value is RecordFormat {
  const { recordBytes, keyStart, keyEnd, maxLineBytes = 1, order, reduce, top } =
    (value ?? {}) as Record<string, unknown>;
  if (reduce !== undefined && reduce !== "unique" && reduce !== "count") return false;
  if (top !== undefined && !isTop(top)) return false;
  return isSize(recordBytes) && recordBytes <= maxRecordBytes(reduce) && isSize(keyStart) &&
    isSize(keyEnd) && keyStart < keyEnd && keyEnd <= (recordBytes || MAX_LINE_BYTES) &&
    isSize(maxLineBytes) && maxLineBytes > 0 && (order === undefined || isOrder(order));
}

function isSize(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_LINE_BYTES;
}

function isOrder(value: unknown): value is OrderWords {
  if (!Array.isArray(value) || !value.every((word) => typeof word === "string")) return false;
  try {
    parseSortOrder(value);
    return true;
  } catch {
    return false;
  }
}

/** Describes a format in words. */
export function formatRecordFormat(format: RecordFormat): string {
  const { recordBytes, keyStart, keyEnd, order } = format;
  const key = order ? `order ${order.join(" ")}` : `key ${keyStart}:${keyEnd}`;
  const operation = formatOperation(format);
  const rest = operation === "" ? key : `${key}, ${operation}`;
  return recordBytes === 0
    ? `lines of up to ${maxLineOf(format)} bytes, ${rest}`
    : `records of ${recordBytes} bytes, ${rest}`;
}

/** The operation of a format, such as "count top=10"; empty if it only sorts. */
export function formatOperation({ reduce, top }: RecordFormat): string {
  return [reduce ?? "", top === undefined ? "" : `top=${top}`].filter(Boolean).join(" ");
}

/** Whether two formats are the same. */
export function sameRecordFormat(a: RecordFormat, b: RecordFormat): boolean {
  return a.recordBytes === b.recordBytes && a.keyStart === b.keyStart && a.keyEnd === b.keyEnd &&
    maxLineOf(a) === maxLineOf(b) && formatOperation(a) === formatOperation(b) &&
    (a.order ?? []).join("\n") === (b.order ?? []).join("\n");
}

/** The fields of a received format, and no others. */
export function copyRecordFormat(format: RecordFormat): RecordFormat {
  const { recordBytes, keyStart, keyEnd, maxLineBytes, order, reduce, top } = format;
  return {
    recordBytes,
    keyStart,
    keyEnd,
    ...(maxLineBytes === undefined ? {} : { maxLineBytes }),
    ...(order === undefined ? {} : { order: [...order] }),
    ...(reduce === undefined ? {} : { reduce }),
    ...(top === undefined ? {} : { top }),
  };
}

/** Whether an output has other entries than the inputs: fewer, or with counts. */
export function isReducing({ reduce, top }: RecordFormat): boolean {
  return reduce !== undefined || top !== undefined;
}

/** The bytes in front of an entry that hold its count, see counted_entry.ts. */
export function countBytesOf({ reduce }: RecordFormat): number {
  return reduce === undefined ? 0 : COUNT_BYTES;
}

/** The longest line of a format, without its newline. */
export function maxLineOf({ maxLineBytes = DEFAULT_MAX_LINE_BYTES }: RecordFormat): number {
  return maxLineBytes;
}

/** Compares two keys as unsigned bytes; a key sorts after its prefixes. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** The key of an entry, which is a record or a line without newline. */
export function keyOf(format: RecordFormat, entry: Uint8Array): Uint8Array {
  return entry.subarray(format.keyStart, format.keyEnd);
}
