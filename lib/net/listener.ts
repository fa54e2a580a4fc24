import { delay } from "@std/async/delay";
import type { Log } from "../log.ts";
import { acceptLoop } from "./accept_loop.ts";
import { type Address, addressOf, clientNetwork, formatAddress, UNIX_PEER } from "./address.ts";
import { bind, removeSocketFile } from "./bind.ts";
import type { ClientList } from "./client_list.ts";
import { ClientCertificateError } from "./client_certificates.ts";
import { Connection, ConnectionClosedError } from "./connection.ts";
import { ExpiryWatch } from "./expiry_watch.ts";
import type { ListenerMetrics } from "./listener_metrics.ts";
import { pipe, type Socket } from "./pipe.ts";
import { ProxyEntry } from "./proxy_entry.ts";
import { TimeLimit } from "./time_limit.ts";
import type { TlsFiles } from "./tls.ts";
import type { Greeting } from "./tls_conn.ts";
import { TlsListener } from "./tls_listener.ts";

/** How long a client may take for the PROXY header, and again for the TLS handshake. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** How many refused clients are sent a reply at a time; any others are closed without one. */
const REFUSALS_MAX = 64;

/** How often a drain looks whether clients have sent anything. */
const DRAIN_CHECK_MS = 10;
/**
 * A drain keeps reading until no client has sent anything for so many checks. However long this
 * process was held up, that is one check, and input that arrived meanwhile is read before the next.
 */
const DRAIN_QUIET_CHECKS = 5;
/** A drain keeps reading for no more checks than this, as some clients never stop sending. */
const DRAIN_MAX_CHECKS = 200;

/** How long handlers may take to return once their connections are closed. */
const DRAIN_CUT_MS = 1000;

/** The limits of a listener that can change while it runs. */
export interface ListenerLimits {
  /** The maximum number of open connections. */
  maxClients: number;
  /** The maximum number of open connections from one address; no limit if left out. */
  maxClientsPerAddress?: number | undefined;
  /** A connection is closed after this long without a byte in either direction; 0 for never. */
  idleTimeoutMs: number;
  /**
   * How long a client may take to finish a request that it has begun, not counting the time that
   * the server takes; 0 for no limit.
   *
   * @default {0}
   */
  requestTimeoutMs?: number;
  /**
   * The senders whose connections begin with a PROXY header: see {@linkcode TrustedSenders}.
   *
   * @default {[]}
   */
  proxyProtocol?: readonly string[];
}

/** Options for {@linkcode Listener.listen}. */
export interface ListenerOptions extends ListenerLimits {
  /** The reply to a client that takes longer; none if left out. */
  timeoutReply?: Uint8Array;
  /** The reply to a client that is refused because a limit is reached. */
  fullReply: Uint8Array;
  /** The files for TLS; without them connections are plain. Ignored for unix sockets. */
  tls?: TlsFiles | undefined;
  /**
   * How long a client may take for the PROXY header, and again for the TLS handshake.
   *
   * @default {HANDSHAKE_TIMEOUT_MS}
   */
  handshakeTimeoutMs?: number;
  /** What a client is sent in plain text before the TLS handshake; nothing if left out. */
  greeting?: (connection: Connection) => Greeting;
  /** The list of clients that the connections belong to. It numbers and paces them. */
  clients?: ClientList;
  log: Log;
  /**
   * Serves a connection. When it returns, the connection is closed gracefully. When it throws, the
   * connection is closed at once and the error is logged. Other connections are not affected.
   */
  handle: (connection: Connection) => Promise<void>;
}

/** Accepts connections on one address and runs a handler for each. */
export class Listener {
  /** The bound address; a port of 0 is replaced by the port that was picked. */
  readonly address: Address;

  readonly #socket: Deno.Listener | TlsListener;
  readonly #options: ListenerOptions;
  #limits: ListenerLimits;
  readonly #entry: ProxyEntry;
  readonly #connections = new Map<Connection, Promise<void>>();
  /** Open connections by {@linkcode clientNetwork}. */
  readonly #byHost = new Map<string, number>();
  readonly #accepting: Promise<void>;
  readonly #idleLimit: TimeLimit;
  readonly #requestLimit: TimeLimit;
  readonly #expiryWatch: ExpiryWatch;
  #stopped = false;
  #refusals = 0;
  #lastId = 0;
  #stats = { accepted: 0, serverFull: 0, addressFull: 0, receivedBytes: 0, sentBytes: 0 };

  /**
   * Listens.
   *
   * @param address The address. Port 0 picks a free port. A socket file left by a dead process is
   * replaced.
   * @throws {Error} If the address cannot be bound or a TLS file cannot be used; the message names
   * it.
   */
  static async listen(address: Address, options: ListenerOptions): Promise<Listener> {
    const socket = await bind(address);
    const { tls } = options;
    if (tls === undefined || address.transport === "unix") return new Listener(socket, options);
    try {
      return new Listener(new TlsListener(socket as Deno.TcpListener, tls), options);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  private constructor(socket: Deno.Listener | TlsListener, options: ListenerOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#limits = options;
    this.address = addressOf(socket.addr);
    this.#entry = new ProxyEntry({
      limitMs: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
      log: options.log,
      isFull: () => this.#isFull,
      onEntered: (conn, remote) => {
        this.#serve(socket instanceof TlsListener ? socket.secure(conn) : conn, remote);
      },
    });
    this.#entry.trust(options.proxyProtocol ?? []);
    options.clients?.add(this);
    this.#idleLimit = this.#limitIdleTime();
    this.#requestLimit = this.#limitRequestTime();
    this.#expiryWatch = new ExpiryWatch({
      address: formatAddress(this.address),
      expiryMs: () => this.#expiryMs,
      log: options.log,
    });
    this.#accepting = this.#accept();
  }

  /** The open connections. */
  get connections(): Iterable<Connection> {
    return this.#connections.keys();
  }

  /**
   * Reads the TLS files again, if there are any. Open connections are not affected.
   *
   * @throws {Error} If a file cannot be read or used. The previous files then stay in force.
   */
  reloadTls(): void {
    if (!(this.#socket instanceof TlsListener)) return;
    this.#socket.reload();
    this.#expiryWatch.check();
  }

  /** Changes the limits. Open connections stay, even if there are more of them than allowed now. */
  setLimits(limits: ListenerLimits): void {
    this.#limits = limits;
    this.#idleLimit.setLimit(limits.idleTimeoutMs);
    this.#requestLimit.setLimit(limits.requestTimeoutMs ?? 0);
    this.#entry.trust(limits.proxyProtocol ?? []);
  }

  /**
   * Connects from inside the process, bypassing the socket and TLS. All limits apply.
   *
   * @param name Shown as the address of this client.
   * @throws {Error} If the listener is closed or draining.
   */
  connect(name: string): Connection {
    const address = formatAddress(this.address);
    if (this.#stopped) {
      throw new Error(`Cannot connect to ${address}: it takes no more connections`);
    }
    const [ours, theirs] = pipe();
    this.#serve(theirs, name);
    return new Connection(ours, 0, address);
  }

  get #expiryMs(): number {
    return this.#socket instanceof TlsListener ? this.#socket.expiryMs : Infinity;
  }

  /** What has been counted so far, including the open connections. */
  metrics(): ListenerMetrics {
    const stats = {
      ...this.#stats,
      connections: this.#openCount,
      proxyHeader: this.#entry.faults,
      certificateExpiryMs: this.#expiryMs,
    };
    for (const connection of this.#connections.keys()) {
      stats.receivedBytes += connection.bytesReceived;
      stats.sentBytes += connection.bytesSent;
    }
    return stats;
  }

  /**
   * Stops accepting, lets every handler finish what its client has already sent, then closes.
   *
   * @param deadline When it aborts, connections that are still open are closed at once.
   */
  async drain(deadline: AbortSignal): Promise<void> {
    await this.#stopAccepting();
    const cut = Promise.withResolvers<void>();
    if (deadline.aborted) cut.resolve();
    else deadline.addEventListener("abort", () => cut.resolve(), { once: true });
    await Promise.race([this.#inputQuiet(), cut.promise]);
    for (const connection of this.#connections.keys()) connection.endInput();
    await Promise.race([this.#handlersDone(), cut.promise]);
    await this.close();
  }

  /** Stops accepting and closes every connection at once. */
  async close(): Promise<void> {
    await this.#stopAccepting();
    for (const connection of this.#connections.keys()) connection.close();
    const limit = new AbortController();
    const cut = delay(DRAIN_CUT_MS, { signal: limit.signal }).catch(() => {});
    await Promise.race([this.#handlersDone(), cut]);
    limit.abort();
    await cut;
  }

  /** Resolves when everything that clients have sent so far seems to have been read. */
  async #inputQuiet(): Promise<void> {
    let received = -1, quiet = 0;
    for (let checks = 0; checks < DRAIN_MAX_CHECKS && this.#connections.size > 0; checks++) {
      const total = this.metrics().receivedBytes;
      const waiting = this.#connections.keys().every(({ waiting }) => waiting);
      quiet = waiting && total === received ? quiet + 1 : 0;
      if (quiet === DRAIN_QUIET_CHECKS) return;
      received = total;
      await delay(DRAIN_CHECK_MS);
    }
  }

  async #handlersDone(): Promise<void> {
    while (this.#connections.size > 0) await Promise.all(this.#connections.values());
  }

  async #stopAccepting(): Promise<void> {
    if (!this.#stopped) {
      this.#stopped = true;
      this.#idleLimit[Symbol.dispose]();
      this.#requestLimit[Symbol.dispose]();
      this.#expiryWatch[Symbol.dispose]();
      this.#socket.close();
      if (this.address.transport === "unix") removeSocketFile(this.address.path);
    }
    await this.#accepting;
    await this.#entry.close();
  }

  #accept(): Promise<void> {
    const address = formatAddress(this.address);
    return acceptLoop<Deno.Conn>({
      accept: () => this.#socket.accept(),
      onAccepted: (conn) => this.#entry.enter(conn),
      onError: (error, backoffMs) => {
        const fields = { address, error: String(error), backoffMs };
        this.#options.log.warn("Cannot accept a connection", fields);
      },
      isStopped: () => this.#stopped,
    });
  }

  /** Open connections, with those whose PROXY header is not yet complete. */
  get #openCount(): number {
    return this.#connections.size + this.#entry.waiting;
  }

  get #isFull(): boolean {
    return this.#openCount >= this.#limits.maxClients;
  }

  #serve(socket: Socket, remote: string): void {
    const connection = new Connection(
      socket,
      this.#options.clients?.nextId() ?? ++this.#lastId,
      remote,
    );
    connection.timeoutReply = this.#options.timeoutReply;
    connection.rateLimits = this.#options.clients?.rateLimits;
    const refusal = this.#refusal(connection);
    if (refusal !== undefined) {
      this.#stats[refusal]++;
      return void this.#refuse(connection, refusal);
    }
    this.#stats.accepted++;
    this.#countHost(connection, 1);
    this.#connections.set(connection, this.#handle(connection));
  }

  /** The limit that a new connection would exceed, if any. */
  #refusal({ host }: Connection): "serverFull" | "addressFull" | undefined {
    const { maxClientsPerAddress } = this.#limits;
    if (this.#isFull) return "serverFull";
    if (maxClientsPerAddress === undefined || host === UNIX_PEER) return undefined;
    return (this.#byHost.get(clientNetwork(host)) ?? 0) >= maxClientsPerAddress
      ? "addressFull"
      : undefined;
  }

  /** Counts a connection that opens (1) or closes (-1). */
  #countHost({ host }: Connection, change: 1 | -1): void {
    const network = clientNetwork(host);
    const count = (this.#byHost.get(network) ?? 0) + change;
    if (count === 0) this.#byHost.delete(network);
    else this.#byHost.set(network, count);
  }

  async #handle(connection: Connection): Promise<void> {
    const { log, handle, greeting, handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS } = this.#options;
    const about = { client: connection.id, address: connection.remote };
    log.debug("Client connected", about);
    let reason = "done";
    try {
      connection.setTcpOptions();
      await connection.completeHandshake(handshakeTimeoutMs, greeting?.(connection));
      await handle(connection);
      await connection.finish();
    } catch (error) {
      if (error instanceof ConnectionClosedError) {
        reason = error.message;
        const { cause } = error;
        if (cause instanceof ClientCertificateError) {
          log.warn("Client certificate rejected", { ...about, reason: cause.message });
        }
      } else {
        reason = String(error);
        log.error("Connection failed", { ...about, error: reason });
        if (error instanceof Error) log.debug("Connection failed at", { stack: error.stack });
      }
    } finally {
      connection.close();
      this.#connections.delete(connection);
      this.#countHost(connection, -1);
      this.#stats.receivedBytes += connection.bytesReceived;
      this.#stats.sentBytes += connection.bytesSent;
      const { bytesReceived, bytesSent } = connection;
      log.debug("Client left", { ...about, bytesReceived, bytesSent, reason });
    }
  }

  async #refuse(connection: Connection, reason: string): Promise<void> {
    const { log } = this.#options;
    log.debug("Client refused", { address: connection.remote, reason });
    if (this.#refusals < REFUSALS_MAX) {
      this.#refusals++;
      try {
        await connection.finish(this.#options.fullReply);
      } catch (error) {
        log.error("Cannot refuse a connection", { error: String(error) });
      } finally {
        this.#refusals--;
      }
    }
    connection.close();
  }

  #limitIdleTime(): TimeLimit {
    const { log } = this.#options;
    return new TimeLimit({
      limitMs: this.#limits.idleTimeoutMs,
      connections: () => this.#connections.keys(),
      stateOf: ({ activity }) => activity,
      onOver: (connection) => {
        log.debug("Client idle for too long", { client: connection.id });
        connection.close();
      },
    });
  }

  #limitRequestTime(): TimeLimit {
    const { log } = this.#options;
    return new TimeLimit({
      limitMs: this.#limits.requestTimeoutMs ?? 0,
      connections: () => this.#connections.keys(),
      stateOf: (connection) => connection.awaitedRequest,
      onOver: (connection) => {
        log.debug("Client took too long to finish a request", { client: connection.id });
        connection.timeOut();
      },
    });
  }
}
