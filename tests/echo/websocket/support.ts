// @ts-types="@types/ws"
import { type ClientOptions, WebSocket } from "ws";
import type { Address } from "../../../lib/net/address.ts";
import { within } from "../../support/within.ts";
import type { TestEcho } from "../support.ts";

/** How long a message, or the end of a conversation, may take. */
const WAIT_MS = 60_000;

/** The port of the WebSockets of an echo that has one. */
export function webSocketPort(echo: TestEcho): number {
  return portOf(echo.running.addresses.at(-1)!);
}

/** The port of an address. */
export function portOf(address: Address): number {
  if (address.transport !== "tcp") throw new Error(`${address.path} has no port`);
  return address.port;
}

/** A client that is npm:ws. Every wait has a deadline. */
export class TestSocket implements Disposable {
  readonly ws: WebSocket;
  /** Whether each message was binary, in the order of the messages. */
  readonly binary: boolean[] = [];
  /** The close code and the reason. */
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #messages: string[] = [];
  #arrived = Promise.withResolvers<void>();

  private constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on("message", (data, isBinary) => {
      this.binary.push(isBinary);
      this.#messages.push(`${data}`);
      this.#arrived.resolve();
    });
    this.closed = new Promise((resolve) => {
      ws.on("close", (code, reason) => resolve({ code, reason: `${reason}` }));
    });
  }

  /** Connects. Rejects with "Unexpected server response: 403" or the like if that is refused. */
  static async connect(url: string, options: ClientOptions = {}): Promise<TestSocket> {
    const ws = new WebSocket(url, { perMessageDeflate: false, ...options });
    const socket = new TestSocket(ws);
    const opened = new Promise<void>((resolve, reject) => {
      ws.on("open", resolve);
      ws.on("error", reject);
    });
    await within(WAIT_MS, `a connection to ${url}`, opened);
    return socket;
  }

  /** Sends a message. */
  send(message: string | Uint8Array): void {
    this.ws.send(message);
  }

  /** The next message. */
  async next(): Promise<string> {
    while (this.#messages.length === 0) {
      this.#arrived = Promise.withResolvers();
      await within(WAIT_MS, "a message", this.#arrived.promise);
    }
    return this.#messages.shift()!;
  }

  /** The next messages. */
  async take(count: number): Promise<string[]> {
    const messages: string[] = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  /** Waits for the end of the conversation; returns its code and reason. */
  async ends(): Promise<{ code: number; reason: string }> {
    return await within(WAIT_MS, "the end", this.closed);
  }

  [Symbol.dispose](): void {
    this.ws.terminate();
  }
}

/** The request of a handshake. */
export function handshake(path = "/", headers = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
    `${headers}\r\n`;
}
