/**
 * The store that holds the key space in memory and writes all changes to a commit log.
 *
 * A change is visible in the key space as soon as its transaction has run, so the next transaction
 * can build on it without waiting for the disk. Clients see it only once it is durable: each item
 * knows its commit group, and a read of an item whose group is not durable yet waits for that group.
 * When a group fails, its changes and all later ones are undone, newest first, and every waiting
 * call gets the error.
 *
 * @module
 */

import type { ByteStore } from "../byte_store.ts";
import type { MemoryLimits } from "../eviction_policy.ts";
import type { CommitLog } from "../commit_log.ts";
import { Expirer } from "./expirer.ts";
import { Gate, type GatePass } from "./gate.ts";
import { KeySpace } from "./key_space.ts";
import { completePage, readPage, seenIn } from "./pages.ts";
import { PreparedMemory, UnpreparedMemoryError } from "./prepared_memory.ts";
import { MemoryBytes } from "./memory_bytes.ts";
import { spaceTable } from "./memory_space.ts";
import { Evictor } from "./evictor.ts";
import { MemoryRoom } from "./memory_room.ts";
import { KeyTransaction, type WholeOutcome, WholeTransaction } from "./transactions.ts";
import type {
  Entry,
  Key,
  MaybePromise,
  Place,
  RemovalListener,
  ScanRange,
  SpaceTransaction,
  Store,
  StoreMetrics,
  Transaction,
} from "../store.ts";
import { nextTurn } from "../../turn.ts";
import type { Value } from "../value.ts";

/** Once this much waits for the disk, new writes wait until it is written. */
const MAX_GATHERING_BYTES = 32 * 1024 * 1024;

/** Changes to undo, or to forget once they are durable, before yielding to the event loop. */
const UNDO_STEP_CHANGES = 5_000;

/** Options for {@linkcode MemoryStore.open}. */
export interface MemoryStoreOptions extends Partial<MemoryLimits> {
  /** Number of spaces. @default {16} */
  spaces?: number;
}

/** A store with its key space in memory. */
export class MemoryStore implements Store {
  readonly maxKeyBytes = Infinity;
  readonly bytes: ByteStore;
  readonly #log: CommitLog;
  readonly #keys: KeySpace;
  readonly #transaction: KeyTransaction;
  readonly #room: MemoryRoom;
  readonly #memory = new PreparedMemory();
  readonly #expirer: Expirer;
  readonly #stopListening: () => void;
  readonly #gate = new Gate();
  /** Set while a large group that has failed is being undone; resolves after that. */
  #undoing: Promise<void> | undefined;
  /** Whether the next step of forgetting durable changes has been scheduled. */
  #releasing = false;
  #removals: RemovalListener | undefined;

  private constructor(log: CommitLog, options: Required<MemoryStoreOptions>) {
    const { spaces, maxBytes, policy } = options;
    this.#log = log;
    const keys = this.#keys = new KeySpace({
      spaces,
      maxBytes,
      log,
      busy: () => this.#writesWait,
      allocateLarge: this.#memory.allocate,
      onExpiring: () => this.#expirer.start(),
    });
    this.#transaction = new KeyTransaction(keys, { mayBeHeld: true });
    this.#expirer = new Expirer(keys, log, {
      ready: () => !this.#writesWait && this.problem() === undefined,
      commit: () => this.#commit(),
      removed: () => this.#removals && ((places) => this.#tellRemoved(places, "expired")),
    });
    const evictor = new Evictor(() => keys.spaces);
    evictor.policy = policy;
    this.#room = new MemoryRoom(maxBytes, evictor, {
      bytes: () => keys.bytes,
      stamp: () => keys.clock.now(),
      ready: () => this.#writesWait,
      evict: ({ space, address }) => {
        const key = this.#removals && keys.keyOf(keys.space(space), address);
        keys.remove(keys.space(space), address, log.durable);
        if (log.durable) this.#write();
        if (key !== undefined) this.#tellRemoved([{ space, key }], "evicted");
      },
    });
    this.bytes = new MemoryBytes({
      keys,
      log,
      ready: () => !this.#writesWait && this.#room.waiting + this.#memory.waiting === 0,
      hasRoom: (bytes) => this.#memory.isShort(bytes) && this.#room.make(bytes),
      commit: () => this.#write(),
    });
    this.#stopListening = log.listen({
      committed: () => this.#release(),
      failed: () => this.#failed(),
    });
  }

  /**
   * Opens the store in a commit log.
   *
   * @throws {StorageUnavailableError}
   */
  static async open(log: CommitLog, options: MemoryStoreOptions = {}): Promise<MemoryStore> {
    const { spaces = 16, maxBytes = Infinity, policy = "noeviction" } = options;
    const store = new MemoryStore(log, { spaces, maxBytes, policy });
    try {
      await store.#load();
    } catch (error) {
      store.#stopListening();
      throw error;
    }
    store.#memory.required = true;
    return store;
  }

  async #load(): Promise<void> {
    if (!this.#log.durable) return;
    const { spaces } = this.#keys;
    const owners = spaces.map((space, number) => [spaceTable(number), space] as const);
    const tables = await this.#log.openTables(Object.fromEntries(owners));
    for (const [number, space] of spaces.entries()) space.logTable = tables[number];
    if (this.#keys.expiring) this.#expirer.start();
    this.#room.shrink();
  }

  setMemoryLimits({ maxBytes, policy }: MemoryLimits): void {
    this.#keys.maxBytes = this.#room.maxBytes = maxBytes;
    this.#room.evictor.policy = policy;
    this.#room.shrink();
  }

  get(number: number, key: Key): MaybePromise<Entry | undefined> {
    const blocked = this.#readsWait;
    if (blocked !== undefined) return blocked.then(() => this.get(number, key));
    const space = this.#keys.space(number);
    const address = this.#keys.find(space, key);
    if (this.#keys.isHeld(space, address)) {
      return this.#gate.writing!.then(() => this.get(number, key));
    }
    const found = address === 0 || this.#keys.expired(space, address, Date.now())
      ? undefined
      : this.#keys.entry(space, address);
    const version = address === 0 ? space.deletedIn : space.table.records.version(address);
    if (found !== undefined) this.#keys.touch(space, address);
    const wait = this.#awaitVersion(Math.max(space.movedIn, version));
    return wait === undefined ? found : wait.then(() => found);
  }

  put(number: number, key: Key, value: Value, expiresAtMs: number): MaybePromise<void> {
    const blocked = this.#writesWait;
    if (blocked !== undefined) {
      return blocked.then(() => this.put(number, key, value, expiresAtMs));
    }
    const put = () => {
      try {
        this.#keys.put(this.#keys.space(number), key, value, expiresAtMs, this.#log.durable);
      } catch (error) {
        return this.#room.retry(error, () => this.put(number, key, value, expiresAtMs));
      }
      return this.#commit();
    };
    return this.#memory.run(put, () => this.#writesWait);
  }

  transact<T>(
    places: readonly Place[],
    run: (transaction: Transaction) => T,
    options: { blind?: boolean; readOnly?: boolean } = {},
  ): MaybePromise<T> {
    const blocked = options.readOnly === true ? this.#readsWait : this.#writesWait;
    if (blocked !== undefined) return blocked.then(() => this.transact(places, run, options));
    const again = () => this.transact(places, run, options);
    return this.#memory.run(() => this.#run(run, again), () => this.#writesWait);
  }

  async transactSpaces<T>(
    run: (transaction: SpaceTransaction) => Promise<T>,
    { readOnly = false }: { readOnly?: boolean } = {},
  ): Promise<T> {
    for (let retry = false;; retry = true) {
      const outcome = await this.#runBehindGate(run, { retry, readOnly });
      if ("full" in outcome) {
        const { full, written } = outcome;
        return await this.#room.retry(full, () => this.transactSpaces(run), written);
      }
      if ("result" in outcome) {
        await outcome.durable;
        return outcome.result;
      }
      // Sorting a large space takes a while, so it happens with the gate open.
      await outcome.unsorted.sort();
    }
  }

  scan(number: number, range: ScanRange): MaybePromise<[Key, Entry][]> {
    const blocked = this.#undoing ?? this.#gate.writing;
    if (blocked !== undefined) return blocked.then(() => this.scan(number, range));
    const space = this.#keys.space(number);
    if (!space.sorted) return space.sort().then(() => this.scan(number, range));
    const { page, rest } = readPage(this.#keys, space, { range, nowMs: Date.now() });
    const wait = this.#awaitVersion(seenIn(space, page));
    const part = wait === undefined ? page : wait.then(() => page);
    return rest === undefined ? part : completePage(part, () => this.scan(number, rest));
  }

  idleTimeMs(number: number, key: Key): number | undefined {
    return this.#keys.idleTimeMs(this.#keys.space(number), key);
  }

  watchRemovals(listener: RemovalListener | undefined): void {
    this.#removals = listener;
  }

  problem(): string | undefined {
    return this.#log.problem();
  }

  metrics(): StoreMetrics {
    const { bytes, keyCount: keys, maxBytes } = this.#keys;
    return { bytes, keys, maxBytes, evicted: this.#room.evicted, ...this.#log.metrics() };
  }

  async close(): Promise<void> {
    this.#expirer.close();
    this.#keys.clock.stop();
    await this.#writesWait;
    try {
      await this.#log.flushed();
    } catch {
      // The callers of the writes got the error.
    } finally {
      this.#stopListening();
      await this.#undoing;
      while (this.#releasing) await nextTurn();
    }
  }

  /**
   * Runs a transaction over keys.
   *
   * @param again Runs it again, when there is room or what it reads is committed.
   * @throws {UnpreparedMemoryError} Directly; nothing has changed then.
   */
  #run<T>(run: (transaction: Transaction) => T, again: () => MaybePromise<T>): MaybePromise<T> {
    const transaction = this.#transaction;
    // One that only reads can run beside a transaction over whole spaces, whose changes these are.
    const { unwritten } = this.#keys;
    transaction.begin();
    let result: T;
    try {
      result = run(transaction);
    } catch (error) {
      const { seen } = transaction;
      this.#keys.rollBack(unwritten);
      if (transaction.held) return this.#gate.writing!.then(again);
      if (error instanceof UnpreparedMemoryError) throw error;
      if (this.#room.helps(error)) return this.#room.retry(error, again, transaction);
      const wait = this.#awaitVersion(seen);
      if (wait === undefined) throw error;
      return wait.then(() => {
        throw error;
      });
    }
    if (transaction.held) return this.#gate.writing!.then(again);
    const { seen } = transaction;
    const changed = this.#keys.unwritten > unwritten;
    const wait = changed ? this.#commit() : this.#awaitVersion(seen);
    return wait === undefined ? result : wait.then(() => result);
  }

  async #runBehindGate<T>(
    run: (transaction: SpaceTransaction) => Promise<T>,
    options: { retry: boolean; readOnly: boolean },
  ): Promise<WholeOutcome<T>> {
    const pass = await this.#closeGate(options);
    const transaction = new WholeTransaction(this.#keys, { memory: this.#memory, ...options });
    if (!options.readOnly) this.#keys.hold();
    try {
      const running = run(transaction);
      pass.begun();
      const result = await running;
      if (transaction.unsorted === undefined) return { result, durable: this.#commit() };
      this.#keys.rollBack();
    } catch (error) {
      this.#keys.rollBack();
      if (this.#room.helps(error)) return { full: error, written: transaction.written };
      if (transaction.unsorted === undefined) throw error;
    } finally {
      this.#keys.unhold();
      pass.end();
    }
    return { unsorted: transaction.unsorted };
  }

  get #writesWait(): Promise<void> | undefined {
    return this.#undoing ?? this.#gate.closed;
  }

  /**
   * What reads wait for: see {@linkcode Gate.beginning}, and undoing. They do not wait for the disk,
   * since a read knows the version that it depends on.
   */
  get #readsWait(): Promise<void> | undefined {
    return this.#undoing ?? this.#gate.beginning;
  }

  /** Writes the changes of a transaction to the log; returns what to wait for, if anything. */
  #commit(): Promise<void> | undefined {
    if (this.#keys.unwritten === 0) return undefined;
    if (this.#log.durable) {
      this.#write();
      return this.#log.flushed();
    }
    this.#keys.unwritten = 0;
    this.#release();
    return undefined;
  }

  /** Writes changes to the log; if much is waiting there, closes the gate until it is written. */
  #write(): void {
    this.#keys.write();
    if (this.#log.gatheringBytes < MAX_GATHERING_BYTES || this.#gate.closed !== undefined) return;
    this.#gate.closeUntil(this.#log.flushed());
  }

  #awaitVersion(version: number): Promise<void> | undefined {
    if (!this.#log.durable || version <= this.#log.committedVersion) return undefined;
    return this.#log.flushed(version);
  }

  /** Forgets changes that are durable. */
  #release(): void {
    if (this.#releasing || this.#undoing !== undefined) return;
    const version = this.#log.durable ? this.#log.committedVersion : Infinity;
    const { undo, unwritten } = this.#keys;
    if (undo.release(version, { limit: UNDO_STEP_CHANGES, unwritten })) return;
    this.#releasing = true;
    void nextTurn().then(() => {
      this.#releasing = false;
      this.#release();
    });
  }

  #failed(): void {
    // A transaction over whole spaces began after everything was durable, and is in no group.
    if (this.#keys.unwritten > 0 || this.#undoing !== undefined) return;
    // Others may commit to the log before all is undone.
    const { committedVersion } = this.#log;
    if (this.#undoSome(committedVersion)) return;
    const undoRest = async () => {
      do await nextTurn(); while (!this.#undoSome(committedVersion));
      this.#undoing = undefined;
      this.#release();
    };
    this.#undoing = undoRest();
  }

  /** Undoes some of the changes after a version; returns whether that was all. */
  #undoSome(version: number): boolean {
    const all = this.#keys.undo.undoAfter(version, UNDO_STEP_CHANGES);
    if (!all) return false;
    for (const space of this.#keys.spaces) space.deletedIn = space.movedIn = 0;
    if (this.#keys.expiring) this.#expirer.start();
    return true;
  }

  /** Waits for its turn and until all changes are durable. Others wait until the end. */
  async #closeGate(options: { readOnly: boolean }): Promise<GatePass> {
    while (this.#writesWait !== undefined) await this.#writesWait;
    const pass = this.#gate.close(options);
    try {
      if (this.#keys.undo.length > 0) await this.#log.flushed();
    } catch {
      // The callers of the writes got the error.
      await this.#undoing;
    }
    return pass;
  }

  /** Tells the listener of keys that were just removed. */
  #tellRemoved(places: readonly Place[], reason: "expired" | "evicted"): void {
    this.#removals?.(places, reason, this.#awaitVersion(this.#keys.undo.lastVersion));
  }
}
