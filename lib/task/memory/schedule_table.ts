import type { TableOwner } from "../../storage/commit_log.ts";
import { latin1From } from "../../storage/value.ts";
import type { ScheduleRecord } from "../schedule/book.ts";

/** The version of the records. */
const VERSION = 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Owns the table of schedules in a commit log. A record is JSON, its key the name of the schedule.
 * There are few of them, so all are one piece.
 */
export class ScheduleTable implements TableOwner {
  readonly vital = true;
  readonly records: Map<string, ScheduleRecord>;
  #version = 0;

  /** @param records The records, which the queue changes. */
  constructor(records: Map<string, ScheduleRecord>) {
    this.records = records;
  }

  /** Notes that a record changes in a version. */
  change(version: number): void {
    this.#version = version;
  }

  busy(): undefined {}

  pieces(): number[] {
    return [0];
  }

  pieceChangedSince(_piece: number, version: number): boolean {
    return this.#version > version;
  }

  copyPiece(): Uint8Array[] {
    if (this.records.size === 0) return [];
    return [encoder.encode(JSON.stringify({ version: VERSION, records: [...this.records] }))];
  }

  loadPiece(_piece: number, bytes: Uint8Array, version: number): void {
    const { records } = parse(bytes) as { records: [string, ScheduleRecord][] };
    for (const [name, record] of records) this.records.set(name, record);
    this.#version = version;
  }

  loadPut(bytes: Uint8Array, start: number, middle: number, end: number, version: number): void {
    const { record } = parse(bytes.subarray(middle, end)) as { record: ScheduleRecord };
    this.records.set(latin1From(bytes, start, middle), record);
    this.#version = version;
  }

  loadDelete(bytes: Uint8Array, start: number, end: number, version: number): void {
    this.records.delete(latin1From(bytes, start, end));
    this.#version = version;
  }
}

/** Encodes a record for the log. */
export function encodeSchedule(record: ScheduleRecord): Uint8Array {
  return encoder.encode(JSON.stringify({ version: VERSION, record }));
}

function parse(bytes: Uint8Array): unknown {
  const parsed = JSON.parse(decoder.decode(bytes)) as { version: number };
  if (parsed.version !== VERSION) {
    throw new Error(
      `Cannot read a schedule of version ${parsed.version}: only version ${VERSION} is known`,
    );
  }
  return parsed;
}
