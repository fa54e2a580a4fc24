import { ConnectionClosedError } from "./connection.ts";

/** Queued messages are joined into writes of about this size. A message is never split. */
const JOINED_WRITE_BYTES = 64 * 1024;

/** How many replies, and how many bytes of them, may wait before their client must not be read. */
const REPLIES_MAX = 100;
const REPLIES_MAX_BYTES = 64 * 1024;

/** Consecutive messages in one array, which many outboxes may share. */
export interface Messages {
  /** All messages, back to back. They must not change. */
  readonly bytes: Uint8Array;
  /** Where each message ends. */
  readonly ends: ArrayLike<number>;
}

/** What an {@linkcode Outbox} needs of a connection. */
export interface OutboxConnection {
  /** Whether nothing can be written any more. */
  readonly closed: boolean;
  /**
   * Writes bytes; resolves when they are accepted.
   *
   * @throws {ConnectionClosedError} If the connection is closed or broken.
   */
  write(bytes: Uint8Array): Promise<void>;
}

/** Limits of an {@linkcode Outbox}. */
export interface OutboxOptions {
  /** The maximum number of messages queued behind the write in progress. */
  maxMessages: number;
  /** The maximum number of bytes queued behind the write in progress. */
  maxBytes: number;
  /** A client is slow once a write to it has been pending for longer than this. */
  slowAfterMs: number;
  /** Called when the client becomes slow (`true`) and when it has recovered (`false`). */
  onSlow: (slow: boolean) => void;
}

/** The messages `from` to `to` (exclusive) of an array. */
interface Piece {
  messages: Messages;
  from: number;
  to: number;
  /** Whether it is one reply, which counts towards no limit of the queue and is never dropped. */
  reply: boolean;
}

/** A place in the queue at which the owner writes for itself; see {@linkcode Outbox.exclusively}. */
interface OwnTurn {
  begin(): void;
}

/**
 * Messages on their way to one client: a write in progress and a bounded queue behind it. An outbox
 * never blocks. When its queue is full, its owner decides whether to wait, to drop messages, or to
 * close the connection.
 *
 * A client becomes slow when a publisher waits for space in its queue and a write has been pending
 * for longer than `slowAfterMs`. It recovers when a later write is quick or nothing is left to
 * write. So a client that reads a little now and then becomes slow once, not with every write.
 */
export class Outbox {
  /** Messages that the operating system has accepted. */
  delivered = 0;

  readonly #connection: OutboxConnection;
  readonly #options: OutboxOptions;
  #queue: (Piece | OwnTurn)[] = [];
  #queuedMessages = 0;
  #queuedBytes = 0;
  #queuedReplies = 0;
  #queuedReplyBytes = 0;
  /** The first piece of a write that begins soon. */
  #first: Piece | undefined;
  /** Whether a write is in progress or begins soon. */
  #writing = false;
  /** The number of messages in the write in progress, replies not counted. */
  #writingMessages = 0;
  #writingSinceMs = 0;
  /** The number of writes begun so far. */
  #writes = 0;
  #slow = false;
  #slowSinceMs = 0;
  /** Resolves on the next change; present only while a caller waits. */
  #change: PromiseWithResolvers<void> | undefined;

  /**
   * @param connection The client. Nothing else may write to it.
   * @param options See {@linkcode OutboxOptions}.
   */
  constructor(connection: OutboxConnection, options: OutboxOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Whether the connection is closed. */
  get closed(): boolean {
    return this.#connection.closed;
  }

  /** Whether the client has become slow and not yet recovered. */
  get slow(): boolean {
    return this.#slow;
  }

  /** Whether no message fits at present. */
  get full(): boolean {
    const { maxMessages, maxBytes } = this.#options;
    return this.#writing && !this.closed &&
      (this.#queuedMessages >= maxMessages || this.#queuedBytes >= maxBytes);
  }

  /** Whether the write in progress has been pending for longer than `slowAfterMs`. */
  isOverdue(nowMs = performance.now()): boolean {
    return this.#writing && nowMs - this.#writingSinceMs > this.#options.slowAfterMs;
  }

  /**
   * Accepts as many messages as fit.
   *
   * @param messages The messages.
   * @param from The index of the first one to accept.
   * @param nowMs The time, from `performance.now()`.
   * @returns The index of the first message that did not fit; the number of messages if all did. If
   * the connection is closed, all are accepted and discarded.
   */
  offer(messages: Messages, from: number, nowMs: number): number {
    const count = messages.ends.length;
    if (this.closed) return count;
    if (!this.#writing) {
      this.#gather({ messages, from, to: count, reply: false }, nowMs);
      return count;
    }
    const { maxMessages, maxBytes } = this.#options;
    const start = startOf(messages, from);
    let to = Math.min(count, from + maxMessages - this.#queuedMessages);
    while (to > from && this.#queuedBytes + messages.ends[to - 1]! - start > maxBytes) to--;
    if (to > from) {
      this.#push({ messages, from, to, reply: false });
    }
    return to;
  }

  /**
   * Queues a reply to the client itself, behind the messages before it. It is never dropped.
   *
   * @param bytes The reply, which must not change from now on.
   * @returns A promise if so many replies wait that the client must not be read before it resolves.
   */
  reply(bytes: Uint8Array): Promise<void> | void {
    if (this.closed) return;
    const piece = { messages: { bytes, ends: [bytes.length] }, from: 0, to: 1, reply: true };
    if (!this.#writing) return this.#gather(piece, performance.now());
    this.#push(piece);
    if (this.#tooManyReplies) return this.#repliesTaken();
  }

  /**
   * Lets the owner write for itself, such as a reply that is sent in parts: after all messages
   * accepted so far, and before any that are offered from now on. The limits do not apply, and
   * nothing of it is ever dropped. If it takes long, the client counts as slow, as with a message.
   *
   * @param write Writes, and resolves when it has written everything. Its turn may come at once.
   * @returns Resolves when it is done; rejects with its error.
   */
  exclusively(write: (send: (bytes: Uint8Array) => Promise<void>) => Promise<void>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const started = () => {
      this.#writes++;
      this.#writingSinceMs = performance.now();
    };
    const send = (bytes: Uint8Array) => {
      started();
      return this.#connection.write(bytes);
    };
    const begin = () => {
      this.#writing = true;
      this.#writingMessages = 0;
      started();
      write(send).then(resolve, reject).finally(this.#written);
    };
    if (this.#writing && !this.closed) this.#queue.push({ begin });
    else begin();
    return promise;
  }

  get #tooManyReplies(): boolean {
    return this.#queuedReplies > REPLIES_MAX || this.#queuedReplyBytes > REPLIES_MAX_BYTES;
  }

  async #repliesTaken(): Promise<void> {
    while (this.#tooManyReplies && !this.closed) await this.#changed();
  }

  /**
   * Drops the oldest queued message.
   *
   * @returns Whether there was one.
   */
  dropOldest(): boolean {
    const index = this.#queue.findIndex((queued) => isPiece(queued) && !queued.reply);
    if (index < 0) return false;
    const piece = this.#queue[index] as Piece;
    this.#queuedMessages--;
    this.#queuedBytes -= piece.messages.ends[piece.from]! - startOf(piece.messages, piece.from);
    piece.from++;
    if (piece.from === piece.to) this.#queue.splice(index, 1);
    return true;
  }

  /**
   * Resolves when there may be space again, the client has become slow, or the connection is closed.
   * Only this wait makes a client slow: a slow client does no harm until a publisher waits for it.
   */
  async spaceOrSlow(): Promise<void> {
    if (this.closed || !this.#writing || this.#slow) return;
    const changed = this.#changed();
    const write = this.#writes;
    const leftMs = this.#options.slowAfterMs - (performance.now() - this.#writingSinceMs);
    // If this process was held up, the write may have completed and the event still be queued. So
    // when the time is up, let queued events run before deciding.
    let timer = setTimeout(() => {
      timer = setTimeout(() => this.#judge(write), 1);
    }, Math.max(0, leftMs));
    await changed;
    clearTimeout(timer);
  }

  /** Makes the client slow if the write is still in progress. */
  #judge(write: number): void {
    if (this.#writes === write && this.#writing) {
      this.#slow = true;
      this.#slowSinceMs = performance.now();
      this.#options.onSlow(true);
    }
    this.#notify();
  }

  /** Resolves when nothing is left to write, or the connection is closed. */
  async flushed(): Promise<void> {
    while (this.#writing && !this.closed) await this.#changed();
  }

  #changed(): Promise<void> {
    return (this.#change ??= Promise.withResolvers<void>()).promise;
  }

  #notify(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }

  /**
   * Begins a write with a piece. What is queued until the reads that have completed in this turn of
   * the event loop are dealt with joins it: often many clients write to one, such as the one that
   * answers their requests.
   */
  #gather(piece: Piece, nowMs: number): void {
    this.#begin(nowMs);
    this.#first = piece;
    queueMicrotask(this.#writeGathered);
  }

  readonly #writeGathered = () => {
    const first = this.#first!;
    this.#first = undefined;
    if (this.#queue.length === 0) {
      this.#write(bytesOf(first), first.reply ? 0 : first.to - first.from);
    } else {
      this.#queue.unshift(first);
      this.#count(first, 1);
      this.#writePieces();
    }
  };

  #begin(nowMs: number): void {
    this.#writing = true;
    this.#writes++;
    this.#writingSinceMs = nowMs;
  }

  #write(bytes: Uint8Array, messages: number): void {
    this.#writingMessages = messages;
    this.#connection.write(bytes).then(this.#written, this.#failed);
  }

  readonly #written = () => {
    this.delivered += this.#writingMessages;
    this.#writing = false;
    const left = this.#queue.length > 0;
    if (this.#slow || left) {
      const nowMs = performance.now();
      if (this.#slow) this.#recover(nowMs, left);
      if (left) this.#writeQueue(nowMs);
    }
    this.#notify();
  };

  readonly #failed = (error: unknown) => {
    this.#writing = false;
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedMessages =
      this.#queuedBytes =
      this.#queuedReplies =
      this.#queuedReplyBytes =
        0;
    // Their writes fail as well, which ends what waits for them.
    for (const queued of queue) if (!isPiece(queued)) queued.begin();
    this.#notify();
    // A closed connection shows in `closed`, and its reader learns of it as well.
    if (!(error instanceof ConnectionClosedError)) throw error;
  };

  #recover(nowMs: number, left: boolean): void {
    const quick = this.#writingSinceMs >= this.#slowSinceMs &&
      nowMs - this.#writingSinceMs <= this.#options.slowAfterMs;
    if (left && !quick) return;
    this.#slow = false;
    this.#options.onSlow(false);
  }

  /** Writes queued messages, several at once, or lets the owner write. */
  #writeQueue(nowMs: number): void {
    const first = this.#queue[0]!;
    if (!isPiece(first)) {
      this.#queue.shift();
      return first.begin();
    }
    this.#begin(nowMs);
    this.#writePieces();
  }

  /** Writes the first pieces of the queue, at least one. */
  #writePieces(): void {
    let pieces = 0;
    let messages = 0;
    let bytes = 0;
    while (pieces < this.#queue.length && (pieces === 0 || bytes < JOINED_WRITE_BYTES)) {
      const piece = this.#queue[pieces]!;
      if (!isPiece(piece)) break;
      pieces++;
      bytes += this.#count(piece, -1);
      if (!piece.reply) messages += piece.to - piece.from;
    }
    const taken = this.#queue.splice(0, pieces) as Piece[];
    this.#write(pieces === 1 ? bytesOf(taken[0]!) : join(taken, bytes), messages);
  }

  #push(piece: Piece): void {
    this.#queue.push(piece);
    this.#count(piece, 1);
  }

  /** Counts a piece that enters (1) or leaves (-1) the queue; returns its length in bytes. */
  #count({ messages, from, to, reply }: Piece, change: 1 | -1): number {
    const bytes = messages.ends[to - 1]! - startOf(messages, from);
    if (reply) {
      this.#queuedReplies += change;
      this.#queuedReplyBytes += change * bytes;
    } else {
      this.#queuedMessages += change * (to - from);
      this.#queuedBytes += change * bytes;
    }
    return bytes;
  }
}

function isPiece(queued: Piece | OwnTurn): queued is Piece {
  return "messages" in queued;
}

function startOf(messages: Messages, index: number): number {
  return index === 0 ? 0 : messages.ends[index - 1]!;
}

function bytesOf({ messages, from, to }: Piece): Uint8Array {
  if (from === 0 && to === messages.ends.length) return messages.bytes;
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
