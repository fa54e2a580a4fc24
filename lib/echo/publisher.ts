import type { Messages } from "../net/outbox.ts";
import type { Room } from "./room.ts";

/**
 * The maximum number of bytes of one client that wait to be published. At the limit the client is
 * not read until some are published; the last read may exceed it.
 */
export const READ_AHEAD_MAX_BYTES = 1024 * 1024;

/** What each waiting batch counts on top of its messages: the memory of the objects it needs. */
const BATCH_OVERHEAD_BYTES = 256;

/** Waiting batches are joined into batches of about this size, as large as one read brings. */
const JOINED_BATCH_BYTES = 64 * 1024;

/**
 * Publishes the messages of one client to a room. While a batch waits for space in a full queue, the
 * client is still read, up to {@linkcode READ_AHEAD_MAX_BYTES}.
 *
 * Without reading ahead, single-threaded clients that write a burst and then read would deadlock:
 * A's batch waits for space in B's queue; B does not read before its own write returns; the write
 * does not return before the server reads from B; the server does not read from B because B's last
 * batch waits behind A's. B would be called slow, although it reads.
 */
export class Publisher {
  readonly #room: Room;
  /** Batches queued behind the current one. */
  #waiting: WaitingBatch[] = [];
  /** The counted size of the waiting batches and the current one. */
  #unpublishedBytes = 0;
  #publishing = false;
  /** Resolves when the current batch is published; `undefined` if it did not have to wait. */
  #current: Promise<void> | undefined;
  /** Resolves when every batch so far is published. */
  #all: Promise<void> = Promise.resolve();

  /** @param room The room that the client is in. */
  constructor(room: Room) {
    this.#room = room;
  }

  /**
   * Publishes messages, once those before them are published.
   *
   * @param messages The messages, which must not change from now on.
   * @returns A promise if the client must not be read before it resolves.
   */
  publish(messages: Messages): Promise<void> | void {
    const bytes = countedBytes(messages);
    if (this.#publishing) {
      this.#waiting.push({ messages, bytes, readMs: performance.now() });
      this.#unpublishedBytes += bytes;
    } else {
      this.#current = this.#room.publish(messages) ?? undefined;
      if (this.#current === undefined) return;
      this.#unpublishedBytes = bytes;
      this.#all = this.#publishWaiting(bytes);
    }
    if (this.#unpublishedBytes >= READ_AHEAD_MAX_BYTES) return this.#belowLimit();
  }

  /** Resolves when everything is published. */
  settled(): Promise<void> {
    return this.#all;
  }

  async #belowLimit(): Promise<void> {
    while (this.#unpublishedBytes >= READ_AHEAD_MAX_BYTES) await this.#current;
  }

  /** Waits for the current batch, then publishes those that have arrived in the meantime. */
  async #publishWaiting(currentBytes: number): Promise<void> {
    this.#publishing = true;
    await this.#current;
    this.#unpublishedBytes -= currentBytes;
    while (this.#waiting.length > 0) {
      const { messages, bytes, readMs } = this.#takeWaiting();
      this.#current = this.#room.publish(messages, readMs) ?? undefined;
      await this.#current;
      this.#unpublishedBytes -= bytes;
    }
    this.#publishing = false;
  }

  /** Takes the oldest waiting batches, joined: one large batch costs less than many small ones. */
  #takeWaiting(): WaitingBatch {
    let length = 0;
    let taken = 0;
    while (taken < this.#waiting.length && length < JOINED_BATCH_BYTES) {
      length += this.#waiting[taken++]!.messages.bytes.length;
    }
    return join(this.#waiting.splice(0, taken), length);
  }
}

/** A batch that is read and not yet published. */
interface WaitingBatch {
  messages: Messages;
  /** What it counts towards {@linkcode READ_AHEAD_MAX_BYTES}. */
  bytes: number;
  /** When it was read, from `performance.now()`. */
  readMs: number;
}

function countedBytes({ bytes, ends }: Messages): number {
  return bytes.length + Uint32Array.BYTES_PER_ELEMENT * ends.length + BATCH_OVERHEAD_BYTES;
}

/** Joins batches into one; `length` is the length of all their messages. */
function join(batches: readonly WaitingBatch[], length: number): WaitingBatch {
  const [first] = batches;
  if (batches.length === 1) return first!;
  const bytes = new Uint8Array(length);
  const ends: number[] = [];
  let counted = 0;
  let at = 0;
  for (const { messages, bytes: counts } of batches) {
    bytes.set(messages.bytes, at);
    for (let i = 0; i < messages.ends.length; i++) ends.push(at + messages.ends[i]!);
    at += messages.bytes.length;
    counted += counts;
  }
  return { messages: { bytes, ends }, bytes: counted, readMs: first!.readMs };
}
