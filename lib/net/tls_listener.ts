import { ClientCertificates } from "./client_certificates.ts";
import type { RawConn } from "./pipe.ts";
import { expiryOf, readTlsFiles, type TlsFiles } from "./tls.ts";
import { TlsConn, type TlsConnOptions } from "./tls_conn.ts";

/** Accepts connections and makes them ones of TLS. */
export class TlsListener {
  readonly addr: Deno.Addr;

  readonly #socket: Deno.TcpListener;
  readonly #files: TlsFiles;
  readonly #certificates = new ClientCertificates();
  #options: TlsConnOptions;
  #expiryMs = Infinity;

  /**
   * @param socket The listening socket; this listener owns it from now on.
   * @param files The certificate, its key and, optionally, the issuers of client certificates.
   * @throws {Error} If a file cannot be read or used; the message names it.
   */
  constructor(socket: Deno.TcpListener, files: TlsFiles) {
    this.addr = socket.addr;
    this.#socket = socket;
    this.#files = files;
    this.#options = this.#read();
  }

  /** When the certificate in use expires, in Unix milliseconds. */
  get expiryMs(): number {
    return this.#expiryMs;
  }

  /**
   * Reads the files again. Open connections are not affected.
   *
   * @throws {Error} If a file cannot be read or used. The previous files then stay in force.
   */
  reload(): void {
    this.#options = this.#read();
  }

  /** Waits for the next connection, which is plain until {@linkcode secure} takes it. */
  accept(): Promise<Deno.TcpConn> {
    return this.#socket.accept();
  }

  /** Makes a connection one of TLS. Its handshake is still to be done. */
  secure(conn: RawConn): TlsConn {
    return new TlsConn(conn, this.#options);
  }

  /** Stops accepting. */
  close(): void {
    this.#socket.close();
  }

  #read(): TlsConnOptions {
    const { clientCa, ...pems } = readTlsFiles(this.#files);
    this.#expiryMs = expiryOf(pems.cert);
    this.#certificates.trust(clientCa);
    if (clientCa === undefined) return pems;
    return { ...pems, clientCa, certificates: this.#certificates };
  }
}
