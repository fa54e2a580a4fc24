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

/** What a backup says about itself. */
export interface BackupHeader {
  format: number;
  /** The version of the program that wrote it. */
  program: string;
  /** When it was begun, in ISO 8601. */
  createdAt: string;
}

/** The start of a section. */
export interface SectionStart {
  /** The services that had their data in the storage. */
  services: string[];
  /** How many pieces follow; 0 if that is not known. */
  pieces: number;
}

/** The end of a section. */
export interface SectionEnd {
  /** The ids of the tables, by name. */
  tables: Record<string, number>;
  /** The newest version in it. */
  version: number;
}

/** The end of a backup. */
export interface BackupEnd {
  sections: number;
}

/** Why a backup ends early. */
export interface BackupFailure {
  message: string;
}

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
 * @throws {BackupError} If it is not.
 */
export function decodeJson<T>(bytes: Uint8Array): T {
  try {
    return JSON.parse(decoder.decode(bytes)) as T;
  } catch (cause) {
    throw new BackupError("it was not written by quartet", { cause });
  }
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
  if (bytes.length < length) throw new BackupError("it was not written by quartet");
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  return Array.from({ length: length / 8 }, (_, index) => view.getFloat64(8 * index, true));
}

/**
 * Checks the header of a backup.
 *
 * @throws {BackupError} If this program cannot read it.
 */
export function checkHeader({ format }: BackupHeader): void {
  if (format <= BACKUP_FORMAT) return;
  throw new BackupError(
    `it has format ${format}, and this program knows formats up to ${BACKUP_FORMAT}: use a newer one`,
  );
}
