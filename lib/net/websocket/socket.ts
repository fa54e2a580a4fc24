import { type ClientDescription, Connection, ConnectionClosedError } from "../connection.ts";
import type { Socket } from "../pipe.ts";
import { READ_MAX_BYTES, ReadBuffer } from "../read_buffer.ts";
import { Decoder, type DecoderOptions } from "./decoder.ts";
import { closeFrame, encodeLines, frame, linesIn } from "./encoder.ts";
import { CLOSE_CODE, type Ending, OPCODE } from "./protocol.ts";

/** The initial size of the buffer for reads: most clients send little. */
const READ_INITIAL_BYTES = 1024;

/** How long the client may take to accept the close frame. */
const CLOSE_MAX_MS = 1000;

/**
 * A WebSocket after its handshake, as a socket: a server of lines or of a stream of bytes uses it,
 * through {@linkcode connection}, like any other. Pings are answered while it is being read.
 */
export class WebSocketSocket implements Socket {
  /** The connection to the client that this socket makes. */
  readonly connection: Connection;
  /** Changes with every message in either direction, but not with pings. */
  activity = 0;

  readonly #outer: Connection;
  /** The requests of the outer connection before the protocol inside began. */
  readonly #handshakes: number;
  readonly #form: DecoderOptions["form"];
  readonly #decoder: Decoder;
  readonly #buffer = new ReadBuffer({
    initialBytes: READ_INITIAL_BYTES,
    maxBytes: READ_MAX_BYTES,
  });
  /** Writes that have begun or wait for earlier ones; frames must not mix. */
  #writes = 0;
  #lastWrite: Promise<void> = Promise.resolve();
  /** Why this side ends the conversation. */
  #ending: Ending | undefined;
  #closeSent = false;

  /**
   * @param outer The connection that carries the frames. Nothing else may use it before this socket
   * is finished.
   * @param head Bytes that were read from it with the handshake.
   * @param options See {@linkcode DecoderOptions}.
   */
  constructor(outer: Connection, head: Uint8Array, options: DecoderOptions) {
    this.#outer = outer;
    this.#handshakes = outer.requestCount;
    this.#form = options.form;
    this.#decoder = new Decoder(options);
    this.#decoder.push(head);
    this.connection = new Connection(this, outer.id, outer.remote);
    outer.client = this;
  }

  /** Describes the client, for lists of connections. */
  describe(): ClientDescription {
    const { protocol, ...rest } = this.connection.client?.describe() ?? {};
    return { ...rest, protocol: protocol === undefined ? "WebSocket" : `${protocol}, WebSocket` };
  }

  /** Whether the socket is closed. */
  get closed(): boolean {
    return this.#outer.closed;
  }

  /** How the client has ended the conversation, or broken the protocol; `undefined` before that. */
  get ending(): Ending | undefined {
    return this.#decoder.ending;
  }

  /** Whether a write is pending. */
  get writing(): boolean {
    return this.#writes > 0;
  }

  /** Whether nothing but the client keeps it silent. */
  get reading(): boolean {
    return this.#outer.reading;
  }

  get heldBack(): boolean {
    return this.#outer.heldBack;
  }

  /** Bytes received and sent so far, frames of any kind. */
  get progress(): { received: number; sent: number } {
    return { received: this.#outer.bytesReceived, sent: this.#outer.bytesSent };
  }

  /** Reads lines or bytes; `null` once either side has ended the conversation. */
  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      await this.#answerPing();
      const count = this.#decoder.take(into);
      if (count > 0) {
        this.activity++;
        return count;
      }
      if (this.#decoder.ending !== undefined || !await this.#fill()) return null;
    }
  }

  /**
   * Writes whole lines, as a message each, or bytes as one message.
   *
   * @throws {ConnectionClosedError} If the connection is closed or broken.
   */
  async write(bytes: Uint8Array): Promise<number> {
    const frames = this.#form === "lines"
      ? encodeLines(linesIn(bytes)).bytes
      : frame(OPCODE.BINARY, bytes);
    await this.writeFrames(frames);
    return bytes.length;
  }

  /**
   * Writes messages that are frames already. They must not change before the promise resolves.
   *
   * @throws {ConnectionClosedError} If the connection is closed or broken.
   */
  writeFrames(frames: Uint8Array): Promise<void> {
    this.activity++;
    if (this.#closeSent) {
      return Promise.reject(new ConnectionClosedError("Cannot write: the close frame is sent"));
    }
    return this.#send(frames);
  }

  /** Asks the client for a sign of life. */
  ping(): void {
    if (!this.#closeSent) this.#send(frame(OPCODE.PING, new Uint8Array(0))).catch(ignoreLoss);
  }

  /** Ends the input: reads return `null`, and the client is told why when the socket is finished. */
  end(ending: Ending): void {
    this.#ending ??= ending;
    this.#outer.endInput();
  }

  /** Sends the close frame, as {@linkcode finish} does. */
  async closeWrite(): Promise<void> {
    await this.finish();
  }

  /** Closes at once. */
  close(): void {
    this.#outer.close();
  }

  /** Ends the conversation: sends the close frame, unless that is done. */
  async finish(): Promise<void> {
    if (this.#closeSent || this.closed) return;
    this.#closeSent = true;
    const limit = setTimeout(() => this.close(), CLOSE_MAX_MS);
    try {
      await this.#send(closeFrame(this.#whyEnded()));
    } catch (error) {
      ignoreLoss(error);
    } finally {
      clearTimeout(limit);
    }
  }

  #whyEnded(): Ending {
    const { timedOut, inputCut } = this.#outer;
    if (this.#ending !== undefined) return this.#ending;
    if (timedOut) return { code: CLOSE_CODE.POLICY, reason: "request timeout" };
    if (inputCut) return { code: CLOSE_CODE.GOING_AWAY, reason: "the server stops" };
    // Otherwise the server has refused to go on, and its last message says why.
    return this.#decoder.ending ?? { code: CLOSE_CODE.POLICY, reason: "" };
  }

  async #fill(): Promise<boolean> {
    const buffer = this.#buffer;
    // The protocol inside counts its requests, and may have asked for a token.
    const { requestCount, tokenName } = this.connection;
    this.#outer.requestCount = this.#handshakes + requestCount;
    if (tokenName !== undefined) this.#outer.tokenName = tokenName;
    // The request of the protocol inside, if it has begun one, lasts longer than that of a frame.
    const request = this.connection.request || this.#decoder.begun;
    if (!await buffer.fill(this.#outer, request)) return false;
    this.#decoder.push(buffer.bytes.subarray(buffer.start, buffer.end));
    buffer.consume(buffer.end - buffer.start);
    return true;
  }

  /** Only the last ping of a read is answered, as section 5.5.3 permits. */
  async #answerPing(): Promise<void> {
    const ping = this.#decoder.takePing();
    if (ping !== undefined && !this.#closeSent) await this.#send(frame(OPCODE.PONG, ping));
  }

  /** Writes frames behind those that are being written. */
  #send(frames: Uint8Array): Promise<void> {
    const sent = this.#writes++ === 0
      ? this.#outer.write(frames)
      : this.#lastWrite.then(() => this.#outer.write(frames));
    this.#lastWrite = sent.then(this.#written, this.#written);
    return sent;
  }

  readonly #written = () => {
    this.#writes--;
  };
}

/** The reader of the connection learns of the loss too. */
function ignoreLoss(error: unknown): void {
  if (!(error instanceof ConnectionClosedError)) throw error;
}
