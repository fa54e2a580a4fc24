import { ClientCertificates } from "./client_certificates.ts";
import { readTlsFiles, type TlsFiles } from "./tls.ts";
import { TlsConn, type TlsConnOptions } from "./tls_conn.ts";

/** Accepts connections that speak TLS, as a listener of Deno does. */
export class TlsListener {
  readonly addr: Deno.Addr;

  readonly #socket: Deno.TcpListener;
  readonly #files: TlsFiles;
  readonly #certificates = new ClientCertificates();
  #options: TlsConnOptions;

  /**
   * @param socket Where it listens; it belongs to this listener from now on.
   * @param files The certificate and what goes with it.
   * @throws {Error} If a file cannot be read or used; the message names it.
   */
  constructor(socket: Deno.TcpListener, files: TlsFiles) {
    this.addr = socket.addr;
    this.#socket = socket;
    this.#files = files;
    this.#options = this.#read();
  }

  /**
   * Reads the files again. Connections that there are stay as they are.
   *
   * @throws {Error} If one cannot be read or used; what was read before stays in force.
   */
  reload(): void {
    this.#options = this.#read();
  }

  /** Waits for the next connection, which has its handshake yet to do. */
  async accept(): Promise<TlsConn> {
    return new TlsConn(await this.#socket.accept(), this.#options);
  }

  /** Accepts no more. */
  close(): void {
    this.#socket.close();
  }

  #read(): TlsConnOptions {
    const { clientCa, ...pems } = readTlsFiles(this.#files);
    this.#certificates.trust(clientCa);
    if (clientCa === undefined) return pems;
    return { ...pems, clientCa, certificates: this.#certificates };
  }
}
