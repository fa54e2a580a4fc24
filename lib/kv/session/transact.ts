/**
 * Runs transactions whose places may turn out to be incomplete.
 *
 * @module
 */

import type { MaybePromise, Place, Store, Transaction } from "../../storage/store.ts";
import { UndeclaredKeyError } from "../commands/undeclared_key.ts";

/** A transaction that names its places anew for each run. */
export interface GrowingTransaction<T> {
  places(): readonly Place[];
  run(transaction: Transaction): T;
  readonly readOnly?: boolean;
}

/** Runs a transaction, and again with more places for as long as it lacks some. */
export function transactGrowing<T>(
  store: Store,
  transaction: GrowingTransaction<T>,
): MaybePromise<T> {
  for (;;) {
    try {
      const result = store.transact(transaction.places(), (tx) => transaction.run(tx), {
        readOnly: transaction.readOnly ?? false,
      });
      if (!(result instanceof Promise)) return result;
      return result.catch((error) => {
        if (error instanceof UndeclaredKeyError) return transactGrowing(store, transaction);
        throw error;
      });
    } catch (error) {
      if (!(error instanceof UndeclaredKeyError)) throw error;
    }
  }
}
