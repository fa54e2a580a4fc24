/**
 * TLS for servers. `node:tls` does the handshake and the encryption; the socket is Deno's.
 * `Deno.listenTls` would be simpler, but it cannot request client certificates or set no-delay, and
 * a connection that it has closed keeps its descriptor until the peer closes too.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { createServer, type TLSSocket } from "node:tls";
import { CipherStream } from "./cipher_stream.ts";
import type { ClientCertificates } from "./client_certificates.ts";
import type { RawConn, Socket } from "./pipe.ts";

/** The limit of a handshake. Deno keeps the state of a failed handshake for as long. */
const HANDSHAKE_MAX_MS = 15_000;

/** The most that is encrypted at a time. Deno splits anything larger into two writes. */
const WRITE_MAX_BYTES = 48 * 1024;

/** Options for {@linkcode TlsConn}. */
export interface TlsConnOptions {
  /** The certificate of the server and its key (PEM). */
  cert: string;
  key: string;
  /** The issuers of client certificates (PEM). */
  clientCa?: string;
  /** Admits clients by their certificates; without it they need none. */
  certificates?: ClientCertificates;
}

/** What a server says in plain text before the client begins the handshake. */
export interface Greeting {
  text: Uint8Array;
  /** How long to wait for the client to begin it without; 0 for not at all. */
  waitMs: number;
}

/** The server side of a TLS connection. */
export class TlsConn implements Socket {
  readonly remoteAddr: Deno.Addr;

  readonly #conn: RawConn;
  readonly #certificates: ClientCertificates | undefined;
  readonly #stream: CipherStream;
  /** Set once the handshake is complete. */
  #tls: TLSSocket | undefined;
  #handshake: Promise<TLSSocket> | undefined;
  /** Decrypted bytes that are not yet read. */
  readonly #plain: Uint8Array[] = [];
  /** Whether the client has ended its side of the TLS stream. */
  #ended = false;
  #failure: Error | undefined;
  /** Resolves on the next change of any of this. */
  #change = Promise.withResolvers<void>();
  /** The last write begun. */
  #written: Promise<unknown> = Promise.resolve();

  /**
   * @param conn The socket; this connection owns it from now on.
   * @param options See {@linkcode TlsConnOptions}.
   */
  constructor(conn: RawConn, options: TlsConnOptions) {
    this.remoteAddr = conn.remoteAddr;
    this.#conn = conn;
    this.#certificates = options.certificates;
    this.#stream = new CipherStream(conn, () => this.#changed());
    this.#stream.on("error", (error) => this.#fail(error));
    const { cert, key, clientCa: ca, certificates } = options;
    // One server for each connection, as a server does not tell which stream a socket belongs to.
    const server = createServer({
      ...{ cert, key, handshakeTimeout: HANDSHAKE_MAX_MS },
      ...(certificates === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true }),
    });
    server.on("secureConnection", (socket) => this.#admit(socket));
    server.on("tlsClientError", (error, socket) => {
      this.#fail(this.#certificates?.fault(error, socket) ?? error);
    });
    server.emit("connection", this.#stream);
  }

  /**
   * Completes the handshake. Reads and writes wait for it.
   *
   * @throws {ClientCertificateError} If the client presents no valid certificate.
   * @throws {Error} If the handshake fails for another reason.
   */
  async handshake(): Promise<void> {
    await this.#completeHandshake();
  }

  /**
   * Sends plain text before the handshake, unless the client begins that first. Call it at most once,
   * before anything else.
   *
   * @returns Whether the text was sent.
   * @throws {Error} If the connection is lost.
   */
  async greet({ text, waitMs }: Greeting): Promise<boolean> {
    if (waitMs > 0) {
      const deadline = performance.now() + waitMs;
      const timer = setTimeout(() => this.#changed(), waitMs);
      while (!this.#stream.begun && this.#failure === undefined && performance.now() < deadline) {
        await this.#more();
      }
      clearTimeout(timer);
      if (this.#stream.begun) return false;
    }
    if (this.#failure !== undefined) throw this.#failure;
    for (let at = 0; at < text.length;) at += await this.#conn.write(text.subarray(at));
    return true;
  }

  /** See {@linkcode Deno.TcpConn.setNoDelay}. */
  setNoDelay(noDelay?: boolean): void {
    this.#conn.setNoDelay?.(noDelay);
  }

  /** See {@linkcode Deno.TcpConn.setKeepAlive}. */
  setKeepAlive(keepAlive?: boolean): void {
    this.#conn.setKeepAlive?.(keepAlive);
  }

  /**
   * Reads what has arrived, or waits for it. Only one read may be pending.
   *
   * @throws {Error} If the handshake fails or the connection is lost.
   */
  async read(into: Uint8Array): Promise<number | null> {
    await this.#completeHandshake();
    while (true) {
      const bytes = this.#plain[0];
      if (bytes !== undefined) {
        const count = Math.min(bytes.length, into.length);
        into.set(count < bytes.length ? bytes.subarray(0, count) : bytes);
        if (count < bytes.length) this.#plain[0] = bytes.subarray(count);
        else this.#plain.shift();
        return count;
      }
      if (this.#ended || this.#stream.peerEnded) return null;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#stream.destroyed) throw gone();
      await this.#more();
    }
  }

  /**
   * Writes the first part of some bytes.
   *
   * @returns How many were written; it resolves when the operating system has accepted them.
   * @throws {Error} If the handshake fails or the connection is lost.
   */
  write(bytes: Uint8Array): Promise<number> {
    const begin = () => this.#write(bytes.subarray(0, WRITE_MAX_BYTES));
    const written = this.#written.then(begin, begin);
    this.#written = written;
    return written;
  }

  async #write(bytes: Uint8Array): Promise<number> {
    const tls = await this.#completeHandshake();
    if (bytes.length === 0) return 0;
    const stream = this.#stream;
    // The callback of `node:tls` is not enough: on a stream, some versions of Deno have called it
    // before the stream had accepted the bytes.
    const due = stream.takenBytes + bytes.length;
    let done = false;
    tls.write(bytes, (error) => {
      if (error) this.#fail(error);
      done = true;
      this.#changed();
    });
    while (!done || stream.takenBytes < due) {
      if (this.#failure !== undefined) throw this.#failure;
      if (stream.destroyed) throw gone();
      await this.#change.promise;
    }
    return bytes.length;
  }

  /** Closes the writing side. */
  async closeWrite(): Promise<void> {
    const tls = await this.#completeHandshake();
    await this.#written;
    await new Promise<void>((resolve) => tls.end(resolve));
    await this.#settle();
    await this.#conn.closeWrite();
  }

  /** Closes at once. */
  close(): void {
    this.#fail(gone());
    this.#tls?.destroy();
    this.#stream.destroy();
    this.#conn.close();
  }

  #completeHandshake(): Promise<TLSSocket> {
    return this.#handshake ??= (async () => {
      while (this.#tls === undefined) {
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#stream.destroyed) {
          // The reason follows as an event.
          await this.#settle();
          throw this.#failure ?? gone();
        }
        if (this.#stream.peerEnded) throw gone();
        await this.#more();
      }
      // Session tickets are sent after the handshake, and would be counted as part of the first write.
      await this.#settle();
      return this.#tls;
    })();
  }

  /** Reads from the socket if nothing is pending, and waits for a change. */
  #more(): Promise<void> {
    const { promise } = this.#change;
    this.#stream.pull();
    return promise;
  }

  /** Waits until nothing was written for a whole turn of the event loop. */
  async #settle(): Promise<void> {
    const stream = this.#stream;
    let before: number;
    do {
      before = stream.takenBytes;
      await new Promise<void>((resolve) => setImmediate(resolve));
      // Even if `node:tls` has closed the stream, as it does once both sides have ended.
      while (stream.writing && this.#failure === undefined) await this.#change.promise;
    } while (stream.takenBytes !== before);
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  #admit(tls: TLSSocket): void {
    tls.on("error", (error) => this.#fail(error));
    try {
      this.#certificates?.check(tls);
    } catch (error) {
      return this.#fail(error as Error);
    }
    tls.on("data", (bytes: Uint8Array) => this.#plain.push(bytes));
    tls.on("end", () => {
      this.#ended = true;
      this.#changed();
    });
    this.#tls = tls;
    this.#changed();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#changed();
  }
}

function gone(): Error {
  return new Deno.errors.ConnectionAborted("The connection is gone");
}
