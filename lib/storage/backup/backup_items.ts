/**
 * The items of a backup, in this order: a header, then the sections, then the end. A section is what
 * one storage held at one moment: its start, pieces of tables, rows with changes, and the names of its
 * tables. The pieces come from a commit log and have the format of its tables; a change in a row has
 * the format of the log. To restore a section, load all its pieces, then all its rows in order.
 *
 * ```
 * header   JSON of BackupHeader
 * section  JSON of SectionStart
 * piece    table f64 · piece f64 · version f64 · records
 * row      first version f64 · last version f64 · changes
 * tables   JSON of SectionEnd
 * end      JSON of BackupEnd
 * failure  JSON of BackupFailure; nothing follows
 * ```
 *
 * @module
 */

import * as v from "valibot";
import { BackupError } from "./frames.ts";

/** The version of the format. Add one whenever an older program could not read a backup. */
export const BACKUP_FORMAT = 1;

/** The kinds of items, as in their frames. */
export const ITEM = {
  header: 1,
  section: 2,
  piece: 3,
  row: 4,
  tables: 5,
  end: 6,
  failure: 7,
} as const;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** The forms of the items that are JSON. */
export const FORM = {
  /** Whether this program can read the rest. */
  format: v.object({ format: count }),
  /** What a backup says about itself: who wrote it, and when it was begun, in ISO 8601. */
  header: v.object({ format: count, program: v.string(), createdAt: v.string() }),
  /**
   * The start of a section: the services that had their data in the storage, and how many pieces
   * follow; 0 if that is not known.
   */
  section: v.object({ services: v.array(v.string()), pieces: count }),
  /** The end of a section: the ids of the tables, by name, and the newest version in it. */
  tables: v.object({ tables: v.record(v.string(), count), version: count }),
  /** The end of a backup. */
  end: v.object({ sections: count }),
  /** Why a backup ends early. */
  failure: v.object({ message: v.string() }),
} as const;

/** What a backup says about itself. */
export type BackupHeader = v.InferOutput<typeof FORM.header>;

/** The start of a section. */
export type SectionStart = v.InferOutput<typeof FORM.section>;

/** The end of a section. */
export type SectionEnd = v.InferOutput<typeof FORM.tables>;

/** The end of a backup. */
export type BackupEnd = v.InferOutput<typeof FORM.end>;

/** Why a backup ends early. */
export type BackupFailure = v.InferOutput<typeof FORM.failure>;

/** The head of a piece. */
export interface PieceHead {
  table: number;
  piece: number;
  version: number;
}

/** Length of the head of a piece. */
export const PIECE_HEAD_BYTES = 24;

/** Length of the head of a row. */
export const ROW_HEAD_BYTES = 16;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Encodes an item that is JSON. */
export function encodeJson(
  value: BackupHeader | SectionStart | SectionEnd | BackupEnd | BackupFailure,
): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/**
 * Decodes an item that is JSON.
 *
 * @param form What it must look like.
 * @throws {BackupError} If it does not.
 */
export function decodeJson<T>(form: v.GenericSchema<unknown, T>, bytes: Uint8Array): T {
  try {
    return v.parse(form, JSON.parse(decoder.decode(bytes)));
  } catch (cause) {
    throw notQuartets(cause);
  }
}

/** The error about a backup whose frames are good, and which makes no sense. */
export function notQuartets(cause?: unknown): BackupError {
  return new BackupError("it was not written by quartet", { cause });
}

/** Encodes the numbers at the head of a piece or a row. */
export function encodeNumbers(...numbers: number[]): Uint8Array {
  const bytes = new Uint8Array(8 * numbers.length);
  const view = new DataView(bytes.buffer);
  numbers.forEach((number, index) => view.setFloat64(8 * index, number, true));
  return bytes;
}

/**
 * Decodes the numbers at the head of a piece or a row.
 *
 * @throws {BackupError} If it is too short.
 */
export function decodeNumbers(bytes: Uint8Array, length: number): number[] {
  if (bytes.length < length) throw notQuartets();
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  return Array.from({ length: length / 8 }, (_, index) => view.getFloat64(8 * index, true));
}

/**
 * Decodes the header of a backup.
 *
 * @throws {BackupError} If this program cannot read it.
 */
export function decodeHeader(bytes: Uint8Array): BackupHeader {
  const { format } = decodeJson(FORM.format, bytes);
  if (format <= BACKUP_FORMAT) return decodeJson(FORM.header, bytes);
  throw new BackupError(
    `it has format ${format}, and this program knows formats up to ${BACKUP_FORMAT}: use a newer one`,
  );
}
