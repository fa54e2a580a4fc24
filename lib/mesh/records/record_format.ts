/**
 * The format of records, and the bytes by which they are sorted.
 *
 * @module
 */

/** The format of a file of records. Plain data, sent to peers and workers as it is. */
export interface RecordFormat {
  /** Size of each record in bytes; 0 for lines, which end with a newline. */
  recordBytes: number;
  /** Offset of the key in a record or line. */
  keyStart: number;
  /** Offset of the end of the key, exclusive. A line that ends before has a shorter key. */
  keyEnd: number;
}

/**
 * The largest entry: a record, or a line with the two bytes of its length. It is also the size of a
 * slot, the unit in which entries are sent and kept.
 */
export const MAX_ENTRY_BYTES = 64 * 1024;

/** Size of the length in front of a line in memory and on the wire, little-endian. */
export const LINE_PREFIX_BYTES = 2;

/** The longest line, without its newline. */
export const MAX_LINE_BYTES = MAX_ENTRY_BYTES - LINE_PREFIX_BYTES;

/** Records of 100 bytes with a key of 10 bytes, as in the sort benchmarks. */
export const DEFAULT_RECORD_FORMAT: RecordFormat = { recordBytes: 100, keyStart: 0, keyEnd: 10 };

/** A record format in the form of options. */
export interface RecordFormatText {
  /** Size of a record in bytes, such as "100". */
  record?: string | undefined;
  /** Start and exclusive end of the key, such as "0:10". */
  key?: string | undefined;
  /** The records are lines. */
  lines?: boolean | undefined;
}

/**
 * Parses a record format. Without a key, records of 100 bytes are sorted by their first 10 bytes, and
 * all others by all of their bytes.
 *
 * @throws {SyntaxError} If a part of it is malformed or out of range.
 */
export function parseRecordFormat(text: RecordFormatText): RecordFormat {
  if (text.lines && text.record !== undefined) {
    throw new SyntaxError('Cannot use "lines" and "record" together: lines have no fixed size');
  }
  const recordBytes = text.lines ? 0 : parseRecordBytes(text.record ?? "100");
  const end = recordBytes === 0 ? MAX_LINE_BYTES : recordBytes;
  if (text.key === undefined) {
    return recordBytes === DEFAULT_RECORD_FORMAT.recordBytes
      ? DEFAULT_RECORD_FORMAT
      : { recordBytes, keyStart: 0, keyEnd: end };
  }
  const match = /^(\d{1,5}):(\d{1,5})$/.exec(text.key);
  const [keyStart, keyEnd] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || keyStart >= keyEnd || keyEnd > end) {
    throw new SyntaxError(
      `Cannot read "${text.key}" as a key: expected "first:end" in bytes, ` +
        `with first below end and end at most ${end}`,
    );
  }
  return { recordBytes, keyStart, keyEnd };
}

function parseRecordBytes(text: string): number {
  const bytes = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (bytes < 1 || bytes > MAX_ENTRY_BYTES) {
    throw new SyntaxError(
      `Cannot read "${text}" as the size of a record: expected 1 to ${MAX_ENTRY_BYTES} bytes`,
    );
  }
  return bytes;
}

/** Whether a received value is a valid format. */
export function isRecordFormat(value: unknown): value is RecordFormat {
  const { recordBytes, keyStart, keyEnd } = (value ?? {}) as Record<string, unknown>;
  return isSize(recordBytes) && isSize(keyStart) && isSize(keyEnd) &&
    keyStart < keyEnd && keyEnd <= (recordBytes || MAX_LINE_BYTES);
}

function isSize(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_ENTRY_BYTES;
}

/** Describes a format in words. */
export function formatRecordFormat(format: RecordFormat): string {
  const key = `key ${format.keyStart}:${format.keyEnd}`;
  return format.recordBytes === 0
    ? `lines, ${key}`
    : `records of ${format.recordBytes} bytes, ${key}`;
}

/** Whether two formats are the same. */
export function sameRecordFormat(a: RecordFormat, b: RecordFormat): boolean {
  return a.recordBytes === b.recordBytes && a.keyStart === b.keyStart && a.keyEnd === b.keyEnd;
}

/** The size in a file of entries that take `entryBytes` in memory. */
export function fileBytes(format: RecordFormat, entryBytes: number, records: number): number {
  return format.recordBytes === 0 ? entryBytes - records * (LINE_PREFIX_BYTES - 1) : entryBytes;
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
