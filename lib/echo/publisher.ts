import type { Messages } from "../net/outbox.ts";
import type { Room } from "./room.ts";

/**
 * How many bytes of one client may wait to be published. Then its connection is not read until
 * some are; what one more read brings comes on top.
 */
export const READ_AHEAD_MAX_BYTES = 1024 * 1024;

/** What a waiting batch counts beyond its messages, for the objects that hold it. */
const BATCH_OVERHEAD_BYTES = 256;

/** Waiting batches are joined into batches of about this size, as large as one read brings. */
const JOINED_BATCH_BYTES = 64 * 1024;

/**
 * One client's way into a room. While a batch of its messages waits for room in the queues of
 * others, the client is read on, up to {@linkcode READ_AHEAD_MAX_BYTES}.
 *
 * Without that, clients that publish and read in turn would deadlock: A's batch waits for B's
 * queue; B reads nothing before its own write returns; that write waits for the server to read from
 * B; and the server does not, as B's last batch waits behind A's.
 */
export class Publisher {
  readonly #room: Room;
  /** Batches behind the one that the room works on. */
  #waiting: WaitingBatch[] = [];
  /** What all of these and the one that the room works on count. */
  #unpublishedBytes = 0;
  #publishing = false;
  /** Resolves when the batch that the room works on is published. */
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
   * @param messages Nobody may change them from now on.
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

  /** Waits for the batch that the room works on, then publishes those that have come meanwhile. */
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

/** A batch that has been read and not yet handed to the room. */
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
