import type { RawConn } from "./pipe.ts";
import { beginsWithProxyHeader } from "./proxy_header.ts";

/**
 * The socket of a client that may send no PROXY header, on a listener where others do. If its first
 * bytes are one, the connection is lost. Proxies send their header in one packet (the protocol
 * requires it), so the first read has as much as it takes. If a client splits one on purpose, its
 * service gets it as input; that gains nothing.
 */
export class DirectConn implements RawConn {
  readonly remoteAddr: Deno.Addr;
  readonly #conn: RawConn;
  readonly #onHeader: () => void;
  #begun = false;

  /**
   * @param conn The socket; this one owns it from now on.
   * @param onHeader Called when the client sends a header.
   */
  constructor(conn: RawConn, onHeader: () => void) {
    this.remoteAddr = conn.remoteAddr;
    this.#conn = conn;
    this.#onHeader = onHeader;
  }

  /**
   * Reads from the socket.
   *
   * @throws {Deno.errors.ConnectionAborted} If the client has sent a header.
   */
  read(into: Uint8Array): Promise<number | null> {
    if (this.#begun) return this.#conn.read(into);
    this.#begun = true;
    return this.#conn.read(into).then((count) => {
      if (count === null || !beginsWithProxyHeader(into.subarray(0, count))) return count;
      this.#onHeader();
      throw new Deno.errors.ConnectionAborted("The client has sent a PROXY header");
    });
  }

  /** Writes to the socket. */
  write(bytes: Uint8Array): Promise<number> {
    return this.#conn.write(bytes);
  }

  /** Closes the writing side. */
  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  /** Closes at once. */
  close(): void {
    this.#conn.close();
  }

  /** See {@linkcode Deno.TcpConn.setNoDelay}; without effect on a unix socket. */
  setNoDelay(noDelay?: boolean): void {
    this.#conn.setNoDelay?.(noDelay);
  }

  /** See {@linkcode Deno.TcpConn.setKeepAlive}; without effect on a unix socket. */
  setKeepAlive(keepAlive?: boolean): void {
    this.#conn.setKeepAlive?.(keepAlive);
  }
}
