/**
 * Work that finds out while it runs which keys it needs.
 *
 * @module
 */

/**
 * Thrown by the work of a command when it needs a place that its transaction does not cover. From
 * then on, its `places` contain that place: undo the transaction and run it again. The work throws
 * this a limited number of times.
 */
export class UndeclaredKeyError extends Error {
  override name = "UndeclaredKeyError";
}
