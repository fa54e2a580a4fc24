/**
 * Clients of the bus, one for each protocol, with one interface. They show messages as text in which
 * each character is a byte, and can stop reading.
 *
 * @module
 */

import { Buffer } from "node:buffer";
// @ts-types="@types/ws"
import { WebSocket } from "ws";
import type { Address } from "../../lib/net/address.ts";
import { within } from "./within.ts";

/** The protocols of the bus. */
export const KINDS = ["lines", "nats", "websocket", "redis"] as const;

/** A protocol of the bus. */
export type Kind = typeof KINDS[number];

/** How long a client waits for messages: also enough on a busy machine. */
const WAIT_MS = 60_000;

/** A connection whose reading side can pause. */
interface Wire {
  send(text: string): Promise<void>;
  pause(): void;
  resume(): void;
  close(): void;
}

/** A client that publishes on one subject and subscribes to it. */
export class BusClient implements Disposable {
  readonly kind: Kind;
  /** All messages so far, in order. A message with newlines is several for lines and WebSocket. */
  readonly messages: string[] = [];
  /** Which messages to keep; the others are forgotten at once. */
  keeps: (message: string) => boolean = () => true;
  #wire!: Wire;
  readonly #encode: (message: string) => string;
  #changed = Promise.withResolvers<void>();
  #failure: Error | undefined;

  private constructor(kind: Kind, encode: (message: string) => string) {
    this.kind = kind;
    this.#encode = encode;
  }

  /** Connects and subscribes. For lines and WebSocket, the port decides the subject. */
  static async connect(kind: Kind, address: Address, subject: string): Promise<BusClient> {
    if (address.transport !== "tcp") throw new Error("The clients speak TCP");
    // It is there before the connection, which may bring a message or fail at once.
    const client = new BusClient(kind, (message) => encode(kind, subject, message));
    const events: WireEvents = {
      data: (text) => add(text),
      end: (error) => client.#fail(error),
    };
    const ready = Promise.withResolvers<void>();
    let unread = "";
    const add = (text: string): void => {
      if (kind === "websocket") return client.#add([text]);
      const { messages, rest, isReady, pings } = PARSERS[kind](unread + text);
      unread = rest;
      if (isReady) ready.resolve();
      if (pings > 0) wire.send("PONG\r\n".repeat(pings)).catch((error) => client.#fail(error));
      client.#add(messages);
    };
    const wire = kind === "websocket"
      ? await webSocketWire(address.port, events)
      : tcpWire(await Deno.connect(address), events);
    client.#wire = wire;
    if (kind === "lines" || kind === "websocket") return client;
    await wire.send(
      kind === "nats"
        ? `CONNECT {"verbose":false}\r\nSUB ${subject} 1\r\nPING\r\n`
        : `${command("HELLO", "3")}${command("SUBSCRIBE", subject)}`,
    );
    await within(WAIT_MS, `the subscription over ${kind}`, ready.promise);
    return client;
  }

  /** Publishes messages, in one write where the protocol can. */
  async publish(messages: readonly string[]): Promise<void> {
    if (this.kind !== "websocket") {
      return await this.#wire.send(messages.map(this.#encode).join(""));
    }
    await Promise.all(messages.map((message) => this.#wire.send(message)));
  }

  /** Waits until there are `count` messages in all, or until one of them is `text`. */
  async until(end: number | string): Promise<void> {
    const isThere = () =>
      typeof end === "number" ? this.messages.length >= end : this.messages.at(-1) === end;
    while (!isThere()) {
      if (this.#failure !== undefined) throw this.#failure;
      this.#changed = Promise.withResolvers();
      const what = `${end} over ${this.kind}, after ${this.messages.length} messages`;
      await within(WAIT_MS, what, this.#changed.promise);
    }
  }

  /** Stops reading; what the kernel has received stays there. */
  pause(): void {
    this.#wire.pause();
  }

  /** Reads on. */
  resume(): void {
    this.#wire.resume();
  }

  [Symbol.dispose](): void {
    this.#wire.close();
  }

  #add(messages: readonly string[]): void {
    for (const message of messages) if (this.keeps(message)) this.messages.push(message);
    this.#changed.resolve();
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.#changed.resolve();
  }
}

interface WireEvents {
  data(text: string): void;
  end(error: Error): void;
}

async function webSocketWire(port: number, { data, end }: WireEvents): Promise<Wire> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
  ws.on("message", (message: Uint8Array) => data(textOf(message)));
  ws.on("close", (code) => end(new Error(`The WebSocket has closed: ${code}`)));
  const opened = new Promise<void>((resolve, reject) => {
    ws.on("open", resolve);
    ws.on("error", reject);
  });
  await within(WAIT_MS, "a WebSocket", opened);
  return {
    send: (text) =>
      new Promise((resolve, reject) =>
        ws.send(bytesOf(text), { binary: true }, (error) => error ? reject(error) : resolve())
      ),
    pause: () => ws.pause(),
    resume: () => ws.resume(),
    close: () => ws.terminate(),
  };
}

function tcpWire(conn: Deno.Conn, { data, end }: WireEvents): Wire {
  let closed = false;
  let resumed: PromiseWithResolvers<void> | undefined;
  const writer = conn.writable.getWriter();
  async function read(): Promise<void> {
    const chunk = new Uint8Array(65536);
    for (let count; (count = await conn.read(chunk)) !== null;) {
      data(textOf(chunk.subarray(0, count)));
      await resumed?.promise;
    }
    end(new Error("The server has closed the connection"));
  }
  read().catch((error) => closed || end(error));
  return {
    send: (text) => writer.write(bytesOf(text)),
    pause: () => resumed = Promise.withResolvers(),
    resume: () => resumed?.resolve(),
    close: () => {
      closed = true;
      conn.close();
    },
  };
}

/** The messages received so far, and the incomplete one at the end of the input. */
interface Parsed {
  messages: string[];
  rest: string;
  /** Whether the subscription was confirmed. */
  isReady: boolean;
  pings: number;
}

const PARSERS: Record<Exclude<Kind, "websocket">, (text: string) => Parsed> = {
  lines(text) {
    const messages = text.split("\n");
    return { rest: messages.pop()!, messages, isReady: false, pings: 0 };
  },
  nats(text) {
    const parsed: Parsed = { messages: [], rest: "", isReady: false, pings: 0 };
    let at = 0;
    for (let end; (end = text.indexOf("\r\n", at)) !== -1;) {
      const line = text.slice(at, end);
      let next = end + 2;
      if (line.startsWith("MSG ")) {
        const start = next;
        next += Number(line.slice(line.lastIndexOf(" "))) + 2;
        if (next > text.length) break;
        parsed.messages.push(text.slice(start, next - 2));
      } else if (line === "PING") parsed.pings++;
      else if (line === "PONG") parsed.isReady = true;
      else if (!line.startsWith("INFO ")) throw new Error(`Over NATS: ${line}`);
      at = next;
    }
    parsed.rest = text.slice(at);
    return parsed;
  },
  redis(text) {
    const parsed: Parsed = { messages: [], rest: "", isReady: false, pings: 0 };
    for (let at = 0;;) {
      const pushed = /^>3\r\n\$(\d+)\r\n(\w+)\r\n\$\d+\r\n[\w.]+\r\n(?:\$(\d+)|:1)\r\n/;
      const head = text.slice(at, at + 200);
      const push = pushed.exec(head);
      // The reply to HELLO is a map of seven entries, the only one with nested values.
      const other = /^(?::\d+\r\n|%7\r\n(?:\$\d+\r\n[^\r]*\r\n|:\d+\r\n)+\*0\r\n)/.exec(head);
      let next = at + (push ?? other ?? [""])[0].length;
      if (push?.[2] === "message") {
        const start = next;
        next += Number(push[3]) + 2;
        if (next <= text.length) parsed.messages.push(text.slice(start, next - 2));
      }
      if (push?.[2] === "subscribe") parsed.isReady = true;
      if (next === at || next > text.length) {
        if (text[at] === "-") throw new Error(`Over Redis: ${head}`);
        parsed.rest = text.slice(at);
        return parsed;
      }
      at = next;
    }
  },
};

function encode(kind: Kind, subject: string, message: string): string {
  if (kind === "lines") return `${message}\n`;
  if (kind === "nats") return `PUB ${subject} ${message.length}\r\n${message}\r\n`;
  return command("PUBLISH", subject, message);
}

/** A command of the Redis protocol. */
function command(...words: string[]): string {
  return `*${words.length}\r\n` + words.map((word) => `$${word.length}\r\n${word}\r\n`).join("");
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Buffer.from(text, "latin1");
}

/** Unlike the "latin1" of TextDecoder, that of Buffer maps every byte to the same code. */
function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
