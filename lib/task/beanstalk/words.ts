/**
 * The reply words and the limits of the beanstalk protocol, and of quartet's additions to it.
 *
 * @module
 */

/** Replies of one word. */
export const REPLIES = [
  "BAD_FORMAT",
  "BAD_OPTION",
  "BURIED",
  "CANCELLED",
  "DEAD_LETTER",
  "DEADLINE_SOON",
  "DELETED",
  "DONE",
  "DRAINING",
  "EXPECTED_CRLF",
  "INTERNAL_ERROR",
  "JOB_TOO_BIG",
  "KICKED",
  "NOT_ALLOWED",
  "NOT_FOUND",
  "NOT_IGNORED",
  "OUT_OF_MEMORY",
  "PAUSED",
  "QUIETED",
  "RELEASED",
  "RESUMED",
  "TIMED_OUT",
  "TOUCHED",
  "UNKNOWN_COMMAND",
] as const;

/** A reply of one word. */
export type ReplyWord = typeof REPLIES[number];

/** The replies to malformed commands. */
export type Mistake =
  | "BAD_FORMAT"
  | "BAD_OPTION"
  | "EXPECTED_CRLF"
  | "JOB_TOO_BIG"
  | "UNKNOWN_COMMAND";

/** The longest command line in bytes, CRLF included. */
export const MAX_LINE_BYTES = 224;

/** The longest line of `put-job`, with 64 ids and other options, in bytes, CRLF included. */
export const MAX_OPTIONS_LINE_BYTES = 4096;

/** The longest tube name, and the longest unique key, in bytes. */
export const MAX_NAME_BYTES = 200;

/** The most jobs in one `put-batch` or `reserve-batch`. */
export const MAX_BATCH_JOBS = 1000;

/** The largest body of a `put-batch`: its jobs with their lines. */
export const MAX_BATCH_BYTES = 1024 * 1024;

/** The largest priority, size, and time in seconds. */
export const MAX_U32 = 2 ** 32 - 1;
