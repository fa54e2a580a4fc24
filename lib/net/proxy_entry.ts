import { Episodes } from "../episodes.ts";
import type { Log } from "../log.ts";
import { type Address, addressOf, clientNetwork, formatAddress, UNIX_PEER } from "./address.ts";
import { DirectConn } from "./direct_conn.ts";
import type { RawConn } from "./pipe.ts";
import { parseProxyHeader, ProxyHeaderError } from "./proxy_header.ts";
import { TrustedSenders } from "./trusted_senders.ts";

/** Options for {@linkcode ProxyEntry}. */
export interface ProxyEntryOptions {
  /** How long a trusted sender may take to send its header. */
  limitMs: number;
  log: Log;
  /** Whether the listener has all the connections it may have, those that wait here included. */
  isFull: () => boolean;
  /** Takes a connection and the address of its client. It refuses it if the listener is full. */
  onEntered: (conn: RawConn, remote: string) => void;
}

/**
 * Where connections enter a listener: finds the address of the client. A connection of a trusted
 * sender has a PROXY header first; any other stands for itself.
 */
export class ProxyEntry {
  /** Connections closed for their header: missing, late, malformed or not from a trusted sender. */
  faults = 0;

  readonly #options: ProxyEntryOptions;
  #senders = new TrustedSenders([]);
  /** Connections whose headers are not yet complete, and what reads them. */
  readonly #waiting = new Map<RawConn, Promise<void>>();
  readonly #episodes = new Episodes();
  #closed = false;

  /** @param options See {@linkcode ProxyEntryOptions}. */
  constructor(options: ProxyEntryOptions) {
    this.#options = options;
  }

  /** How many connections wait for their header. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Changes the senders whose headers count, for connections to come.
   *
   * @param entries See {@linkcode TrustedSenders}.
   * @throws {SyntaxError} If an entry is malformed.
   */
  trust(entries: readonly string[]): void {
    this.#senders = new TrustedSenders(entries);
  }

  /** Takes a connection that the listener has accepted. */
  enter(conn: RawConn): void {
    const { isFull, onEntered } = this.#options;
    const sender = addressOf(conn.remoteAddr);
    const remote = remoteName(sender);
    if (this.#senders.isEmpty) return onEntered(conn, remote);
    if (!this.#senders.has(sender)) {
      const reason = "it is not in proxy_protocol, but has sent a PROXY header";
      return onEntered(new DirectConn(conn, () => this.#countFault(sender, reason)), remote);
    }
    if (isFull()) return onEntered(conn, remote);
    this.#waiting.set(conn, this.#wait(conn, sender));
  }

  /** Closes the connections that wait. Those that enter later are closed as well. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const conn of this.#waiting.keys()) closeQuietly(conn);
    await Promise.all(this.#waiting.values());
  }

  async #wait(conn: RawConn, sender: Address): Promise<void> {
    const { limitMs, log, onEntered } = this.#options;
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      closeQuietly(conn);
    }, limitMs);
    try {
      const client = await readHeader(conn);
      this.#waiting.delete(conn);
      if (this.#closed) return closeQuietly(conn);
      onEntered(conn, remoteName(client ?? sender));
    } catch (error) {
      closeQuietly(conn);
      if (late) this.#countFault(sender, `it sent no PROXY header within ${limitMs / 1000} s`);
      else if (error instanceof ProxyHeaderError) this.#countFault(sender, error.message);
      else log.debug("Client left before its PROXY header", { address: remoteName(sender) });
    } finally {
      clearTimeout(limit);
      this.#waiting.delete(conn);
    }
  }

  #countFault(sender: Address, reason: string): void {
    this.faults++;
    const address = remoteName(sender);
    const host = sender.transport === "tcp" ? clientNetwork(sender.hostname) : address;
    if (!this.#episodes.begins(host)) return;
    this.#options.log.warn("Connection closed for its PROXY header", { address, reason });
  }
}

/**
 * Reads a header, and not one byte more.
 *
 * @returns The address of the client; `undefined` if the connection stands for itself.
 * @throws {ProxyHeaderError} If something else was sent.
 * @throws {Error} If the connection is lost, or ends before anything was sent, as the health checks
 * of some load balancers do.
 */
async function readHeader(conn: RawConn): Promise<Address | undefined> {
  let bytes = new Uint8Array(0);
  for (;;) {
    const header = parseProxyHeader(bytes);
    if (header.complete) return header.client;
    const part = new Uint8Array(header.missing);
    const count = await conn.read(part);
    if (count === null) {
      if (bytes.length === 0) throw new Deno.errors.ConnectionAborted("Nothing was sent");
      throw new ProxyHeaderError("the connection ended within its PROXY header");
    }
    const longer = new Uint8Array(bytes.length + count);
    longer.set(bytes);
    longer.set(part.subarray(0, count), bytes.length);
    bytes = longer;
  }
}

function remoteName(address: Address): string {
  return address.transport === "unix" ? UNIX_PEER : formatAddress(address);
}

function closeQuietly(conn: RawConn): void {
  try {
    conn.close();
  } catch (error) {
    // The time limit or a stop has closed it already.
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
