/**
 * The words of the beanstalk protocol, and its numbers.
 *
 * @module
 */

/** Replies that are a word alone. */
export const REPLIES = [
  "BAD_FORMAT",
  "BURIED",
  "DEADLINE_SOON",
  "DELETED",
  "DONE",
  "DRAINING",
  "EXPECTED_CRLF",
  "INTERNAL_ERROR",
  "JOB_TOO_BIG",
  "KICKED",
  "NOT_FOUND",
  "NOT_IGNORED",
  "OUT_OF_MEMORY",
  "PAUSED",
  "RELEASED",
  "TIMED_OUT",
  "TOUCHED",
  "UNKNOWN_COMMAND",
] as const;

/** A reply that is a word alone. */
export type ReplyWord = typeof REPLIES[number];

/** What is wrong with what a client sent. */
export type Mistake =
  | "BAD_FORMAT"
  | "EXPECTED_CRLF"
  | "JOB_TOO_BIG"
  | "UNKNOWN_COMMAND";

/** The longest command line in bytes, its CRLF included. */
export const MAX_LINE_BYTES = 224;

/** The longest name of a tube, and the longest key of `put-unique`, in bytes. */
export const MAX_NAME_BYTES = 200;

/** The most jobs that `put-batch` and `reserve-batch` take. */
export const MAX_BATCH_JOBS = 1000;

/** The most bytes that the jobs of a `put-batch` may take, with their lines. */
export const MAX_BATCH_BYTES = 1024 * 1024;

/** Priorities, sizes, and delays and times in seconds go up to this. */
export const MAX_U32 = 2 ** 32 - 1;
