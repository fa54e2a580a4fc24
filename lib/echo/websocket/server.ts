import type { Address } from "../../net/address.ts";
import type { Connection } from "../../net/connection.ts";
import type { HttpRefusal, HttpReply, HttpRequest, HttpUpgrade } from "../../net/http/messages.ts";
import { refuseForeignHost } from "../../net/http/own_host.ts";
import { SECURITY_HEADERS } from "../../net/http/security_headers.ts";
import { HttpServer } from "../../net/http/server.ts";
import type { ListenerLimits, ListenerOptions } from "../../net/listener.ts";
import type { ListenerMetrics } from "../../net/listener_metrics.ts";
import { beginLogin, type Login, type LoginContext } from "../../net/login.ts";
import { acceptHandshake } from "../../net/websocket/handshake.ts";
import { KeepAlive } from "../../net/websocket/keep_alive.ts";
import { WebSocketSocket } from "../../net/websocket/socket.ts";
import { CHAT_FILES } from "./chat_files.ts";
import { refuseOrigin } from "./origin.ts";

/** The limits of HTTP requests, which have no body; afterwards `requestTimeoutMs` counts. */
const HTTP_LIMITS = { requestTimeoutMs: 10_000, maxBodyBytes: 1024 } as const;

/** What is served at a path. */
export interface WebSocketRoute {
  /** See `DecoderOptions`. */
  form: "lines" | "bytes";
  /** The longest message, in bytes; it may change. */
  readonly maxMessageBytes: number;
  /** Serves a client, until it ends the conversation or is refused. */
  serve: (socket: WebSocketSocket, client: WebSocketClient) => Promise<void>;
}

/** What the handshake of a client has shown. */
export interface WebSocketClient {
  /** The login, if the handshake carried a valid token. */
  login: Login | undefined;
  /** Whether it may be a browser. */
  web: boolean;
}

/** Options for {@linkcode WebSocketServer.listen}. */
export interface WebSocketServerOptions {
  /** The limits of the port. A request is a message here. */
  limits: Omit<ListenerOptions, "fullReply" | "handle">;
  /** See `KeepAliveOptions`. */
  pingMs: number;
  /** Pages of other hosts that may connect now; see `OriginOptions`. */
  origins: () => readonly string[];
  /** What is served, by path. */
  routes: Readonly<Record<string, WebSocketRoute>>;
  /** What logins need. */
  login: LoginContext;
}

/** A port for WebSockets. To a browser that asks for a page it sends a small chat page. */
export class WebSocketServer {
  readonly #options: WebSocketServerOptions;
  readonly #http: HttpServer;
  readonly #keepAlive: KeepAlive;

  /**
   * Starts a server.
   *
   * @param address Where to listen; port 0 picks a free port.
   * @throws {Error} If the address cannot be bound or the TLS files cannot be used.
   */
  static async listen(address: Address, options: WebSocketServerOptions): Promise<WebSocketServer> {
    const { limits, pingMs } = options;
    const { maxClients, maxClientsPerAddress, tls, requestTimeoutMs = 0, clients, log } = limits;
    const keepAlive = new KeepAlive({ pingMs, idleMs: limits.idleTimeoutMs, log });
    try {
      const http: HttpServer = await HttpServer.listen(address, {
        maxClients,
        maxClientsPerAddress,
        tls,
        proxyProtocol: limits.proxyProtocol ?? [],
        ...HTTP_LIMITS,
        headers: SECURITY_HEADERS,
        log,
        ...(clients === undefined ? {} : { clients }),
        handle: (request) => server.#answer(request),
        upgrade: {
          protocol: "websocket",
          requestTimeoutMs,
          answer: (request) => server.#upgrade(request),
        },
      });
      const server = new WebSocketServer(http, keepAlive, options);
      return server;
    } catch (error) {
      keepAlive[Symbol.dispose]();
      throw error;
    }
  }

  private constructor(http: HttpServer, keepAlive: KeepAlive, options: WebSocketServerOptions) {
    this.#http = http;
    this.#keepAlive = keepAlive;
    this.#options = options;
  }

  /** Where it listens; port 0 is replaced by the port that the system picked. */
  get address(): Address {
    return this.#http.address;
  }

  /**
   * Rereads the TLS files, for future connections.
   *
   * @throws {Error} If they cannot be used; the previous ones then stay in force.
   */
  reloadTls(): void {
    this.#http.reloadTls();
  }

  /** Changes the limits. Open connections stay. */
  setLimits({ idleTimeoutMs, requestTimeoutMs, ...limits }: ListenerLimits): void {
    this.#http.setLimits({ ...limits, ...HTTP_LIMITS }, requestTimeoutMs);
    this.#keepAlive.setIdleLimit(idleTimeoutMs);
  }

  /** Changes how often silent clients are pinged; see `KeepAliveOptions`. */
  setPingInterval(pingMs: number): void {
    this.#keepAlive.setPingInterval(pingMs);
  }

  /** Connection metrics so far. */
  metrics(): ListenerMetrics {
    return this.#http.metrics();
  }

  /**
   * Stops accepting connections, lets every client receive what it is owed, and closes.
   *
   * @param deadline When it aborts, open connections are closed at once.
   */
  async drain(deadline: AbortSignal): Promise<void> {
    await this.#http.drain(deadline);
    this.#keepAlive[Symbol.dispose]();
  }

  #answer(request: HttpRequest): HttpReply {
    const { method, path } = request;
    const refusal = this.#refuseHost(request);
    if (refusal !== undefined) return plain(421, refusal);
    if (method !== "GET" && method !== "HEAD") return plain(405, "Use GET.");
    const file = CHAT_FILES.find((candidate) => candidate.path === path);
    if (file === undefined) return plain(404, `Not found: "${path}".`);
    return { status: 200, type: file.type, body: file.text };
  }

  async #upgrade(request: HttpRequest): Promise<HttpUpgrade | HttpRefusal> {
    const { routes, origins, limits: { tls, log } } = this.#options;
    const { headers, path } = request;
    const foreignHost = this.#refuseHost(request);
    if (foreignHost !== undefined) return { status: 421, body: `${foreignHost}\n` };
    const secure = tls !== undefined;
    const origin = text(headers["origin"]);
    const foreignPage = refuseOrigin(origin, text(headers["host"]), { origins: origins(), secure });
    if (foreignPage !== undefined) {
      log.debug("Page refused", { address: request.remote, origin });
      return { status: 403, body: `${foreignPage}\n` };
    }
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) return { status: 404, body: `Not found: "${path}".\n` };
    const accepted = acceptHandshake(request);
    if ("status" in accepted) return accepted as HttpRefusal;
    const login = await this.#logIn(request);
    if (login !== undefined && "status" in login) return login;
    const client = { login, web: origin !== undefined };
    return {
      headers: accepted,
      serve: (connection, head) => this.#serve(connection, { head, route, client }),
    };
  }

  /** Serves a client, and then tells it why the conversation is over. */
  async #serve(
    connection: Connection,
    { head, route, client }: { head: Uint8Array; route: WebSocketRoute; client: WebSocketClient },
  ): Promise<void> {
    client.login?.moveTo(connection, this.#options.login.guard());
    using _login = client.login;
    const socket = new WebSocketSocket(connection, head, route);
    await this.#keepAlive.whileServing(socket, () => route.serve(socket, client));
    await socket.finish();
  }

  /** With tokens, a page that reaches this machine by a foreign name gains nothing. */
  #refuseHost(request: HttpRequest): string | undefined {
    if (this.#options.login.guard() !== undefined) return undefined;
    return refuseForeignHost(this.address, request);
  }

  /** Logs a client in, if one is required and the handshake carries a token. */
  async #logIn({ headers, remote }: HttpRequest): Promise<Login | HttpRefusal | undefined> {
    const authorization = text(headers["authorization"]);
    if (authorization === undefined) return undefined;
    const peer = { id: 0, remote, host: remote, close: () => {} };
    const login = beginLogin(peer, this.#options.login);
    const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? "";
    const verdict = await login?.showInTurn(token);
    // The connection may be lost before it is served, and so before anybody would dispose of it.
    login?.[Symbol.dispose]();
    if (verdict === undefined || verdict === "right") return login;
    return REFUSED_TOKEN[verdict];
  }
}

const REFUSED_TOKEN = {
  wrong: { status: 401, body: "Wrong token.\n", headers: { "www-authenticate": "Bearer" } },
  blocked: { status: 429, body: "Too many wrong tokens. Try again later.\n" },
} as const;

function plain(status: number, body: string): HttpReply {
  return { status, type: "text/plain", body: `${body}\n` };
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(", ") : header;
}
