import { type Connection, ConnectionClosedError } from "./connection.ts";

/** Queued messages are joined into writes of about this size; a message is never cut. */
const JOINED_WRITE_BYTES = 64 * 1024;

/** Messages that follow each other in one array, which may be shared by many outboxes. */
export interface Messages {
  /** All messages, one behind the other. Nobody may change them. */
  readonly bytes: Uint8Array;
  /** Where each message ends. */
  readonly ends: ArrayLike<number>;
}

/** Limits of an {@linkcode Outbox}. */
export interface OutboxOptions {
  /** How many messages may wait behind the write in progress. */
  maxMessages: number;
  /** How many bytes may wait behind the write in progress. */
  maxBytes: number;
  /** A client is slow once a write of its has been pending for longer than this. */
  slowAfterMs: number;
  /** Told when the client turns slow (`true`) and when it has recovered (`false`). */
  onSlow: (slow: boolean) => void;
}

/** Some of the messages of an array: those from `from` up to and without `to`. */
interface Piece {
  messages: Messages;
  from: number;
  to: number;
}

/**
 * What others have to say to a client: one write in progress and a bounded queue behind it. It
 * never waits; what does not fit is for its owner to hold back, to drop, or to close over.
 *
 * A client turns slow when somebody waits for room and a write has been pending for more than
 * `slowAfterMs`. It stays so until a later write was quick or nothing is left to write: a client
 * that reads a little now and then turns slow once, not again with every write.
 */
export class Outbox {
  /** How many messages the operating system has taken. */
  delivered = 0;

  readonly #connection: Connection;
  readonly #options: OutboxOptions;
  #queue: Piece[] = [];
  #queuedMessages = 0;
  #queuedBytes = 0;
  /** How many messages the write in progress carries; 0 when there is none. */
  #writing = 0;
  #writingSinceMs = 0;
  /** How many writes there have been. */
  #writes = 0;
  #slow = false;
  #slowSinceMs = 0;
  /** Resolves when anything has changed; there only while someone waits. */
  #change: PromiseWithResolvers<void> | undefined;

  /**
   * @param connection The client. Nobody else writes to it.
   * @param options See {@linkcode OutboxOptions}.
   */
  constructor(connection: Connection, options: OutboxOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Whether the client takes no more because it is gone. */
  get closed(): boolean {
    return this.#connection.closed;
  }

  /** Whether the client has turned slow and not recovered. */
  get slow(): boolean {
    return this.#slow;
  }

  /** Whether a write has been pending for longer than a client may take that is not slow. */
  isOverdue(nowMs = performance.now()): boolean {
    return this.#writing > 0 && nowMs - this.#writingSinceMs > this.#options.slowAfterMs;
  }

  /**
   * Takes as many messages as there is room for.
   *
   * @param messages Where they are.
   * @param from The first one to take.
   * @param nowMs The time, from `performance.now()`.
   * @returns The first one that was not taken; their number if all were. A client that is gone
   * takes everything.
   */
  offer(messages: Messages, from: number, nowMs: number): number {
    const count = messages.ends.length;
    if (this.closed) return count;
    if (this.#writing === 0) {
      this.#write(
        from === 0 ? messages.bytes : bytesOf({ messages, from, to: count }),
        count - from,
        nowMs,
      );
      return count;
    }
    const { maxMessages, maxBytes } = this.#options;
    const start = startOf(messages, from);
    let to = Math.min(count, from + maxMessages - this.#queuedMessages);
    while (to > from && this.#queuedBytes + messages.ends[to - 1]! - start > maxBytes) to--;
    if (to > from) {
      this.#queue.push({ messages, from, to });
      this.#queuedMessages += to - from;
      this.#queuedBytes += messages.ends[to - 1]! - start;
    }
    return to;
  }

  /**
   * Removes the message that has waited for longest.
   *
   * @returns Whether there was one.
   */
  dropOldest(): boolean {
    const piece = this.#queue[0];
    if (piece === undefined) return false;
    this.#queuedMessages--;
    this.#queuedBytes -= piece.messages.ends[piece.from]! - startOf(piece.messages, piece.from);
    piece.from++;
    if (piece.from === piece.to) this.#queue.shift();
    return true;
  }

  /**
   * Resolves when there may be room again, the client has turned slow, or it is gone. Nothing but
   * this wait turns a client slow: only who waits for it suffers from it.
   */
  async roomOrSlow(): Promise<void> {
    if (this.closed || this.#writing === 0 || this.#slow) return;
    const changed = this.#changed();
    const write = this.#writes;
    const leftMs = this.#options.slowAfterMs - (performance.now() - this.#writingSinceMs);
    // When this process itself was held up, the write may be done and we have not been told. So
    // the verdict is put off until everything that is known by now has had its turn.
    let timer = setTimeout(() => {
      timer = setTimeout(() => this.#judge(write), 1);
    }, Math.max(0, leftMs));
    await changed;
    clearTimeout(timer);
  }

  /** Turns slow if a write is still in progress. */
  #judge(write: number): void {
    if (this.#writes === write && this.#writing > 0) {
      this.#slow = true;
      this.#slowSinceMs = performance.now();
      this.#options.onSlow(true);
    }
    this.#notify();
  }

  /** Resolves when nothing is left to write, or the client is gone. */
  async flushed(): Promise<void> {
    while (this.#writing > 0 && !this.closed) await this.#changed();
  }

  #changed(): Promise<void> {
    return (this.#change ??= Promise.withResolvers<void>()).promise;
  }

  #notify(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }

  #write(bytes: Uint8Array, count: number, nowMs: number): void {
    this.#writing = count;
    this.#writes++;
    this.#writingSinceMs = nowMs;
    this.#connection.write(bytes).then(this.#written, this.#failed);
  }

  readonly #written = () => {
    this.delivered += this.#writing;
    this.#writing = 0;
    const left = this.#queue.length > 0;
    if (this.#slow || left) {
      const nowMs = performance.now();
      if (this.#slow) this.#recover(nowMs, left);
      if (left) this.#writeQueue(nowMs);
    }
    this.#notify();
  };

  readonly #failed = (error: unknown) => {
    this.#writing = 0;
    this.#queue = [];
    this.#queuedMessages = this.#queuedBytes = 0;
    this.#notify();
    // That the client is gone shows in `closed`, and whoever reads from it is told.
    if (!(error instanceof ConnectionClosedError)) throw error;
  };

  #recover(nowMs: number, left: boolean): void {
    const quick = this.#writingSinceMs >= this.#slowSinceMs &&
      nowMs - this.#writingSinceMs <= this.#options.slowAfterMs;
    if (left && !quick) return;
    this.#slow = false;
    this.#options.onSlow(false);
  }

  /** Writes what has waited, several messages in one write. */
  #writeQueue(nowMs: number): void {
    let pieces = 0;
    let messages = 0;
    let bytes = 0;
    while (pieces < this.#queue.length && (pieces === 0 || bytes < JOINED_WRITE_BYTES)) {
      const piece = this.#queue[pieces++]!;
      messages += piece.to - piece.from;
      bytes += piece.messages.ends[piece.to - 1]! - startOf(piece.messages, piece.from);
    }
    const taken = this.#queue.splice(0, pieces);
    this.#queuedMessages -= messages;
    this.#queuedBytes -= bytes;
    this.#write(pieces === 1 ? bytesOf(taken[0]!) : join(taken, bytes), messages, nowMs);
  }
}

function startOf(messages: Messages, index: number): number {
  return index === 0 ? 0 : messages.ends[index - 1]!;
}

function bytesOf({ messages, from, to }: Piece): Uint8Array {
  return messages.bytes.subarray(startOf(messages, from), messages.ends[to - 1]!);
}

function join(pieces: readonly Piece[], length: number): Uint8Array {
  const joined = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    const bytes = bytesOf(piece);
    joined.set(bytes, at);
    at += bytes.length;
  }
  return joined;
}
