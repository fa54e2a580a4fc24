import type {
  CommitLog,
  LogListener,
  LogTable,
  TableOwner,
} from "../../../lib/storage/commit_log.ts";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { latin1From, type Value, valueText } from "../../../lib/storage/value.ts";

/** A change as the log was given it; the record is text without its head. */
export interface LoggedChange {
  version: number;
  key: string;
  value: string | undefined;
}

const HEAD_BYTES = 8;

/** A commit log that keeps what it was given and ends groups when the test says so. */
export class HeldLog implements CommitLog {
  readonly durable = true;
  nextVersion = 1;
  committedVersion = 0;
  gatheringBytes = 0;
  readonly changes: LoggedChange[] = [];
  /** The owners of the tables, by name. */
  owners: Record<string, TableOwner> = {};
  readonly #listeners = new Set<LogListener>();
  #gathered = outcome();

  /** Makes everything durable. */
  commit(): void {
    this.committedVersion = this.nextVersion - 1;
    this.gatheringBytes = 0;
    const { resolve } = this.#gathered;
    this.#gathered = outcome();
    for (const listener of this.#listeners) listener.committed(this.committedVersion);
    resolve();
  }

  /** Loses everything since the last commit. */
  fail(): void {
    this.gatheringBytes = 0;
    const { reject } = this.#gathered;
    this.#gathered = outcome();
    for (const listener of this.#listeners) listener.failed();
    reject(new StorageUnavailableError("the disk is full"));
  }

  openTables(owners: Readonly<Record<string, TableOwner>>): Promise<LogTable[]> {
    this.owners = { ...owners };
    return Promise.resolve(Object.keys(owners).map((_, id) => ({ id })));
  }

  put(_table: LogTable, key: string, record: Value): void {
    this.#add(key, valueText(record));
  }

  delete(_table: LogTable, key: string): void {
    this.#add(key, undefined);
  }

  putRange(
    _table: LogTable,
    bytes: Uint8Array,
    start: number,
    middle: number,
    end: number,
    head?: Uint8Array,
  ): void {
    if (head?.length !== HEAD_BYTES) throw new Error("A record has no head");
    this.#add(latin1From(bytes, start, middle), latin1From(bytes, middle, end));
  }

  deleteRange(_table: LogTable, bytes: Uint8Array, start: number, end: number): void {
    this.#add(latin1From(bytes, start, end), undefined);
  }

  clear(): LogTable {
    this.nextVersion++;
    return { id: 99 };
  }

  swap(): void {
    this.nextVersion++;
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
    return undefined;
  }

  metrics(): { commitGroups: number; committedWrites: number; commitFailures: number } {
    return { commitGroups: 0, committedWrites: 0, commitFailures: 0 };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #add(key: string, value: string | undefined): void {
    this.changes.push({ version: this.nextVersion++, key, value });
    this.gatheringBytes += key.length + (value?.length ?? 0);
  }
}

function outcome(): PromiseWithResolvers<void> {
  const outcome = Promise.withResolvers<void>();
  // A test that expects a failure awaits it; in the others nobody does.
  outcome.promise.catch(() => {});
  return outcome;
}
