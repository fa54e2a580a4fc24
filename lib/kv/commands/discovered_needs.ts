/**
 * Work that finds out while it runs what it needs. It throws one of these errors a limited number
 * of times.
 *
 * @module
 */

import type { SpaceTransaction } from "../../storage/store.ts";

/**
 * Thrown by the work of a command when it needs a place that its transaction does not cover. From
 * then on, its `places` contain that place: undo the transaction and run it again.
 */
export class UndeclaredKeyError extends Error {
  override name = "UndeclaredKeyError";
}

/**
 * Thrown by the work of a command when it needs to know something about whole databases. Undo the
 * transaction, begin one over whole spaces, call {@linkcode WholeDatabaseError.read} with it, and run
 * the work again.
 */
export class WholeDatabaseError extends Error {
  override name = "WholeDatabaseError";
  /** Reads what the work needs, and tells the work. */
  readonly read: (transaction: SpaceTransaction) => Promise<void>;

  constructor(read: (transaction: SpaceTransaction) => Promise<void>) {
    super("Cannot run on keys alone");
    this.read = read;
  }
}
