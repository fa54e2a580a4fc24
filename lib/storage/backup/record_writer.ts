import type { LogSink } from "../commit_log.ts";
import { CHUNK_BYTES, GroupBuffer } from "../sqlite/group_buffer.ts";
import type { Key } from "../store.ts";
import { Turn } from "../../turn.ts";
import type { Value } from "../value.ts";
import type { SectionEnd } from "./backup_items.ts";

/** Rows are written when their records take this much. */
const ROW_BYTES = CHUNK_BYTES / 2;

/**
 * The version of the first record. A log gives a new table the next version as its id, so the tables
 * here have ids below this.
 */
const FIRST_VERSION = 1024;

/** Writes the section of a storage that has no log: every record as a change that puts it. */
export class RecordWriter {
  readonly #sink: LogSink;
  readonly #buffer = new GroupBuffer(new SharedArrayBuffer(CHUNK_BYTES));
  readonly #tables = new Map<string, number>();
  readonly #turn = new Turn();
  #version = FIRST_VERSION;

  constructor(sink: LogSink) {
    this.#sink = sink;
  }

  /**
   * Adds a record, which is `head` and `record` joined. Each key may be added once.
   *
   * @param table The name of its table in a commit log.
   */
  async put(table: string, key: Key, record: Value, head?: Uint8Array): Promise<void> {
    let id = this.#tables.get(table);
    if (id === undefined) this.#tables.set(table, id = this.#tables.size + 1);
    this.#buffer.put(id, key, record, head);
    if (this.#buffer.bytes >= ROW_BYTES) await this.#flush();
    if (this.#turn.over) await this.#turn.next();
  }

  /** Writes what is left, and returns the names of the tables. */
  async end(): Promise<SectionEnd> {
    await this.#flush();
    return { tables: Object.fromEntries(this.#tables), version: this.#version };
  }

  async #flush(): Promise<void> {
    const buffer = this.#buffer;
    while (buffer.copying) {
      buffer.copyStep();
      if (this.#turn.over) await this.#turn.next();
    }
    for (const { bytes, length, changes } of buffer.chunks) {
      if (changes === 0) continue;
      const first = this.#version + 1;
      this.#version += changes;
      await this.#sink.row(first, this.#version, bytes.subarray(0, length));
    }
    buffer.clear();
  }
}
