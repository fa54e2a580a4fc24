import type { ServiceData } from "../service.ts";
import type { Scan } from "../storage/all_pages.ts";
import { saveKeys } from "../storage/backup/key_records.ts";
import type { MemoryLimits } from "../storage/eviction_policy.ts";
import type { Storage } from "../storage/storage.ts";
import type { Store } from "../storage/store.ts";
import { DATABASES } from "./commands/arguments.ts";
import { LoadingStore } from "./loading_store.ts";

/** Opens the store while clients can connect already, and closes it at the end. */
export class StoreLoader {
  /** The store to use at this moment. It changes, so keep no reference to it. */
  store: Store;
  /** The store itself, which `store` may stand in front of. */
  #own: Store;
  #front: ((store: Store) => Store) | undefined;
  #limits: MemoryLimits;
  #storage: Storage | undefined;
  #closed = false;

  /** @param limits The limits of the store, if it holds its data in memory. */
  constructor(limits: MemoryLimits) {
    this.#limits = limits;
    this.store = this.#own = new LoadingStore(limits.maxBytes);
  }

  /** The limits of the store, which have no effect if its data are in a database. */
  get limits(): MemoryLimits {
    return this.#limits;
  }

  set limits(limits: MemoryLimits) {
    this.#limits = limits;
    this.#own.setMemoryLimits?.(limits);
  }

  /** Whether the store evicts entries if it is told to; not known until it has loaded. */
  get evicts(): boolean {
    return this.#own.setMemoryLimits !== undefined;
  }

  /**
   * Puts another store in front of the store, which sees all its calls; `undefined` removes it again.
   *
   * @param front Makes it. Called again when the store has loaded.
   */
  putInFront(front: ((store: Store) => Store) | undefined): void {
    this.#front = front;
    this.#own.watchRemovals?.(undefined);
    this.store = front?.(this.#own) ?? this.#own;
  }

  /** Whether the store has not loaded yet. */
  get loading(): boolean {
    return this.#storage === undefined;
  }

  /**
   * Opens the storage and loads the store.
   *
   * @throws {Error} If either fails or {@linkcode StoreLoader.close} is called meanwhile; then both
   * are closed again.
   */
  async load(openStorage: () => Promise<Storage>): Promise<Storage> {
    const storage = await openStorage();
    const limits = this.#limits;
    let store: Store | undefined;
    try {
      this.#checkOpen();
      store = await storage.openStore(limits);
      this.#checkOpen();
    } catch (error) {
      await store?.close();
      await storage.close();
      throw error;
    }
    this.#own = store;
    this.putInFront(this.#front);
    if (this.#limits !== limits) store.setMemoryLimits?.(this.#limits);
    this.#storage = storage;
    return storage;
  }

  /**
   * Shortens what the storage keeps on disk. Resolves when that is done; a database sees to it by
   * itself.
   *
   * @throws {StorageUnavailableError}
   */
  async save(): Promise<void> {
    await this.#storage?.match<Promise<void> | undefined>({
      log: (log) => log.snapshot(),
      database: () => undefined,
    });
  }

  /** The data, for a backup; `undefined` while they are loading. */
  data(): ServiceData | undefined {
    const storage = this.#storage;
    if (storage === undefined) return undefined;
    const store = this.#own;
    return {
      storage,
      save: (records, transaction) => {
        const scan: Scan = transaction === undefined
          ? (db, range) => store.scan(db, range)
          : (db, range) => transaction.scanKeys(db, range);
        return saveKeys(scan, DATABASES, records);
      },
    };
  }

  /**
   * Closes the store and the storage. If they are still being opened, does not wait for that, since
   * a database may take long to answer; `load` closes them then.
   */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#storage === undefined) return;
    await this.store.close();
    await this.#storage.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error("it was stopped while it was loading");
  }
}
