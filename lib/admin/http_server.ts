/**
 * An HTTP server with limits. It is built on `node:http` because `Deno.serve` waits forever for the
 * headers and body of a request and accepts any number of connections.
 *
 * @module
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Log } from "../log.ts";
import type { Address } from "../net/address.ts";
import { listenError, removeDeadSocket, removeSocketFile } from "../net/bind.ts";
import { ClientCertificates } from "../net/client_certificates.ts";
import type { ListenerMetrics } from "../net/listener_metrics.ts";
import { readTlsFiles, type TlsFiles } from "../net/tls.ts";
import { EventStream } from "./event_stream.ts";

/** Maximum size of a request's headers. */
const MAX_HEADER_BYTES = 16 * 1024;

/** An idle connection is closed after this time. */
const KEEP_ALIVE_MS = 15_000;

/** Unanswered requests that a connection may have; one that sends more is cut. */
const MAX_PENDING = 16;

/** Longest event stream over TLS, which bounds what a client that does not read makes us buffer. */
const MAX_TLS_STREAM_BYTES = 16 * 1024 * 1024;

/** Longest interval between checks of the request timeout. */
const CHECK_MS = 1000;

/** A complete request. */
export interface HttpRequest {
  method: string;
  /** The path without the query, as sent. */
  path: string;
  query: URLSearchParams;
  /** The address of the client, without its port. */
  remote: string;
  /** Values by lower-case name. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
}

/** The reply to a request. */
export interface HttpReply {
  status: number;
  /** The media type of the body. */
  type: string;
  headers?: Record<string, string>;
  /** The text, or a function that sends events until it resolves. */
  body: string | ((events: EventStream) => Promise<void>);
}

/** Options for {@linkcode HttpServer.listen}. */
export interface HttpServerOptions {
  maxClients: number;
  /** Limit on connections per client address; unlimited if absent. */
  maxClientsPerAddress?: number | undefined;
  /** Certificate and key files; without them the server speaks plain HTTP. */
  tls?: TlsFiles | undefined;
  /** Time limit for receiving a request, headers and body. */
  requestTimeoutMs: number;
  maxBodyBytes: number;
  /** Headers that every reply carries. */
  headers: Readonly<Record<string, string>>;
  log: Log;
  /** Answers a request. If it throws, the error is logged and the client gets status 500. */
  handle: (request: HttpRequest) => HttpReply | Promise<HttpReply>;
}

/** The body of a request is too long. */
class BodyTooLongError extends Error {
  override name = "BodyTooLongError";

  constructor(maxBytes: number) {
    super(`The body is longer than ${maxBytes} bytes.`);
  }
}

/** The client disconnected before its request was complete. */
class ClientGoneError extends Error {
  override name = "ClientGoneError";
}

/** An HTTP server on one address. */
export class HttpServer {
  /** Where it listens; port 0 is replaced by the port that the system picked. */
  readonly address: Address;

  readonly #server: Server | TlsServer;
  readonly #options: HttpServerOptions;
  /** Checks client certificates, if clients need one. */
  readonly #certificates = new ClientCertificates();
  readonly #sockets = new Set<Socket>();
  readonly #streams = new Set<EventStream>();
  readonly #answers = new Map<number, number>();
  /** Unanswered requests by connection. */
  readonly #pending = new WeakMap<Socket, number>();
  /** What is counted, without the bytes of open connections. */
  readonly #metrics = {
    accepted: 0,
    serverFull: 0,
    addressFull: 0,
    receivedBytes: 0,
    sentBytes: 0,
  };

  /**
   * Starts a server.
   *
   * @param address Where to listen; port 0 picks a free port.
   * @throws {Error} If the address cannot be bound or the TLS files cannot be used.
   */
  static async listen(address: Address, options: HttpServerOptions): Promise<HttpServer> {
    const limits = {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: options.requestTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_MS, options.requestTimeoutMs),
      keepAliveTimeout: KEEP_ALIVE_MS,
    };
    const { tls, requestTimeoutMs: handshakeTimeout } = options;
    const context = tls && readContext(tls);
    const server = context === undefined
      ? createServer(limits)
      : createTlsServer({ ...limits, handshakeTimeout, ...context });
    const listening = Promise.withResolvers<void>();
    server.once("error", (cause) => listening.reject(listenError(address, cause)));
    const bound = () => listening.resolve();
    if (address.transport === "unix") {
      await removeDeadSocket(address.path);
      server.listen(address.path, bound);
    } else server.listen(address.port, address.hostname, bound);
    await listening.promise;
    const http = new HttpServer(server, address, options);
    http.#certificates.trust(context?.ca);
    return http;
  }

  private constructor(server: Server | TlsServer, address: Address, options: HttpServerOptions) {
    this.#server = server;
    this.#options = options;
    const bound = server.address();
    this.address = address.transport === "tcp" && bound !== null && typeof bound === "object"
      ? { ...address, port: bound.port }
      : address;
    server.on("error", (error) => options.log.warn("HTTP server", { error: String(error) }));
    server.on("connection", (socket: Socket) => this.#count(socket));
    server.on("clientError", (_: Error, socket: Socket) => socket.destroy());
    server.on("request", (request, response) => this.#serve(request, response));
    if (options.tls?.clientCa !== undefined) this.#checkCertificates(server as TlsServer);
  }

  /**
   * Rereads the TLS files, for future connections.
   *
   * @throws {Error} If they cannot be used; the previous ones then stay in force.
   */
  reloadTls(): void {
    const { tls } = this.#options;
    if (tls === undefined) return;
    const context = readContext(tls);
    (this.#server as TlsServer).setSecureContext(context);
    this.#certificates.trust(context.ca);
  }

  /** Connection metrics so far. */
  metrics(): ListenerMetrics {
    const metrics = { ...this.#metrics, connections: this.#sockets.size };
    for (const socket of this.#sockets) {
      metrics.receivedBytes += socket.bytesRead;
      metrics.sentBytes += socket.bytesWritten;
    }
    return metrics;
  }

  /** Number of replies by status. */
  get answers(): ReadonlyMap<number, number> {
    return this.#answers;
  }

  /**
   * Stops accepting connections, ends the event streams, answers pending requests, and closes.
   *
   * @param deadline When it aborts, open connections are closed at once.
   */
  async drain(deadline: AbortSignal): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const cut = () => {
      for (const socket of this.#sockets) socket.destroy();
      this.#server.closeAllConnections();
    };
    if (deadline.aborted) cut();
    else deadline.addEventListener("abort", cut, { once: true });
    for (const stream of this.#streams) stream.end();
    this.#server.closeIdleConnections();
    await closed;
    if (this.address.transport === "unix") removeSocketFile(this.address.path);
    deadline.removeEventListener("abort", cut);
  }

  /** Disconnects clients that do not present a valid certificate. */
  #checkCertificates(server: TlsServer): void {
    const report = ({ message: reason }: Error) => {
      // Deno no longer knows the client's address once a handshake has failed.
      this.#options.log.warn("Client certificate rejected", { reason });
    };
    server.prependListener("secureConnection", (socket: TLSSocket) => {
      try {
        this.#certificates.check(socket);
      } catch (error) {
        report(error as Error);
        socket.destroy();
      }
    });
    server.on("tlsClientError", (error, socket) => {
      const fault = this.#certificates.fault(error, socket);
      if (fault !== undefined) report(fault);
    });
  }

  #count(socket: Socket): void {
    const refusal = this.#refusal(socket);
    if (refusal !== undefined) {
      this.#metrics[refusal]++;
      socket.destroy();
      return;
    }
    this.#metrics.accepted++;
    this.#sockets.add(socket);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#metrics.receivedBytes += socket.bytesRead;
      this.#metrics.sentBytes += socket.bytesWritten;
    });
    // An error of one connection ends that connection only.
    socket.on("error", () => socket.destroy());
  }

  /** The limit that a new connection would exceed, if any. */
  #refusal({ remoteAddress }: Socket): "serverFull" | "addressFull" | undefined {
    const { maxClients, maxClientsPerAddress = Infinity } = this.#options;
    // `maxConnections` would not do: Deno closes excess connections without reporting them.
    if (this.#sockets.size >= maxClients) return "serverFull";
    const ofAddress = [...this.#sockets].filter((one) => one.remoteAddress === remoteAddress);
    return ofAddress.length >= maxClientsPerAddress ? "addressFull" : undefined;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { log, handle } = this.#options;
    response.on("error", () => response.destroy());
    if (!this.#countPending(incoming.socket, response)) return void incoming.socket.destroy();
    try {
      const body = await this.#readBody(incoming);
      const url = urlOf(incoming.url ?? "/");
      if (url === null) {
        const body = "Bad request path.\n";
        return await this.#reply(response, { status: 400, type: "text/plain", body });
      }
      const { pathname, searchParams } = url;
      const { method = "GET", headers, socket } = incoming;
      const remote = socket?.remoteAddress ?? "unix";
      await this.#reply(
        response,
        await handle({ method, path: pathname, query: searchParams, remote, headers, body }),
      );
    } catch (error) {
      if (error instanceof ClientGoneError || response.destroyed) return;
      const tooLong = error instanceof BodyTooLongError;
      if (!tooLong) log.error("Request failed", { path: incoming.url, error: String(error) });
      if (response.headersSent) return void response.destroy();
      response.setHeader("connection", "close");
      const body = tooLong ? `${error.message}\n` : "Internal error; see the server's log.\n";
      await this.#reply(response, { status: tooLong ? 413 : 500, type: "text/plain", body });
    }
  }

  /** Counts a request until its reply is sent; `false` if the connection has too many already. */
  #countPending(socket: Socket, response: ServerResponse): boolean {
    const pending = this.#pending.get(socket) ?? 0;
    if (pending >= MAX_PENDING) return false;
    this.#pending.set(socket, pending + 1);
    response.on("close", () => this.#pending.set(socket, this.#pending.get(socket)! - 1));
    return true;
  }

  async #readBody(incoming: IncomingMessage): Promise<string> {
    const { maxBodyBytes } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const decoder = new TextDecoder();
    let text = "";
    let length = 0;
    incoming.on("data", (chunk: Uint8Array) => {
      length += chunk.length;
      // Keep reading and discard the rest: closing now would reset the connection and lose the reply.
      if (length > maxBodyBytes) reject(new BodyTooLongError(maxBodyBytes));
      else text += decoder.decode(chunk, { stream: true });
    });
    incoming.on("end", () => resolve(text + decoder.decode()));
    incoming.on("close", () => reject(new ClientGoneError()));
    incoming.on("error", () => reject(new ClientGoneError()));
    return await promise;
  }

  async #reply(response: ServerResponse, reply: HttpReply): Promise<void> {
    const { status, type, headers = {}, body } = reply;
    this.#answers.set(status, (this.#answers.get(status) ?? 0) + 1);
    // Over TLS, Deno keeps reading from a client that should be paused, so a client that sends
    // requests and reads no replies would make it buffer without bound.
    const isTls = this.#options.tls !== undefined;
    if (!this.#server.listening || isTls) response.setHeader("connection", "close");
    const all = { ...this.#options.headers, "content-type": `${type}; charset=utf-8`, ...headers };
    if (typeof body === "string") {
      const bytes = new TextEncoder().encode(body);
      response.writeHead(status, { ...all, "content-length": String(bytes.length) });
      response.end(bytes);
      return;
    }
    response.writeHead(status, all);
    const stream = new EventStream(response, isTls ? MAX_TLS_STREAM_BYTES : Infinity);
    this.#streams.add(stream);
    try {
      if (!this.#server.listening) stream.end();
      await body(stream);
    } finally {
      this.#streams.delete(stream);
      stream.end();
    }
  }
}

/** The TLS files as options for `node:https`. */
function readContext(files: TlsFiles) {
  const { clientCa: ca, ...pems } = readTlsFiles(files);
  return { ...pems, ca, requestCert: ca !== undefined, rejectUnauthorized: ca !== undefined };
}

/** Parses a request target: a path, or a whole URL as sent to a proxy; `null` if it is neither. */
function urlOf(target: string): URL | null {
  // Resolving it against a base URL would not do: "//state" would then be a host.
  return URL.parse(target.startsWith("/") ? `http://localhost${target}` : target);
}
