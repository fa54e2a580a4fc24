import type {
  CommitLog,
  LogListener,
  LogRecord,
  LogTable,
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
  gathering = 1;
  committed = 0;
  readonly gatheringBytes = 0;
  readonly #disk: Map<string, Map<string, Uint8Array>>;
  readonly #listeners = new Set<LogListener>();
  #writes: Write[] = [];
  #gathered = outcome();
  #tables = 0;

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
    this.committed = this.gathering++;
    const { resolve } = this.#gathered;
    this.#gathered = outcome();
    for (const listener of this.#listeners) listener.committed(this.committed);
    resolve();
  }

  /** Loses all writes since the last commit. */
  fail(): void {
    this.#writes = [];
    this.gathering++;
    const { reject } = this.#gathered;
    this.#gathered = outcome();
    for (const listener of this.#listeners) listener.failed();
    reject(new StorageUnavailableError("the disk is full"));
  }

  openTable(name: string): Promise<LogTable> {
    if (!this.#disk.has(name)) this.#disk.set(name, new Map());
    return Promise.resolve({ name, id: this.#tables++ });
  }

  async *load({ name }: LogTable): AsyncIterable<LogRecord[]> {
    yield [...this.#disk.get(name)!].sort(([a], [b]) => a < b ? -1 : 1);
  }

  put({ name }: LogTable, key: string, record: Value, head = new Uint8Array(0)): void {
    const bytes = new Uint8Array(head.length + record.length);
    bytes.set(head);
    copyValue(record, bytes, head.length);
    this.#writes.push([name, key, bytes]);
  }

  delete({ name }: LogTable, key: string): void {
    this.#writes.push([name, key, null]);
  }

  clear(): void {
    throw new Error("A queue never clears a table");
  }

  swap(): void {
    throw new Error("A queue never swaps tables");
  }

  flushed(group = this.gathering): Promise<void> {
    return group === this.gathering ? this.#gathered.promise : Promise.resolve();
  }

  listen(listener: LogListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  problem(): undefined {
    return undefined;
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
