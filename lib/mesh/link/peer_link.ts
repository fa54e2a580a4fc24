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
import { CHECKS_PER_TIMEOUT, SilenceWatch } from "./silence_watch.ts";

/** Space for several data frames: a link is faster with few large reads. */
const READ_BYTES = 512 * 1024;

/** Options for {@linkcode PeerLink}. */
export interface PeerLinkOptions {
  /** The number of the peer. */
  node: number;
  /** The name in messages, such as `node 2 (host2:8083)`. */
  name: string;
  connection: Connection;
  /** What was read after the hello: the start of the frames. */
  buffer?: ReadBuffer;
  /** A peer that is silent for this long is considered stalled. */
  stallTimeoutMs: number;
}

/** Thrown when a peer has been silent for the stall timeout. */
export class PeerStalledError extends Error {
  override name = "PeerStalledError";
}

/** The connection to one peer: frames in both directions, and pings when there are none to send. */
export class PeerLink {
  readonly node: number;
  readonly name: string;
  readonly connection: Connection;
  readonly #buffer: ReadBuffer;
  readonly #stallTimeoutMs: number;
  #sent: Promise<void> = Promise.resolve();
  #lastSentMs = performance.now();
  readonly #watch: SilenceWatch;
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
    this.#watch = new SilenceWatch({
      timeoutMs: this.#stallTimeoutMs,
      onCheck: () => this.#ping(),
      onSilent: () => {
        this.#stalled = true;
        this.connection.close();
      },
    });
    this.#watch.listening = false;
  }

  /** Sends a frame; resolves when the operating system has accepted it. */
  send(type: FrameType, payload?: Uint8Array): Promise<void> {
    return this.write(encodeFrame(type, payload));
  }

  /** Sends encoded frames after those sent before. They must not change until it resolves. */
  write(frames: Uint8Array): Promise<void> {
    const written = this.#sent.then(() => this.connection.write(frames)).then(() => {
      this.#lastSentMs = performance.now();
    });
    // The next write fails on its own.
    this.#sent = written.catch(() => {});
    return written;
  }

  /**
   * Receives the next frame that is not a ping, or `null` at the end.
   *
   * @throws {FrameError} If the peer sends anything else.
   * @throws {PeerStalledError} If the peer is silent for the stall timeout.
   */
  receive(): Promise<Frame | null> {
    const peeked = this.#peeked;
    this.#peeked = undefined;
    return peeked ?? this.#receive();
  }

  /** Like `receive`, but the next call returns the same frame again. */
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
      this.#watch.heard();
      this.#watch.listening = true;
      // No read timeout for partial frames: the stall timeout applies.
      const more = await buffer.fill(this.connection, 0);
      this.#watch.listening = false;
      if (more) continue;
      if (this.#stalled) {
        throw new PeerStalledError(`nothing was heard for ${this.#stallTimeoutMs / 1000} s`);
      }
      return null;
    }
  }

  /** Resolves when this side has closed the link. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Closes the link at once. */
  close(): void {
    this.#watch[Symbol.dispose]();
    this.#ended.resolve();
    this.connection.close();
  }

  /** Shows the peer that this side is alive, unless something else was sent lately. */
  #ping(): void {
    const quietMs = performance.now() - this.#lastSentMs;
    if (this.#pinging || quietMs < this.#stallTimeoutMs / CHECKS_PER_TIMEOUT) return;
    this.#pinging = true;
    this.send(FRAME.PING).catch(() => {}).finally(() => this.#pinging = false);
  }
}
