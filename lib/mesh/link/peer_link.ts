import type { Connection } from "../../net/connection.ts";
import { ReadBuffer } from "../../net/read_buffer.ts";
import {
  decodeFrame,
  encodeFrame,
  FRAME,
  type Frame,
  FRAME_HEADER_BYTES,
  type FrameType,
  MAX_PAYLOAD_BYTES,
} from "./frame.ts";

/** Room for a few data frames: fewer, larger reads are what a link is fast by. */
const READ_BYTES = 512 * 1024;

/** A peer that says nothing gets a ping this many times within the stall timeout. */
const PINGS_PER_STALL = 6;

/** Options for {@linkcode PeerLink}. */
export interface PeerLinkOptions {
  /** The number of the peer. */
  node: number;
  /** How it is called in messages, such as `node 2 (host2:8083)`. */
  name: string;
  connection: Connection;
  /** What has been read already; frames begin at its start. */
  buffer?: ReadBuffer;
  /** A peer that is silent for so long is taken for stalled. */
  stallTimeoutMs: number;
}

/** Thrown when a peer is silent. */
export class PeerStalledError extends Error {
  override name = "PeerStalledError";
}

/** The connection to one peer: frames in both directions, and a sign of life from time to time. */
export class PeerLink {
  readonly node: number;
  readonly name: string;
  readonly connection: Connection;
  readonly #buffer: ReadBuffer;
  readonly #stallTimeoutMs: number;
  #sent: Promise<void> = Promise.resolve();
  #lastSentMs = performance.now();
  readonly #pings: ReturnType<typeof setInterval>;
  #readingSinceMs: number | undefined;
  #pinging = false;
  #stalled = false;
  #unread = 0;
  #peeked: Promise<Frame | null> | undefined;
  readonly #ended = Promise.withResolvers<void>();

  constructor(options: PeerLinkOptions) {
    this.node = options.node;
    this.name = options.name;
    this.connection = options.connection;
    this.#stallTimeoutMs = options.stallTimeoutMs;
    this.#buffer = new ReadBuffer({
      initialBytes: READ_BYTES,
      maxBytes: MAX_PAYLOAD_BYTES + FRAME_HEADER_BYTES,
    });
    const { buffer } = options;
    if (buffer) {
      const rest = buffer.bytes.subarray(buffer.start, buffer.end);
      this.#buffer.makeSpace();
      this.#buffer.bytes.set(rest, this.#buffer.end);
      this.#buffer.took(rest.length);
    }
    const everyMs = Math.max(10, this.#stallTimeoutMs / PINGS_PER_STALL);
    this.#pings = setInterval(() => this.#lookAfter(everyMs), everyMs);
  }

  /** Sends a frame; resolves when the operating system has taken it. */
  send(type: FrameType, payload?: Uint8Array): Promise<void> {
    return this.write(encodeFrame(type, payload));
  }

  /** Sends encoded frames behind all that is on its way; they must not change meanwhile. */
  write(frames: Uint8Array): Promise<void> {
    const written = this.#sent.then(() => this.connection.write(frames)).then(() => {
      this.#lastSentMs = performance.now();
    });
    // Who comes next fails by itself.
    this.#sent = written.catch(() => {});
    return written;
  }

  /**
   * The next frame that is no ping, or `null` at the end.
   *
   * @throws {FrameError} If what came is no frame.
   * @throws {PeerStalledError} If nothing comes for too long.
   */
  receive(): Promise<Frame | null> {
    const peeked = this.#peeked;
    this.#peeked = undefined;
    return peeked ?? this.#receive();
  }

  /** As `receive`, but what comes is received again. */
  peek(): Promise<Frame | null> {
    return this.#peeked ??= this.#receive();
  }

  async #receive(): Promise<Frame | null> {
    const buffer = this.#buffer;
    buffer.consume(this.#unread);
    this.#unread = 0;
    for (;;) {
      const frame = decodeFrame(buffer.bytes.subarray(buffer.start, buffer.end));
      if ("type" in frame) {
        const bytes = FRAME_HEADER_BYTES + frame.payload.length;
        if (frame.type !== FRAME.PING) {
          this.#unread = bytes;
          return frame;
        }
        buffer.consume(bytes);
        continue;
      }
      this.#readingSinceMs = performance.now();
      // Part of a frame is no request of a client: it has the stall timeout.
      const more = await buffer.fill(this.connection, 0);
      this.#readingSinceMs = undefined;
      if (more) continue;
      if (this.#stalled) {
        throw new PeerStalledError(`nothing was heard for ${this.#stallTimeoutMs / 1000} s`);
      }
      return null;
    }
  }

  /** Resolves when it is closed from this side. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Ends the link at once. */
  close(): void {
    clearInterval(this.#pings);
    this.#ended.resolve();
    this.connection.close();
  }

  #lookAfter(everyMs: number): void {
    const nowMs = performance.now();
    const waitingMs = nowMs - (this.#readingSinceMs ?? nowMs);
    // Only while we wait: a peer is not silent because we have no time to listen.
    if (waitingMs > this.#stallTimeoutMs) {
      this.#stalled = true;
      this.connection.close();
    } else if (nowMs - this.#lastSentMs >= everyMs && !this.#pinging) {
      this.#pinging = true;
      this.send(FRAME.PING).catch(() => {}).finally(() => this.#pinging = false);
    }
  }
}
