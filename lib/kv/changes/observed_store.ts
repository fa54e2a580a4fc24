/**
 * A store that tells a feed of all its changes. It stands in front of the real one for as long as
 * anyone follows the feed, so that otherwise nothing is any slower.
 *
 * @module
 */

import type { ByteStore } from "../../storage/byte_store.ts";
import type {
  Entry,
  Key,
  MaybePromise,
  Place,
  ScanRange,
  SpaceTransaction,
  Store,
  StoreMetrics,
  Transaction,
} from "../../storage/store.ts";
import type { Value } from "../../storage/value.ts";
import { label } from "./change.ts";
import type { ChangeFeed, FeedEntry } from "./change_feed.ts";
import { ObservedSpaceTransaction, ObservedTransaction } from "./observed_transactions.ts";

/** A store whose changes a feed hears of. */
export class ObservedStore implements Store {
  readonly #store: Store;
  readonly #feed: ChangeFeed;
  /** Only to ask whether it is ready: changes made through it would not be noticed. */
  readonly bytes?: ByteStore;
  /** See {@linkcode Store.idleTimeMs}; only if the store has it. */
  readonly idleTimeMs?: (space: number, key: Key) => number | undefined;

  /**
   * @param store The store.
   * @param feed Is told of what goes through this object.
   */
  constructor(store: Store, feed: ChangeFeed) {
    this.#store = store;
    this.#feed = feed;
    store.watchRemovals?.((places, kind, durable) =>
      feed.tell(places.map((place) => ({ kind, place })), durable)
    );
    if (store.bytes !== undefined) this.bytes = store.bytes;
    if (store.idleTimeMs !== undefined) {
      this.idleTimeMs = (space, key) => store.idleTimeMs!(space, key);
    }
  }

  get maxKeyBytes(): number {
    return this.#store.maxKeyBytes;
  }

  get(space: number, key: Key): MaybePromise<Entry | undefined> {
    if (!this.#feed.wishes.misses) return this.#store.get(space, key);
    return this.transact([{ space, key }], (tx) => {
      label(tx, "get", true);
      return tx.get(space, key);
    }, { readOnly: true });
  }

  put(space: number, key: Key, value: Value, expiresAtMs: number): MaybePromise<void> {
    return this.transact([{ space, key }], (tx) => tx.put(space, key, value, expiresAtMs), {
      blind: true,
    });
  }

  transact<T>(
    places: readonly Place[],
    run: (transaction: Transaction) => T,
    options: { blind?: boolean; readOnly?: boolean } = {},
  ): MaybePromise<T> {
    const { wishes } = this.#feed;
    if (options.readOnly && !wishes.misses) return this.#store.transact(places, run, options);
    const blind = options.blind === true && !wishes.news;
    return this.#settled((enter) =>
      this.#store.transact(
        places,
        (tx) => run(new ObservedTransaction(tx, { into: enter(), wishes, blind })),
        { ...options, blind },
      )
    );
  }

  transactSpaces<T>(
    run: (transaction: SpaceTransaction) => Promise<T>,
    options: { readOnly?: boolean } = {},
  ): Promise<T> {
    if (options.readOnly) return this.#store.transactSpaces(run, options);
    return Promise.resolve(this.#settled((enter) =>
      this.#store.transactSpaces(
        (tx) => run(new ObservedSpaceTransaction(tx, enter())),
        options,
      )
    ));
  }

  scan(space: number, range: ScanRange): MaybePromise<[Key, Entry][]> {
    return this.#store.scan(space, range);
  }

  problem(): string | undefined {
    return this.#store.problem();
  }

  metrics(): StoreMetrics {
    return this.#store.metrics();
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** Runs a transaction, and settles the entry of its last run when it has ended. */
  #settled<T>(transact: (enter: () => FeedEntry) => MaybePromise<T>): MaybePromise<T> {
    const feed = this.#feed;
    let entry: FeedEntry | undefined;
    const settle = (state: "durable" | "void") => {
      if (entry !== undefined) feed.settle(entry, state);
      entry = undefined;
    };
    const enter = () => {
      settle("void");
      return entry = feed.enter();
    };
    let result: MaybePromise<T>;
    try {
      result = transact(enter);
    } catch (error) {
      settle("void");
      throw error;
    }
    if (!(result instanceof Promise)) {
      settle("durable");
      return result;
    }
    return result.then((value) => {
      settle("durable");
      return value;
    }, (error) => {
      settle("void");
      throw error;
    });
  }
}
