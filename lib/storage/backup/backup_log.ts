import type { LogTable, TableOwner } from "../commit_log.ts";
import { MemoryLog } from "../memory/memory_log.ts";
import { replay } from "../sqlite/replay.ts";
import type { BackupFile, BackupSection } from "./backup_file.ts";

/**
 * A section of a backup as a commit log to load tables from. What their owners change then is not
 * kept.
 */
export class BackupLog extends MemoryLog {
  override readonly durable = true;
  override readonly nextVersion: number;
  override readonly committedVersion: number;
  readonly #file: BackupFile;
  readonly #section: BackupSection;

  constructor(file: BackupFile, section: BackupSection) {
    super();
    this.#file = file;
    this.#section = section;
    this.nextVersion = this.committedVersion = section.version + 1;
  }

  override async openTables(owners: Readonly<Record<string, TableOwner>>): Promise<LogTable[]> {
    const { tables } = this.#section;
    const byId = new Map<number, TableOwner>();
    for (const [name, owner] of Object.entries(owners)) {
      if (Object.hasOwn(tables, name)) byId.set(tables[name]!, owner);
    }
    for await (const { table, piece, version, bytes } of this.#file.pieces(this.#section)) {
      byId.get(table)?.loadPiece(piece, bytes, version);
    }
    for await (const row of this.#file.rows(this.#section)) replay(row, (id) => byId.get(id));
    return Object.keys(owners).map((name) => ({ id: tables[name] ?? 0 }));
  }
}
