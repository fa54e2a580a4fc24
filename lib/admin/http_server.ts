/**
 * HTTP with limits. It stands on `node:http` and not on `Deno.serve`, which waits for the headers
 * and the body of a request forever and takes any number of connections.
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

/** The most that the headers of a request may take. */
const MAX_HEADER_BYTES = 16 * 1024;

/** After how long without a request a connection is closed. */
const KEEP_ALIVE_MS = 15_000;

/** How many answers a connection may be owed: one that sends more requests than that is cut. */
const MAX_OWED = 16;

/** How long a stream of events over TLS may get: so much its reader can leave unread. */
const MAX_TLS_STREAM_BYTES = 16 * 1024 * 1024;

/** How often connections are looked at for the time limit of a request, at most. */
const CHECK_MS = 1000;

/** A request, whole. */
export interface HttpRequest {
  method: string;
  /** The path without the query, as it was sent. */
  path: string;
  query: URLSearchParams;
  /** The address of the client, without its port. */
  remote: string;
  /** By name in lower case. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
}

/** The answer to a request. */
export interface HttpReply {
  status: number;
  /** The media type of the body. */
  type: string;
  headers?: Record<string, string>;
  /** A text, or what sends events for as long as it likes. */
  body: string | ((events: EventStream) => Promise<void>);
}

/** Options for {@linkcode HttpServer.listen}. */
export interface HttpServerOptions {
  maxClients: number;
  /** How many of them may come from one address; without it, all. */
  maxClientsPerAddress?: number | undefined;
  /** The files of a server that speaks TLS. */
  tls?: TlsFiles | undefined;
  /** How long a request may take to arrive, headers and body. */
  requestTimeoutMs: number;
  maxBodyBytes: number;
  /** What every answer has among its headers. */
  headers: Readonly<Record<string, string>>;
  log: Log;
  /** Answers a request. What it throws is logged, and the client gets a 500. */
  handle: (request: HttpRequest) => HttpReply | Promise<HttpReply>;
}

/** A request has a body that is too long. */
class BodyTooLongError extends Error {
  override name = "BodyTooLongError";

  constructor(maxBytes: number) {
    super(`A body may have ${maxBytes} bytes.`);
  }
}

/** A client has gone before its request was whole. */
class ClientGoneError extends Error {
  override name = "ClientGoneError";
}

/** An HTTP server on one address. */
export class HttpServer {
  /** Where it listens; a port 0 has become the port that was picked. */
  readonly address: Address;

  readonly #server: Server | TlsServer;
  readonly #options: HttpServerOptions;
  /** Decides about clients where those need a certificate. */
  readonly #certificates = new ClientCertificates();
  readonly #sockets = new Set<Socket>();
  readonly #streams = new Set<EventStream>();
  readonly #answers = new Map<number, number>();
  /** How many answers are on their way to a connection. */
  readonly #owed = new WeakMap<Socket, number>();
  readonly #stats = { accepted: 0, serverFull: 0, addressFull: 0, receivedBytes: 0, sentBytes: 0 };

  /**
   * Listens.
   *
   * @param address Where; port 0 picks a free port.
   * @throws {Error} If the address cannot be bound, or the files of TLS cannot be used.
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
   * Reads the files of TLS again, for connections to come.
   *
   * @throws {Error} If they cannot be used; what was in force stays so.
   */
  reloadTls(): void {
    const { tls } = this.#options;
    if (tls === undefined) return;
    const context = readContext(tls);
    (this.#server as TlsServer).setSecureContext(context);
    this.#certificates.trust(context.ca);
  }

  /** What has been counted so far. */
  metrics(): ListenerMetrics {
    const stats = { ...this.#stats, connections: this.#sockets.size };
    for (const socket of this.#sockets) {
      stats.receivedBytes += socket.bytesRead;
      stats.sentBytes += socket.bytesWritten;
    }
    return stats;
  }

  /** How many answers there were, by their status. */
  get answers(): ReadonlyMap<number, number> {
    return this.#answers;
  }

  /**
   * Takes no more connections, ends the event streams, answers what was asked, and closes.
   *
   * @param deadline When it aborts, what is still open is closed at once.
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

  /** Sees to it that clients without a certificate that is in order get no answer. */
  #checkCertificates(server: TlsServer): void {
    const report = ({ message: reason }: Error) => {
      // Of a handshake that has failed, Deno does not know any more whose it was.
      this.#options.log.warn("Client has no good certificate", { reason });
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
      this.#stats[refusal]++;
      socket.destroy();
      return;
    }
    this.#stats.accepted++;
    this.#sockets.add(socket);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#stats.receivedBytes += socket.bytesRead;
      this.#stats.sentBytes += socket.bytesWritten;
    });
    // What goes wrong with a connection ends it, and concerns nobody else.
    socket.on("error", () => socket.destroy());
  }

  /** Why there is no room for a connection, if there is none. */
  #refusal({ remoteAddress }: Socket): "serverFull" | "addressFull" | undefined {
    const { maxClients, maxClientsPerAddress = Infinity } = this.#options;
    // Not left to `maxConnections`: Deno closes those beyond it, but does not tell.
    if (this.#sockets.size >= maxClients) return "serverFull";
    const ofAddress = [...this.#sockets].filter((one) => one.remoteAddress === remoteAddress);
    return ofAddress.length >= maxClientsPerAddress ? "addressFull" : undefined;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { log, handle } = this.#options;
    response.on("error", () => response.destroy());
    if (!this.#countOwed(incoming.socket, response)) return void incoming.socket.destroy();
    try {
      const body = await this.#readBody(incoming);
      const url = urlOf(incoming.url ?? "/");
      if (url === null) {
        const body = "This is no path.\n";
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
      const body = tooLong
        ? `${error.message}\n`
        : "The server made a mistake; its log says more.\n";
      await this.#reply(response, { status: tooLong ? 413 : 500, type: "text/plain", body });
    }
  }

  /** Counts an answer until it is sent; `false` if there are too many already. */
  #countOwed(socket: Socket, response: ServerResponse): boolean {
    const owed = this.#owed.get(socket) ?? 0;
    if (owed >= MAX_OWED) return false;
    this.#owed.set(socket, owed + 1);
    response.on("close", () => this.#owed.set(socket, this.#owed.get(socket)! - 1));
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
      // What follows is read and forgotten, so that the answer is not lost to a reset.
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
    // Over TLS Deno reads on from a client that is to wait, so it would keep any number of requests
    // and answers for one who asks and does not read.
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

/** What `node:https` takes, of the files of TLS. */
function readContext(files: TlsFiles) {
  const { clientCa: ca, ...pems } = readTlsFiles(files);
  return { ...pems, ca, requestCert: ca !== undefined, rejectUnauthorized: ca !== undefined };
}

/** What a request asks for: a path, or a whole URL as a proxy is asked; `null` for neither. */
function urlOf(target: string): URL | null {
  // Not left to the base of a URL: behind that, "//state" would be a host.
  return URL.parse(target.startsWith("/") ? `http://localhost${target}` : target);
}
