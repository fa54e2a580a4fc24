/**
 * TLS for servers: the handshake and the ciphers are those of `node:tls`, and the socket stays one
 * of Deno. `Deno.listenTls` would be simpler, but it has no way to ask for certificates of clients
 * and none to set no-delay, and what it has closed keeps its descriptor until the peer closes too.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { createServer, type TLSSocket } from "node:tls";
import { CipherStream } from "./cipher_stream.ts";
import type { ClientCertificates } from "./client_certificates.ts";
import type { Socket } from "./pipe.ts";

/** How long a handshake may take at most; Deno keeps what it knows of one that has failed as long. */
const HANDSHAKE_MAX_MS = 15_000;

/** The most that is encrypted at a time: of what is more, Deno makes two writes. */
const WRITE_MAX_BYTES = 48 * 1024;

/** Options for {@linkcode TlsConn}. */
export interface TlsConnOptions {
  /** The certificate of the server and its key, in PEM. */
  cert: string;
  key: string;
  /** The certificates of those that sign the certificates of clients, in PEM. */
  clientCa?: string;
  /** Decides about clients, by `clientCa`; without it they need no certificate. */
  certificates?: ClientCertificates;
}

/** The server's end of a connection that speaks TLS. */
export class TlsConn implements Socket {
  readonly remoteAddr: Deno.Addr;

  readonly #conn: Deno.TcpConn;
  readonly #certificates: ClientCertificates | undefined;
  readonly #stream: CipherStream;
  /** There when the handshake is done. */
  #tls: TLSSocket | undefined;
  #handshake: Promise<TLSSocket> | undefined;
  /** What was decrypted and not yet read. */
  readonly #plain: Uint8Array[] = [];
  /** Whether the client has said that no more comes. */
  #ended = false;
  #failure: Error | undefined;
  /** Resolves when any of this has changed. */
  #change = Promise.withResolvers<void>();
  /** The write that was begun last. */
  #written: Promise<unknown> = Promise.resolve();

  /**
   * @param conn The socket, which is this connection's alone from now on.
   * @param options See {@linkcode TlsConnOptions}.
   */
  constructor(conn: Deno.TcpConn, options: TlsConnOptions) {
    this.remoteAddr = conn.remoteAddr;
    this.#conn = conn;
    this.#certificates = options.certificates;
    this.#stream = new CipherStream(conn, () => this.#changed());
    this.#stream.on("error", (error) => this.#fail(error));
    const { cert, key, clientCa: ca, certificates } = options;
    // A server for each connection, as a server does not say which stream its sockets are made of.
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
   * Completes the handshake, which reading and writing wait for.
   *
   * @throws {ClientCertificateError} If the client has no certificate that is in order.
   * @throws {Error} If there is no handshake for other reasons.
   */
  async handshake(): Promise<void> {
    await this.#shakeHands();
  }

  /** See {@linkcode Deno.TcpConn.setNoDelay}. */
  setNoDelay(noDelay?: boolean): void {
    this.#conn.setNoDelay(noDelay);
  }

  /** See {@linkcode Deno.TcpConn.setKeepAlive}. */
  setKeepAlive(keepAlive?: boolean): void {
    this.#conn.setKeepAlive(keepAlive);
  }

  /**
   * Reads what has come. To be called by one reader at a time.
   *
   * @throws {Error} If there is no handshake, or the connection is gone.
   */
  async read(into: Uint8Array): Promise<number | null> {
    await this.#shakeHands();
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
   * Writes the beginning of some bytes.
   *
   * @returns How many, when the operating system has taken them, encrypted.
   * @throws {Error} If there is no handshake, or the connection is gone.
   */
  write(bytes: Uint8Array): Promise<number> {
    const begin = () => this.#write(bytes.subarray(0, WRITE_MAX_BYTES));
    const written = this.#written.then(begin, begin);
    this.#written = written;
    return written;
  }

  async #write(bytes: Uint8Array): Promise<number> {
    const tls = await this.#shakeHands();
    if (bytes.length === 0) return 0;
    const stream = this.#stream;
    // What `node:tls` says is not relied upon alone: with streams, some versions of Deno have called
    // a write done before the stream did.
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

  /** Says that nothing more will be written. */
  async closeWrite(): Promise<void> {
    const tls = await this.#shakeHands();
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

  #shakeHands(): Promise<TLSSocket> {
    return this.#handshake ??= (async () => {
      while (this.#tls === undefined) {
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#stream.destroyed) {
          // Why it is, is told later.
          await this.#settle();
          throw this.#failure ?? gone();
        }
        if (this.#stream.peerEnded) throw gone();
        await this.#more();
      }
      // The tickets of the session follow on their own, and could be taken for the first write.
      await this.#settle();
      return this.#tls;
    })();
  }

  /** Waits until something has come or changed. */
  #more(): Promise<void> {
    const { promise } = this.#change;
    this.#stream.pull();
    return promise;
  }

  /** Waits until nothing has been written for a whole turn of the event loop. */
  async #settle(): Promise<void> {
    const stream = this.#stream;
    let before: number;
    do {
      before = stream.takenBytes;
      await new Promise<void>((resolve) => setImmediate(resolve));
      // Also if `node:tls` has closed the stream, as it does once both sides have ended.
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
