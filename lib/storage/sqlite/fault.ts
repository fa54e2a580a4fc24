/**
 * Failures that tests simulate in a log file. Places in its code where something can go wrong have a
 * name, the point; a fault says what happens when one is passed for the n-th time.
 *
 * @module
 */

/**
 * A place in the code. `any` counts all of them together; failures leave out `committed` then, since
 * what is durable cannot fail any more.
 */
export type FaultPoint =
  | "any"
  /** Before a group is written. */
  | "commit"
  /** After a piece is written, before its group is committed. */
  | "piece"
  /** After a group is durable, before anybody knows. */
  | "committed"
  /** Before old rows are dropped, and before that is committed. */
  | "trim"
  | "trimming"
  /** Before the file is opened again after an error. */
  | "reopen";

/** A simulated failure. */
export type Fault =
  /**
   * From the n-th time on, for some times, SQLite reports an error. `passes`: counts how often the
   * point was passed, also when the file is opened more than once; a 32-bit number.
   */
  | {
    point: FaultPoint;
    action: "fail";
    at: number;
    times?: number;
    code?: number;
    passes?: SharedArrayBuffer;
  }
  /** The n-th time, the process kills itself. */
  | { point: FaultPoint; action: "kill"; at: number }
  /** Every time, the file is copied to `DIRECTORY/N.db`, as a crash would leave it. */
  | { point: FaultPoint; action: "copy"; directory: string };
