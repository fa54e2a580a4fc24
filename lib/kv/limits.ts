/**
 * The limits on what one client may send, queue and store.
 *
 * @module
 */

import { READ_MAX_BYTES } from "../net/read_buffer.ts";
import type { RespLimits } from "./resp/parser.ts";

/** The limits on one transaction. */
export interface TransactionLimits {
  /** The number of queued commands, and of watched keys. */
  maxQueued: number;
  /** The total size of the queued commands' arguments. */
  maxQueuedBytes: number;
}

/** All limits of the service. */
export interface KvLimits extends RespLimits, TransactionLimits {
  /** The longest value. */
  maxValueBytes: number;
  /** The longest line of the text protocol, including its line end. */
  maxLineBytes: number;
  maxClients: number;
}

/** How many bytes of one client may be unread: the longest request, and what comes with its end. */
export function maxUnreadBytes({ maxRequestBytes }: RespLimits): number {
  return maxRequestBytes + READ_MAX_BYTES;
}
