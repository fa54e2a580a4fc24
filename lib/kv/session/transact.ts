/**
 * Runs transactions that find out on the way what they need.
 *
 * @module
 */

import type { MaybePromise, Place, Store, Transaction } from "../../storage/store.ts";
import type { KeyWork } from "../commands/command.ts";
import { UndeclaredKeyError, WholeDatabaseError } from "../commands/discovered_needs.ts";
import type { Reply } from "../resp/reply.ts";
import { runWorkOnSpaces } from "./work_on_spaces.ts";

/** A transaction that names its places anew for each run. */
export interface GrowingTransaction<T> {
  places(): readonly Place[];
  run(transaction: Transaction): T;
  readonly readOnly?: boolean;
}

/** Runs the work of a command that may need more than its keys. */
export function transactWork(
  store: Store,
  work: KeyWork,
  { readOnly }: { readOnly: boolean },
): MaybePromise<Reply> {
  const reply = orOnSpaces(
    () =>
      transactGrowing(store, {
        places: () => work.places,
        run: (tx) => work.run(tx),
        readOnly,
      }),
    () => store.transactSpaces((tx) => runWorkOnSpaces(work, tx), { readOnly }),
  );
  if (work.committed === undefined) return reply;
  const committed = (done: Reply): Reply => {
    work.committed!();
    return done;
  };
  return reply instanceof Promise ? reply.then(committed) : committed(reply);
}

/** Runs a transaction over keys; if it needs whole databases, runs the other one instead. */
export function orOnSpaces<T>(
  onKeys: () => MaybePromise<T>,
  onSpaces: () => Promise<T>,
): MaybePromise<T> {
  function otherwise(error: unknown): Promise<T> {
    if (error instanceof WholeDatabaseError) return onSpaces();
    throw error;
  }
  try {
    const result = onKeys();
    return result instanceof Promise ? result.catch(otherwise) : result;
  } catch (error) {
    return otherwise(error);
  }
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
