/**
 * An HTTP server with limits. `node:http` parses requests and formats replies; the connections come
 * from a {@linkcode Listener}, as those of every service. (`Deno.serve` waits for ever for the headers
 * and the body of a request, and accepts any number of connections.)
 *
 * @module
 */

import {
  type IncomingMessage,
  Server,
  type ServerOptions,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { Log } from "../../log.ts";
import type { Address } from "../address.ts";
import type { ClientList } from "../client_list.ts";
import type { Connection } from "../connection.ts";
import { Listener } from "../listener.ts";
import type { ListenerMetrics } from "../listener_metrics.ts";
import type { TlsFiles } from "../tls.ts";
import { ByteStream } from "./byte_stream.ts";
import { EventStream } from "./event_stream.ts";
import type { HttpRefusal, HttpReply, HttpRequest, HttpUpgrade } from "./messages.ts";
import { HttpStream } from "./stream.ts";
import { closingReply, type HttpUpgradeOptions, switchProtocols } from "./upgrade.ts";

/** Maximum size of a request's headers. */
const MAX_HEADER_BYTES = 16 * 1024;

/** An idle connection is closed after this time. */
const KEEP_ALIVE_MS = 15_000;

/** Unanswered requests that a connection may have; one that sends more is cut. */
const MAX_PENDING = 16;

/** Longest interval between checks of the request timeout. */
const CHECK_MS = 1000;

/** The status that answers a request which `node:http` cannot parse, by its error code. */
const FAULT_STATUS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

const BAD_PATH = { status: 400, body: "Bad request path.\n" } as const;
const CLIENT = { describe: () => ({ protocol: "HTTP" }) };
const INTERNAL_ERROR = "Internal error; see the server's log.\n";

/** The limits of a server that can change while it runs. */
export interface HttpLimits {
  maxClients: number;
  /** Limit on connections per client address; unlimited if absent. */
  maxClientsPerAddress?: number | undefined;
  /** Time limit for receiving a request, headers and body. */
  requestTimeoutMs: number;
  maxBodyBytes: number;
  /** See `ListenerLimits`. */
  proxyProtocol?: readonly string[];
}

/** Options for {@linkcode HttpServer.listen}. */
export interface HttpServerOptions extends HttpLimits {
  /** Certificate and key files; without them the server speaks plain HTTP. */
  tls?: TlsFiles | undefined;
  /** Headers that every reply carries. */
  headers: Readonly<Record<string, string>>;
  log: Log;
  /** The list of clients that the connections belong to. */
  clients?: ClientList;
  /** Answers a request. If it throws, the error is logged and the client gets status 500. */
  handle: (request: HttpRequest) => HttpReply | Promise<HttpReply>;
  /** Upgrades connections to other protocols; without it, such requests are ordinary ones. */
  upgrade?: HttpUpgradeOptions;
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

/** The parser of requests. It has no socket of its own, so it is told whether it still listens. */
class Parser extends Server {
  isListening = true;
  /** Whether a request is still answered after the client's side has ended (untyped in Node). */
  httpAllowHalfOpen = false;

  constructor(
    options: ServerOptions & { shouldUpgradeCallback?: (request: IncomingMessage) => boolean },
  ) {
    super(options);
    // `node:http` keeps connections open between requests only while this is true.
    Object.defineProperty(this, "listening", { get: () => this.isListening });
  }
}

/** An HTTP server on one address. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  #maxBodyBytes: number;
  readonly #parser: Parser;
  readonly #listener: Listener;
  readonly #streams = new Set<EventStream>();
  readonly #byteStreams = new Set<ByteStream>();
  readonly #answers = new Map<number, number>();
  /** Unanswered requests by connection. */
  readonly #pending = new WeakMap<Connection, Set<IncomingMessage>>();

  /**
   * Starts a server.
   *
   * @param address Where to listen; port 0 picks a free port.
   * @throws {Error} If the address cannot be bound or the TLS files cannot be used.
   */
  static async listen(address: Address, options: HttpServerOptions): Promise<HttpServer> {
    const { upgrade } = options;
    const parser = new Parser({
      // Untyped in Node. Without it, a request for any protocol at all would be an upgrade.
      shouldUpgradeCallback: ({ headers }) =>
        upgrade !== undefined && headers.upgrade?.toLowerCase() === upgrade.protocol,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: options.requestTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_MS, options.requestTimeoutMs),
      keepAliveTimeout: KEEP_ALIVE_MS,
    });
    const listener = await Listener.listen(address, {
      maxClients: options.maxClients,
      maxClientsPerAddress: options.maxClientsPerAddress,
      idleTimeoutMs: 0,
      // While node:http reads, the listener sees no request.
      requestTimeoutMs: upgrade?.requestTimeoutMs ?? 0,
      // A browser takes an early reply for the answer to its next request.
      fullReply: new Uint8Array(0),
      tls: options.tls,
      proxyProtocol: options.proxyProtocol ?? [],
      handshakeTimeoutMs: options.requestTimeoutMs,
      log: options.log,
      ...(options.clients === undefined ? {} : { clients: options.clients }),
      handle: (connection) => serveStream(parser, connection),
    });
    return new HttpServer(parser, listener, options);
  }

  private constructor(parser: Parser, listener: Listener, options: HttpServerOptions) {
    this.#parser = parser;
    this.#listener = listener;
    this.#options = options;
    this.#maxBodyBytes = options.maxBodyBytes;
    parser.on("clientError", (error: Error & { code?: string }, stream: HttpStream) => {
      this.#refuseFaulty(stream, FAULT_STATUS[error.code ?? ""] ?? 400);
    });
    parser.on("request", (request, response) => this.#serve(request, response));
    parser.on("upgrade", (request, stream, read) => {
      this.#upgrade(request, stream as unknown as HttpStream, read);
    });
    // Starts the checks of the timeouts.
    parser.emit("listening");
  }

  /** Where it listens; port 0 is replaced by the port that the system picked. */
  get address(): Address {
    return this.#listener.address;
  }

  /**
   * Rereads the TLS files, for future connections.
   *
   * @throws {Error} If they cannot be used; the previous ones then stay in force.
   */
  reloadTls(): void {
    this.#listener.reloadTls();
  }

  /**
   * Changes the limits. Open connections stay.
   *
   * @param upgradedTimeoutMs See `HttpUpgradeOptions.requestTimeoutMs`.
   */
  setLimits(limits: HttpLimits, upgradedTimeoutMs = 0): void {
    const { requestTimeoutMs, maxBodyBytes, ...others } = limits;
    this.#maxBodyBytes = maxBodyBytes;
    this.#parser.headersTimeout = this.#parser.requestTimeout = requestTimeoutMs;
    this.#listener.setLimits({
      ...others,
      idleTimeoutMs: 0,
      requestTimeoutMs: upgradedTimeoutMs,
    });
  }

  /** Connection metrics so far. */
  metrics(): ListenerMetrics {
    return this.#listener.metrics();
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
    const parser = this.#parser;
    parser.isListening = false;
    // The listener ends the input of all connections; requests that are complete are still answered.
    parser.httpAllowHalfOpen = true;
    for (const stream of this.#streams) stream.end();
    for (const stream of this.#byteStreams) stream.fail("the server stops");
    await this.#listener.drain(deadline);
    // Stops the checks. There is no socket to close, which it reports as an error.
    parser.close(() => {});
  }

  /** Tells a client that its request cannot be parsed, and closes the connection. */
  #refuseFaulty(stream: HttpStream, status: number): void {
    const begun = stream.connection.bytesReceived > 0;
    // Anything sent now could be taken for the answer to an earlier request.
    const pending = this.#pending.get(stream.connection) ?? new Set();
    const answering = [...pending].some(({ complete }) => complete);
    if (!begun || answering || !stream.writable) return void stream.destroy();
    this.#countAnswer(status);
    stream.end(closingReply({ status, body: `${STATUS_CODES[status]}\n` }));
  }

  /** Answers a request for another protocol. */
  async #upgrade(incoming: IncomingMessage, stream: HttpStream, read: Uint8Array): Promise<void> {
    const { connection } = stream;
    connection.requestCount++;
    const pending = this.#pending.get(connection)?.size ?? 0;
    // After pipelined requests, a reply could be taken for the answer to an earlier one.
    if (!stream.stopReading() || pending > 0) return void stream.destroy();
    const answer = await this.#answerUpgrade(incoming, connection);
    if ("serve" in answer) {
      const { protocol } = this.#options.upgrade!;
      this.#countAnswer(101);
      stream.handOver(() => switchProtocols(connection, answer, { protocol, read }));
    } else {
      this.#countAnswer(answer.status);
      stream.end(closingReply(answer, this.#options.headers));
    }
  }

  async #answerUpgrade(
    incoming: IncomingMessage,
    connection: Connection,
  ): Promise<HttpUpgrade | HttpRefusal> {
    const { upgrade, log } = this.#options;
    const request = requestOf(incoming, connection);
    if (request === null) return BAD_PATH;
    try {
      return await upgrade!.answer(request);
    } catch (error) {
      log.error("Request failed", { path: incoming.url, error: String(error) });
      return { status: 500, body: INTERNAL_ERROR };
    }
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { log, handle } = this.#options;
    response.on("error", () => response.destroy());
    const { connection } = incoming.socket as unknown as HttpStream;
    connection.requestCount++;
    if (!this.#countPending(connection, incoming, response)) return void incoming.socket.destroy();
    try {
      const body = await this.#readBody(incoming);
      const request = requestOf(incoming, connection, body);
      if (request === null) return await this.#reply(response, { ...BAD_PATH, type: "text/plain" });
      await this.#reply(response, await handle(request));
    } catch (error) {
      if (error instanceof ClientGoneError || response.destroyed) return;
      const tooLong = error instanceof BodyTooLongError;
      if (!tooLong) log.error("Request failed", { path: incoming.url, error: String(error) });
      if (response.headersSent) return void response.destroy();
      response.setHeader("connection", "close");
      const body = tooLong ? `${error.message}\n` : INTERNAL_ERROR;
      await this.#reply(response, { status: tooLong ? 413 : 500, type: "text/plain", body });
    }
  }

  /** Counts a request until its reply is sent; `false` if the connection has too many already. */
  #countPending(
    connection: Connection,
    incoming: IncomingMessage,
    response: ServerResponse,
  ): boolean {
    const pending = this.#pending.get(connection) ?? new Set();
    if (pending.size >= MAX_PENDING) return false;
    this.#pending.set(connection, pending.add(incoming));
    response.on("close", () => pending.delete(incoming));
    return true;
  }

  #countAnswer(status: number): void {
    this.#answers.set(status, (this.#answers.get(status) ?? 0) + 1);
  }

  async #readBody(incoming: IncomingMessage): Promise<string> {
    const maxBodyBytes = this.#maxBodyBytes;
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

  async #sendBytes(
    response: ServerResponse,
    send: (output: ByteStream) => Promise<void>,
  ): Promise<void> {
    const stream = new ByteStream(response);
    this.#byteStreams.add(stream);
    try {
      await send(stream);
      response.end();
    } catch (error) {
      this.#options.log.warn("Reply cut off", { error: (error as Error).message });
      response.destroy();
    } finally {
      this.#byteStreams.delete(stream);
    }
  }

  async #reply(response: ServerResponse, reply: HttpReply): Promise<void> {
    const { status, type, headers = {}, body } = reply;
    this.#countAnswer(status);
    if (!this.#parser.listening) response.setHeader("connection", "close");
    const all = { ...this.#options.headers, "content-type": `${type}; charset=utf-8`, ...headers };
    if (typeof body === "string") {
      const bytes = new TextEncoder().encode(body);
      response.writeHead(status, { ...all, "content-length": String(bytes.length) });
      response.end(bytes);
      return;
    }
    response.writeHead(status, all);
    if ("send" in body) return await this.#sendBytes(response, body.send);
    const stream = new EventStream(response);
    this.#streams.add(stream);
    try {
      if (!this.#parser.listening) stream.end();
      await body(stream);
    } finally {
      this.#streams.delete(stream);
      stream.end();
    }
  }
}

/** Lets the parser serve a connection; resolves when the connection can be closed. */
async function serveStream(parser: Parser, connection: Connection): Promise<void> {
  const stream = new HttpStream(connection);
  connection.client = CLIENT;
  // An error of one connection ends that connection only.
  stream.on("error", () => {});
  parser.emit("connection", stream);
  const next = await stream.done;
  stream.destroy();
  await next?.();
}

/** Describes a request; `null` if its target makes no sense. */
function requestOf(
  incoming: IncomingMessage,
  connection: Connection,
  body = "",
): HttpRequest | null {
  const url = urlOf(incoming.url ?? "/");
  if (url === null) return null;
  const { method = "GET", headers } = incoming;
  const { pathname: path, searchParams: query } = url;
  return { method, path, query, remote: connection.host, headers, body, connection };
}

/** Parses a request target: a path, or a whole URL as sent to a proxy; `null` if it is neither. */
function urlOf(target: string): URL | null {
  // Resolving it against a base URL would not do: "//state" would then be a host.
  return URL.parse(target.startsWith("/") ? `http://localhost${target}` : target);
}
