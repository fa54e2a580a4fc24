import type { LogSink } from "../commit_log.ts";
import {
  BACKUP_FORMAT,
  encodeJson,
  encodeNumbers,
  ITEM,
  type PieceHead,
  type SectionEnd,
} from "./backup_items.ts";
import { FrameWriter } from "./frames.ts";

/** Writes the items of a backup; backup_items.ts describes them. */
export class BackupWriter implements LogSink {
  readonly #frames: FrameWriter;
  #sections = 0;

  /** @param write Takes the next bytes, which are valid until its promise resolves. */
  constructor(write: (bytes: Uint8Array) => Promise<void>) {
    this.#frames = new FrameWriter(write);
  }

  /** Writes the header. */
  async begin(program: string): Promise<void> {
    const createdAt = new Date().toISOString();
    await this.#add(ITEM.header, encodeJson({ format: BACKUP_FORMAT, program, createdAt }));
  }

  /**
   * Writes a section.
   *
   * @param services The services whose data it contains.
   * @param pieces How many pieces it has; 0 if that is not known.
   * @param write Writes its pieces and rows, and returns the names of the tables.
   */
  async section(
    { services, pieces }: { services: string[]; pieces: number },
    write: () => Promise<SectionEnd>,
  ): Promise<void> {
    this.#sections++;
    await this.#add(ITEM.section, encodeJson({ services, pieces }));
    await this.#add(ITEM.tables, encodeJson(await write()));
  }

  async piece({ table, piece, version }: PieceHead, parts: readonly Uint8Array[]): Promise<void> {
    await this.#add(ITEM.piece, encodeNumbers(table, piece, version), ...parts);
  }

  async row(first: number, last: number, changes: Uint8Array): Promise<void> {
    await this.#add(ITEM.row, encodeNumbers(first, last), changes);
  }

  /** Writes the end. Without it a backup is not complete. */
  async end(): Promise<void> {
    await this.#add(ITEM.end, encodeJson({ sections: this.#sections }));
    await this.#frames.flush();
  }

  /** Writes why there will be no end. */
  async fail(message: string): Promise<void> {
    await this.#add(ITEM.failure, encodeJson({ message }));
    await this.#frames.flush();
  }

  #add(kind: number, ...parts: Uint8Array[]): Promise<void> {
    return this.#frames.add(kind, parts);
  }
}
