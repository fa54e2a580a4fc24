import type {
  CommitLog,
  LogListener,
  LogTable,
  TableOwner,
} from "../../../lib/storage/commit_log.ts";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { copyValue, type Value } from "../../../lib/storage/value.ts";

/** A write in the group that gathers: `null` removes the record. */
type Write = [table: string, key: string, record: Uint8Array | null];

/**
 * A commit log in memory whose groups end when the test says so, and as it says: a failure can be
 * put exactly between two steps. What was committed survives it, as a file would.
 */
export class ScriptedLog implements CommitLog {
  readonly durable = true;
  nextVersion = 1;
  committedVersion = 0;
  readonly gatheringBytes = 0;
  owners: Readonly<Record<string, TableOwner>> = {};
  /** What {@linkcode ScriptedLog.putProblem} says. */
  full: string | undefined;
  readonly #disk: Map<string, Map<string, Uint8Array>>;
  readonly #listeners = new Set<LogListener>();
  #writes: Write[] = [];
  #gathered = outcome();
  /** The names of the tables, by id. */
  #tables: string[] = [];

  /** @param before The log whose committed records this one starts with. */
  constructor(before?: ScriptedLog) {
    this.#disk = before === undefined ? new Map() : before.#disk;
  }

  /** How many records a table has on disk. */
  count(table: string): number {
    return this.#disk.get(table)?.size ?? 0;
  }

  /** Makes all writes so far durable. */
  commit(): void {
    for (const [table, key, record] of this.#writes.splice(0)) {
      if (record === null) this.#disk.get(table)!.delete(key);
      else this.#disk.get(table)!.set(key, record);
    }
    this.committedVersion = this.nextVersion++;
    const { resolve } = this.#gathered;
    this.#gathered = outcome();
    for (const listener of this.#listeners) listener.committed(this.committedVersion);
    resolve();
  }

  /** Loses all writes since the last commit. */
  fail(): void {
    this.#writes = [];
    this.nextVersion++;
    const { reject } = this.#gathered;
    this.#gathered = outcome();
    for (const listener of this.#listeners) listener.failed();
    reject(new StorageUnavailableError("the disk is full"));
  }

  openTables(owners: Readonly<Record<string, TableOwner>>): Promise<LogTable[]> {
    this.owners = owners;
    const tables = Object.entries(owners).map(([name, owner]) => {
      const records = this.#disk.get(name) ?? new Map<string, Uint8Array>();
      this.#disk.set(name, records);
      for (const [key, record] of [...records].sort(([a], [b]) => a < b ? -1 : 1)) {
        const bytes = new Uint8Array(key.length + record.length);
        copyValue(key, bytes, 0);
        bytes.set(record, key.length);
        owner.loadPut(bytes, 0, key.length, bytes.length, this.nextVersion++);
      }
      return { id: this.#tables.push(name) - 1 };
    });
    this.committedVersion = this.nextVersion - 1;
    return Promise.resolve(tables);
  }

  put({ id }: LogTable, key: string, record: Value, head = new Uint8Array(0)): void {
    const bytes = new Uint8Array(head.length + record.length);
    bytes.set(head);
    copyValue(record, bytes, head.length);
    this.#writes.push([this.#tables[id]!, key, bytes]);
    this.nextVersion++;
  }

  delete({ id }: LogTable, key: string): void {
    this.#writes.push([this.#tables[id]!, key, null]);
    this.nextVersion++;
  }

  putRange(): void {
    throw new Error("A queue has no ranges of bytes");
  }

  deleteRange(): void {
    throw new Error("A queue has no ranges of bytes");
  }

  clear(): LogTable {
    throw new Error("A queue never clears a table");
  }

  swap(): void {
    throw new Error("A queue never swaps tables");
  }

  flushed(version = this.nextVersion - 1): Promise<void> {
    return version > this.committedVersion ? this.#gathered.promise : Promise.resolve();
  }

  listen(listener: LogListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  snapshot(): Promise<void> {
    return Promise.resolve();
  }

  problem(): undefined {
    return undefined;
  }

  putProblem(): string | undefined {
    return this.full;
  }

  metrics(): { commitGroups: number; committedWrites: number; commitFailures: number } {
    return { commitGroups: 0, committedWrites: 0, commitFailures: 0 };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function outcome(): PromiseWithResolvers<void> {
  const outcome = Promise.withResolvers<void>();
  // A test that expects a failure awaits it; in the others nobody does.
  outcome.promise.catch(() => {});
  return outcome;
}
