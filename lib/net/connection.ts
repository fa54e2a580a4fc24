import type { Socket } from "./pipe.ts";

/** Thrown when something is written to a connection that is gone. */
export class ConnectionClosedError extends Error {
  override name = "ConnectionClosedError";
}

/** How long a closed connection may take to read what was sent to it. */
const LINGER_MS = 1000;

/** The most that is read and thrown away from a peer that is still sending when we close. */
const LINGER_MAX_BYTES = 1024 * 1024;

/**
 * One connection of a client: reads and writes of raw bytes, counted, with an end that can come
 * from either side. A read in progress can be ended from here ({@linkcode endInput}), which the
 * socket itself has no word for.
 */
export class Connection {
  /** A number that no other connection of this listener has had. */
  readonly id: number;
  /** The peer, such as "127.0.0.1:40312", or the path of a unix socket. */
  readonly remote: string;
  /** The peer without its port: what limits that are kept by address go by. */
  get host(): string {
    return this.remote.replace(/:\d+$/, "");
  }

  /** How many bytes were read. */
  bytesReceived = 0;
  /** How many bytes the operating system has taken. */
  bytesSent = 0;
  /**
   * The request that the client has begun and not finished, by a number that none before it had; 0
   * between requests. Whoever reads says so, with every read.
   */
  request = 0;
  /** What the client is told before it is closed because a request takes too long. */
  timeoutReply: Uint8Array | undefined;

  readonly #conn: Socket;
  /** The read that the socket is busy with; it can outlive the one who asked for it. */
  #socketRead: Promise<number | null> | undefined;
  #endRead: ((end: null) => void) | undefined;
  #inputEnded = false;
  #inputCut = false;
  #timedOut = false;
  #peerEnded = false;
  #closed = false;

  /**
   * @param conn The socket, which is this connection's alone from now on.
   * @param id See {@linkcode Connection.id}.
   * @param remote See {@linkcode Connection.remote}.
   */
  constructor(conn: Socket, id: number, remote: string) {
    this.#conn = conn;
    this.id = id;
    this.remote = remote;
  }

  /**
   * Sends small writes at once, and asks the operating system to look after a silent peer.
   * Without the first, a peer that leaves it out as well waits 40 ms for an answer.
   */
  setTcpOptions(): void {
    if (!("setNoDelay" in this.#conn)) return;
    const conn = this.#conn as unknown as Deno.TcpConn;
    conn.setNoDelay(true);
    conn.setKeepAlive(true);
  }

  /**
   * Completes the handshake of TLS, if it is a socket that speaks TLS. A drain does not wait for it.
   *
   * @param limitMs How long the client may take.
   * @throws {ConnectionClosedError} If there is none in time; then the connection is closed.
   */
  async shakeHands(limitMs: number): Promise<void> {
    if (!("handshake" in this.#conn)) return;
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      this.close();
    }, limitMs);
    this.#endRead = () => this.close();
    try {
      await (this.#conn as unknown as Deno.TlsConn).handshake();
    } catch (cause) {
      this.close();
      const why = late ? `it took longer than ${limitMs / 1000} s` : (cause as Error).message;
      throw new ConnectionClosedError(`No TLS handshake with ${this.remote}: ${why}`, { cause });
    } finally {
      clearTimeout(limit);
      this.#endRead = undefined;
    }
  }

  /** Whether a read waits for bytes, so that nothing is being worked on. */
  get reading(): boolean {
    return this.#endRead !== undefined;
  }

  /** The request whose rest is waited for: 0 if none is, the server being at work included. */
  get awaitedRequest(): number {
    return this.reading ? this.request : 0;
  }

  /**
   * Whether the input ended before the peer had closed its side: the daemon drains, or the
   * connection is closed or broken. What was read last may then be half of something.
   */
  get inputCut(): boolean {
    return this.#inputCut;
  }

  /** Whether the connection is closed from this side or broken. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Reads what has arrived, or waits for it.
   *
   * @param into Where the bytes go; it belongs to the connection until the promise resolves.
   * @param request See {@linkcode Connection.request}.
   * @returns How many bytes came, or `null` when no more will: the peer closed its side or is
   * gone, or the daemon drains. What is owed to the peer can still be written.
   */
  read(into: Uint8Array, request = 0): Promise<number | null> {
    this.request = request;
    if (this.#inputEnded) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#endRead = resolve;
      this.#socketRead = this.#conn.read(into).then((count) => {
        this.#endRead = undefined;
        if (count === null) this.#inputEnded = this.#peerEnded = true;
        else this.bytesReceived += count;
        resolve(count);
        return count;
      }, () => {
        // Reset, timed out or closed: whatever it was, nothing more comes from this peer.
        this.close();
        this.#peerEnded = true;
        return null;
      });
    });
  }

  /**
   * Writes all bytes; resolves when the operating system has taken them.
   *
   * @param bytes They must not change before the promise resolves.
   * @throws {ConnectionClosedError} If the connection is gone.
   */
  write(bytes: Uint8Array): Promise<void> {
    // Not an async function: nearly every write is taken whole, and a `then` is what that costs.
    return this.#conn.write(bytes).then((count) => {
      this.bytesSent += count;
      if (count < bytes.length) return this.write(bytes.subarray(count));
    }, (cause) => {
      this.close();
      throw new ConnectionClosedError(`Cannot write to ${this.remote}: it is gone`, { cause });
    });
  }

  /** Lets reads, the pending one too, say that the input has ended. */
  endInput(): void {
    if (!this.#inputEnded) this.#inputEnded = this.#inputCut = true;
    this.#endRead?.(null);
    this.#endRead = undefined;
  }

  /** Ends the input because a request takes too long; {@linkcode finish} tells the client so. */
  timeOut(): void {
    this.#timedOut = true;
    this.endInput();
  }

  /**
   * Closes after what was written has had a chance to arrive. To close a socket with unread input
   * resets it, and the peer may then lose what it has not yet read; so its input is read, within
   * limits, until it closes as well.
   *
   * @param lastWords What is written before that, if anything.
   */
  async finish(lastWords = this.#timedOut ? this.timeoutReply : undefined): Promise<void> {
    if (this.#closed) return;
    const limit = setTimeout(() => this.close(), LINGER_MS);
    try {
      if (lastWords !== undefined && !this.#peerEnded) await this.write(lastWords);
      // A peer that has closed its side is told as well: over TLS it could else not tell the end
      // from a line that was cut.
      await this.#conn.closeWrite();
      if (!this.#peerEnded) await this.#discardInput();
    } catch (error) {
      // The peer went first or the limit has passed; anything else is a mistake of ours.
      if (!isConnectionLoss(error)) throw error;
    } finally {
      clearTimeout(limit);
    }
    this.close();
  }

  async #discardInput(): Promise<void> {
    let discarded = await (this.#socketRead ?? 0);
    const scratch = new Uint8Array(4096);
    let total = 0;
    while (discarded !== null && total < LINGER_MAX_BYTES && !this.#peerEnded) {
      total += discarded;
      discarded = await this.#conn.read(scratch);
    }
  }

  /** Closes at once: pending reads say that the input has ended, pending writes throw. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.endInput();
    this.#conn.close();
  }
}

/** Whether an error of a socket only says that the connection is gone. */
function isConnectionLoss(error: unknown): boolean {
  return error instanceof ConnectionClosedError || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.NotConnected || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.TimedOut ||
    error instanceof Deno.errors.ConnectionAborted;
}
