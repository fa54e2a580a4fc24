import { delay } from "@std/async/delay";
import { Turn } from "../turn.ts";

/** How long the loop waits after an error: at first, and at most. It doubles with each error. */
const BACKOFF_MIN_MS = 10;
const BACKOFF_MAX_MS = 1000;

/** Options for {@linkcode acceptLoop}. */
export interface AcceptLoopOptions<T> {
  /** Waits for the next connection. */
  accept: () => Promise<T>;
  /** Takes a connection. What it throws counts as an error of accept. */
  onAccepted: (conn: T) => void;
  /** Told of an error, and how long the loop waits before it tries again. */
  onError: (error: unknown, backoffMs: number) => void;
  /** Whether to stop. It is asked before each accept and after each error. */
  isStopped: () => boolean;
  /** Waits. @default {delay} */
  wait?: (ms: number) => Promise<void>;
}

/**
 * Accepts connections until it is told to stop. An error does not end the loop. When the process has
 * no descriptors left (EMFILE), accept fails at once, again and again; so the loop backs off after
 * each error instead of spinning, until a connection is accepted.
 *
 * A connection that waits already is accepted without a visit to the event loop, so a burst of them
 * is accepted in turns.
 */
export async function acceptLoop<T>(
  { accept, onAccepted, onError, isStopped, wait = delay }: AcceptLoopOptions<T>,
): Promise<void> {
  let backoffMs = BACKOFF_MIN_MS;
  const turn = new Turn();
  while (!isStopped()) {
    try {
      const conn = await accept();
      backoffMs = BACKOFF_MIN_MS;
      onAccepted(conn);
      if (turn.over) await turn.next();
    } catch (error) {
      if (isStopped()) return;
      // The failed connection has left the queue of the operating system, so this cannot spin.
      if (isReset(error)) continue;
      onError(error, backoffMs);
      await wait(backoffMs);
      backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
    }
  }
}

/** Whether a client has reset its connection before it was accepted. */
function isReset(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.ConnectionReset;
}
