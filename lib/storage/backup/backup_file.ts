/**
 * Reading a backup from its file.
 *
 * @module
 */

import { joinBytes } from "../../join_bytes.ts";
import type { PieceRow } from "../sqlite/scan_file.ts";
import type { LogRow } from "../sqlite/scan_file.ts";
import {
  type BackupHeader,
  decodeHeader,
  decodeJson,
  decodeNumbers,
  FORM,
  ITEM,
  notQuartets,
  PIECE_HEAD_BYTES,
  ROW_HEAD_BYTES,
  type SectionEnd,
  type SectionStart,
} from "./backup_items.ts";
import { BackupError, FrameParser } from "./frames.ts";

const READ_BYTES = 512 * 1024;

/** A section of a backup. */
export interface BackupSection extends SectionEnd {
  /** Its number. */
  index: number;
  services: string[];
}

/** An item of a backup. */
export interface Item {
  kind: number;
  bytes: Uint8Array;
}

/** A backup that is complete and undamaged. */
export class BackupFile {
  readonly path: string;
  readonly header: BackupHeader;
  readonly sections: readonly BackupSection[];

  private constructor(path: string, header: BackupHeader, sections: BackupSection[]) {
    this.path = path;
    this.header = header;
    this.sections = sections;
  }

  /**
   * Opens a backup and checks all of it.
   *
   * @param onRead Told of bytes that were read.
   * @throws {BackupError} If it is damaged, incomplete, too new, or no backup.
   */
  static async open(path: string, onRead?: (bytes: number) => void): Promise<BackupFile> {
    const sections: BackupSection[] = [];
    let header: BackupHeader | undefined;
    let start: SectionStart | undefined;
    let complete = false;
    for await (const { kind, bytes } of readItems(path, onRead)) {
      if (complete) throw new BackupError("something follows its end");
      if (header === undefined) {
        if (kind !== ITEM.header) throw notQuartets();
        header = decodeHeader(bytes);
      } else if (kind === ITEM.section) {
        if (start !== undefined) throw notQuartets();
        start = decodeJson(FORM.section, bytes);
      } else if (kind === ITEM.tables) {
        if (start === undefined) throw notQuartets();
        const { services } = start;
        sections.push({ ...decodeJson(FORM.tables, bytes), services, index: sections.length });
        start = undefined;
      } else if (kind === ITEM.failure) {
        const { message } = decodeJson(FORM.failure, bytes);
        throw new BackupError(`it is incomplete: the backup failed: ${message}`);
      } else if (kind === ITEM.end) {
        complete = decodeJson(FORM.end, bytes).sections === sections.length;
      }
    }
    if (!complete) throw new BackupError("it is incomplete: its end is missing");
    return new BackupFile(path, header!, sections);
  }

  /** The section with the data of a service, if there is one. */
  sectionOf(service: string): BackupSection | undefined {
    return this.sections.find(({ services }) => services.includes(service));
  }

  /** Reads the pieces of a section. */
  async *pieces(section: BackupSection): AsyncGenerator<PieceRow> {
    for await (const bytes of this.#items(section, ITEM.piece)) {
      const [table, piece, version] = decodeNumbers(bytes, PIECE_HEAD_BYTES);
      const records = bytes.subarray(PIECE_HEAD_BYTES);
      yield { table: table!, piece: piece!, version: version!, bytes: records };
    }
  }

  /** Reads the rows of a section. */
  async *rows(section: BackupSection): AsyncGenerator<LogRow> {
    for await (const bytes of this.#items(section, ITEM.row)) {
      const [first, last] = decodeNumbers(bytes, ROW_HEAD_BYTES);
      yield { first: first!, last: last!, bytes: bytes.subarray(ROW_HEAD_BYTES) };
    }
  }

  async *#items({ index }: BackupSection, wanted: number): AsyncGenerator<Uint8Array> {
    let at = -1;
    for await (const { kind, bytes } of readItems(this.path)) {
      if (kind === ITEM.section) at++;
      if (at > index) return;
      if (at === index && kind === wanted) yield bytes;
    }
  }
}

/**
 * Reads the items of a file.
 *
 * @throws {BackupError} If it is damaged, ends too early, or is no backup.
 */
async function* readItems(path: string, onRead?: (bytes: number) => void): AsyncGenerator<Item> {
  using file = await Deno.open(path);
  const parser = new FrameParser();
  const chunk = new Uint8Array(READ_BYTES);
  let parts: Uint8Array[] = [];
  for (;;) {
    const count = await file.read(chunk);
    if (count === null) break;
    for (const { kind, more, bytes } of parser.feed(chunk.subarray(0, count))) {
      parts.push(bytes.slice());
      if (more) continue;
      yield { kind, bytes: joinBytes(parts) };
      parts = [];
    }
    onRead?.(count);
  }
  if (parser.incomplete || parts.length > 0) {
    throw new BackupError("it is incomplete: it ends in the middle");
  }
}
