import type { Socket } from "./pipe.ts";
import type { Hold, Pace, RatedClient, RateLimits } from "./rate_limits.ts";
import type { Greeting, TlsConn } from "./tls_conn.ts";

/** Thrown by a write to a connection that is closed or broken. */
export class ConnectionClosedError extends Error {
  override name = "ConnectionClosedError";
}

/** What the code that serves a client knows about it. */
export interface ClientDescription {
  /** The protocol it speaks, such as "Redis". */
  readonly protocol: string;
  /** The name it has given itself; empty if none. */
  readonly name?: string;
  /** What it does or waits for, if its connection does not tell that already. */
  readonly state?: string | undefined;
}

/** How long a client may take to read the remaining bytes once its connection is being closed. */
const LINGER_MS = 1000;

/** How much input of a closing connection is discarded at most. */
const LINGER_MAX_BYTES = 1024 * 1024;

/**
 * The connection of one client: it reads, writes and counts raw bytes. Unlike a socket, it can end
 * a pending read without closing ({@linkcode endInput}).
 */
export class Connection implements RatedClient {
  /** A number that no other connection of the same listener has or had. */
  readonly id: number;
  /** The peer, such as "127.0.0.1:40312"; "unix" for a client of a unix socket. */
  readonly remote: string;
  /** The peer without its port; limits per address use it. */
  get host(): string {
    return this.remote.replace(/:\d+$/, "");
  }

  /** Bytes read. */
  bytesReceived = 0;
  /** Bytes that the operating system has accepted. */
  bytesSent = 0;
  /**
   * Identifies the request that the client has begun and not finished; 0 between requests. Every
   * read sets it. No two requests of a connection have the same number.
   */
  request = 0;
  /** How many requests the client has made; see {@linkcode RatedClient}. */
  requestCount = 0;
  /** The name of the token that the client has shown. */
  tokenName: string | undefined;
  /** What holds the client back if it sends too much; `undefined` for nothing. */
  rateLimits: RateLimits | undefined;
  /** See {@linkcode RatedClient}. */
  pace: Pace | undefined;
  /** Whether the client was sent the greeting of its listener, before the handshake. */
  greeted = false;
  /** When it was opened, from `performance.now()`; whole, which takes no memory of its own. */
  readonly openedMs = Math.round(performance.now());
  /** Describes the client, for lists of connections. Set by the code that serves it. */
  client: { describe(): ClientDescription } | undefined;
  /** Sent before the connection is closed because a request took too long. */
  timeoutReply: Uint8Array | undefined;

  readonly #conn: Socket;
  /** The pending read of the socket; it can outlive the call of {@linkcode read}. */
  #socketRead: Promise<number | null> | undefined;
  #endRead: ((end: null) => void) | undefined;
  #hold: Hold | undefined;
  #inputEnded = false;
  #inputCut = false;
  #timedOut = false;
  #peerEnded = false;
  /** Whether this side has ended its output, so that no more can be written. */
  #outputEnded = false;
  #closed = false;
  /** Writes that the operating system has not accepted whole. */
  #writes = 0;

  /**
   * @param conn The socket; the connection owns it from now on.
   * @param id See {@linkcode Connection.id}.
   * @param remote See {@linkcode Connection.remote}.
   */
  constructor(conn: Socket, id: number, remote: string) {
    this.#conn = conn;
    this.id = id;
    this.remote = remote;
  }

  /**
   * Turns on no-delay and keep-alive. Without no-delay, a client that does not set it either waits
   * 40 ms for a reply.
   */
  setTcpOptions(): void {
    if (!("setNoDelay" in this.#conn)) return;
    const conn = this.#conn as unknown as Deno.TcpConn;
    conn.setNoDelay(true);
    conn.setKeepAlive(true);
  }

  /**
   * Completes the TLS handshake, if the socket speaks TLS. A drain does not wait for it.
   *
   * @param limitMs How long the handshake may take.
   * @param greeting Sent first in plain text.
   * @throws {ConnectionClosedError} If the handshake fails or takes too long. The connection is then
   * closed.
   */
  async completeHandshake(limitMs: number, greeting?: Greeting | undefined): Promise<void> {
    if (!("handshake" in this.#conn)) return;
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      this.close();
    }, limitMs);
    this.#endRead = () => this.close();
    try {
      const conn = this.#conn as unknown as TlsConn;
      if (greeting !== undefined) this.greeted = await conn.greet(greeting);
      await conn.handshake();
    } catch (cause) {
      this.close();
      const why = late ? `it took longer than ${limitMs / 1000} s` : (cause as Error).message;
      throw new ConnectionClosedError(`No TLS handshake with ${this.remote}: ${why}`, { cause });
    } finally {
      clearTimeout(limit);
      this.#endRead = undefined;
    }
  }

  /** Whether a read is waiting for bytes, so the service has nothing to do for this client. */
  get reading(): boolean {
    return this.#endRead !== undefined;
  }

  /** Whether it is not read because its client is over a rate limit. */
  get heldBack(): boolean {
    return this.#hold !== undefined || this.#conn.heldBack === true;
  }

  /** Whether nothing happens until its client, or the clock, does something. */
  get waiting(): boolean {
    return this.reading || this.heldBack;
  }

  /** Changes with each byte in either direction; 0 while its silence is not its fault. */
  get activity(): number {
    return this.heldBack ? 0 : 1 + this.bytesReceived + this.bytesSent;
  }

  /** Whether a write is pending, so the client has to read before there is more for it. */
  get writing(): boolean {
    return this.#writes > 0;
  }

  /** The request whose remainder the server is waiting for; 0 if it is not waiting for one. */
  get awaitedRequest(): number {
    return this.reading ? this.request : 0;
  }

  /**
   * Whether the input ended before the peer closed its side: the daemon drains, or the connection is
   * closed or broken. The last bytes read may then be half a request.
   */
  get inputCut(): boolean {
    return this.#inputCut;
  }

  /** Whether the input ended because a request took too long. */
  get timedOut(): boolean {
    return this.#timedOut;
  }

  /** Whether this side has closed the connection, or it is broken. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Reads what has arrived, or waits for it.
   *
   * @param into Where the bytes go. The caller must not touch it before the promise resolves.
   * @param request See {@linkcode Connection.request}.
   * @returns The number of bytes read; `null` at the end of the input, when the peer has closed its
   * side or is gone, or the daemon drains. Outstanding replies can still be written.
   */
  read(into: Uint8Array, request = 0): Promise<number | null> {
    this.request = request;
    if (this.#inputEnded) return Promise.resolve(null);
    const hold = this.rateLimits?.hold(this);
    return hold === undefined ? this.#readNow(into) : this.#readAfter(hold, into);
  }

  async #readAfter(hold: Hold, into: Uint8Array): Promise<number | null> {
    this.#hold = hold;
    await hold.over;
    this.#hold = undefined;
    return this.#inputEnded ? null : await this.#readNow(into);
  }

  #readNow(into: Uint8Array): Promise<number | null> {
    return new Promise((resolve) => {
      this.#endRead = resolve;
      this.#socketRead = this.#conn.read(into).then((count) => {
        this.#endRead = undefined;
        if (count === null) this.#inputEnded = this.#peerEnded = true;
        else this.bytesReceived += count;
        resolve(count);
        return count;
      }, () => {
        // Reset, timed out or closed: nothing more comes from this peer.
        this.close();
        this.#peerEnded = true;
        return null;
      });
    });
  }

  /**
   * Writes all bytes; resolves when the operating system has accepted them.
   *
   * @param bytes The bytes, which must not change before the promise resolves.
   * @throws {ConnectionClosedError} If the connection is closed or broken.
   */
  write(bytes: Uint8Array): Promise<void> {
    // The socket would refuse it as well, which looks like a broken connection and resets it.
    if (this.#outputEnded) return Promise.reject(new ConnectionClosedError(this.#goneMessage()));
    // Not an async function: nearly every write is accepted whole, and then costs one `then`.
    this.#writes++;
    return this.#conn.write(bytes).then((count) => {
      this.#writes--;
      this.bytesSent += count;
      if (count < bytes.length) return this.write(bytes.subarray(count));
    }, (cause) => {
      this.#writes--;
      this.close();
      throw new ConnectionClosedError(this.#goneMessage(), { cause });
    });
  }

  #goneMessage(): string {
    return `Cannot write to ${this.remote}: it is gone`;
  }

  /** Ends the input: the pending read and all later ones return `null`. */
  endInput(): void {
    if (!this.#inputEnded) this.#inputEnded = this.#inputCut = true;
    this.#hold?.end();
    this.#endRead?.(null);
    this.#endRead = undefined;
  }

  /** Ends the input because a request takes too long; {@linkcode finish} then tells the client. */
  timeOut(): void {
    this.#timedOut = true;
    this.endInput();
  }

  /**
   * Closes gracefully. Closing a socket with unread input resets the connection, and the peer may
   * then lose what it has not read yet. So this closes for writing, and discards input, within
   * limits, until the peer closes too.
   *
   * @param lastWords Written first.
   */
  async finish(lastWords = this.#timedOut ? this.timeoutReply : undefined): Promise<void> {
    if (this.#closed) return;
    const limit = setTimeout(() => this.close(), LINGER_MS);
    try {
      if (lastWords !== undefined && !this.#peerEnded) await this.write(lastWords);
      // Even if the peer has closed its side: over TLS it could not otherwise tell the end of the
      // stream from a truncated one.
      this.#outputEnded = true;
      await this.#conn.closeWrite();
      if (!this.#peerEnded) await this.#discardInput();
    } catch (error) {
      // The peer closed first, or the limit has passed. Anything else is a bug.
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

  /** Closes at once: a pending read returns `null`, pending writes throw. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.endInput();
    this.#conn.close();
  }
}

/** Whether an error of a socket means only that the connection is lost. */
function isConnectionLoss(error: unknown): boolean {
  return error instanceof ConnectionClosedError || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.NotConnected || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.TimedOut ||
    error instanceof Deno.errors.ConnectionAborted;
}
