/**
 * Support for the kv tests: a service per test, and a client that reads raw replies.
 *
 * @module
 */

import assert from "node:assert/strict";
import * as v from "valibot";
import { Bus } from "../../lib/bus/bus.ts";
import type { Guard } from "../../lib/auth.ts";
import { kv } from "../../lib/kv/mod.ts";
import type { Address } from "../../lib/net/address.ts";
import type { RunningService } from "../../lib/service.ts";
import { Refusals } from "../../lib/refusals.ts";
import { openStorage } from "../../lib/storage/open.ts";
import { TestLog } from "../support/log.ts";
import { within } from "../support/within.ts";

/** A kv service with its own port and data. */
export class TestKv implements AsyncDisposable {
  readonly running: RunningService;
  readonly log: TestLog;
  /** The bus of the daemon. */
  readonly bus: Bus;
  readonly #dataDir: string;

  private constructor(
    running: RunningService,
    parts: { log: TestLog; bus: Bus; dataDir: string },
  ) {
    this.running = running;
    this.log = parts.log;
    this.bus = parts.bus;
    this.#dataDir = parts.dataDir;
  }

  /** Starts a service and waits until its store has loaded. */
  static async start(
    config: Record<string, unknown> = {},
    storageUrl = "memory:",
    guard?: Guard,
  ): Promise<TestKv> {
    const kv = await TestKv.launch(config, { storageUrl, guard });
    try {
      await kv.running.loaded;
    } catch (error) {
      await kv.stop({ drainMs: 0 });
      throw error;
    }
    return kv;
  }

  /**
   * Starts a service without waiting for its store.
   *
   * @param options `open` wraps the function that opens a storage.
   */
  static async launch(
    config: Record<string, unknown>,
    { storageUrl = "memory:", guard, open = openStorage, admitted = [] }: {
      storageUrl?: string;
      guard?: Guard | undefined;
      open?: typeof openStorage;
      /** The other services whose events the clients may hear. */
      admitted?: string[];
    } = {},
  ): Promise<TestKv> {
    const log = new TestLog("info"), bus = new Bus();
    const dataDir = await Deno.makeTempDir({ prefix: "quartet-kv-" });
    const section = v.parse(kv.schema, { listen: "127.0.0.1:0", ...config });
    const running = await kv.start(section, {
      guard: () => guard,
      admits: (service) => admitted.includes(service),
      refusals: new Refusals(log.log),
      bus,
      log: log.log,
      dataDir,
      get daemon(): never {
        throw new Error("kv does not use the daemon");
      },
      storage: (url = storageUrl) => open(url, { dataDir, log: log.log }),
    });
    return new TestKv(running, { log, bus, dataDir });
  }

  get address(): Address {
    return this.running.addresses[0]!;
  }

  get port(): number {
    return (this.address as Address & { transport: "tcp" }).port;
  }

  /** Connects a client that speaks the Redis protocol. */
  connect(): Promise<RawClient> {
    return RawClient.connect(this.address);
  }

  /** The length of a file in the data directory, in bytes. */
  async fileBytes(name: string): Promise<number> {
    return (await Deno.stat(`${this.#dataDir}/${name}`)).size;
  }

  /** Drains the service, and removes its data. Clients that remain after `drainMs` are cut off. */

  async stop({ drainMs }: { drainMs: number }): Promise<void> {
    await this.running.drain(AbortSignal.timeout(drainMs));
    await Deno.remove(this.#dataDir, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop({ drainMs: 500 });
  }
}

/**
 * Checks the time to live of a key that was set to expire at some point after `startMs`. Redis
 * rounds the time left to the nearest second, so the value is exact unless the test was delayed.
 *
 * @param ttl The time to live in seconds.
 * @param options `seconds`: the time to live when it was set; `startMs`: a time before that, from
 * `performance.now()`.
 */
export function assertTimeLeft(ttl: number, options: { seconds: number; startMs: number }): void {
  const { seconds, startMs } = options;
  const least = Math.round(seconds - (performance.now() - startMs) / 1000);
  assert.ok(ttl <= seconds && ttl >= least, `${ttl} is not between ${least} and ${seconds}`);
}

/** Encodes a request: an array of bulk strings, each with one character per byte. */
export function encodeRequest(args: readonly string[]): Uint8Array {
  let text = `*${args.length}\r\n`;
  for (const arg of args) text += `$${arg.length}\r\n${arg}\r\n`;
  return latin1Bytes(text);
}

/** The bytes of a string with one character per byte. */
export function latin1Bytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** Bytes as a string with one character per byte. */
export function latin1Text(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return text;
}

/** A client that reads replies as raw text, with a deadline on every wait. */
export class RawClient implements Disposable {
  readonly conn: Deno.Conn;
  #unread = "";
  #closed = false;

  private constructor(conn: Deno.Conn) {
    this.conn = conn;
  }

  static async connect(address: Address): Promise<RawClient> {
    return new RawClient(
      address.transport === "tcp"
        ? await Deno.connect({ hostname: address.hostname, port: address.port })
        : await Deno.connect({ transport: "unix", path: address.path }),
    );
  }

  /** Sends bytes, or text with one character per byte. */
  async send(data: string | Uint8Array): Promise<void> {
    let bytes = typeof data === "string" ? latin1Bytes(data) : data;
    while (bytes.length > 0) bytes = bytes.subarray(await this.conn.write(bytes));
  }

  /** Sends a request. */
  request(...args: string[]): Promise<void> {
    return this.send(encodeRequest(args));
  }

  /** Sends a request and reads its reply. */
  async ask(...args: string[]): Promise<string> {
    await this.request(...args);
    return await this.reply();
  }

  /** Reads one whole reply. */
  async reply(): Promise<string> {
    for (;;) {
      const length = replyLength(this.#unread, 0);
      if (length > 0) {
        const reply = this.#unread.slice(0, length);
        this.#unread = this.#unread.slice(length);
        return reply;
      }
      if (!await this.#fill()) throw new Error(`Closed in a reply: ${this.#unread}`);
    }
  }

  /** Sends a line and reads one line of the reply, both without their newline. */
  async askLine(line: string): Promise<string> {
    await this.send(`${line}\n`);
    return await this.line();
  }

  /** Reads one line, without its newline. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#unread.indexOf("\n");
      if (end >= 0) {
        const reply = this.#unread.slice(0, end);
        this.#unread = this.#unread.slice(end + 1);
        return reply;
      }
      if (!await this.#fill()) throw new Error(`Closed in a line: ${this.#unread}`);
    }
  }

  /** Everything up to the end of the connection. */
  async rest(): Promise<string> {
    while (await this.#fill());
    return this.#unread;
  }

  close(): void {
    if (!this.#closed) this.conn.close();
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #fill(): Promise<boolean> {
    const chunk = new Uint8Array(65536);
    const count = await within(60_000, "bytes from the server", this.conn.read(chunk));
    if (count !== null) this.#unread += latin1Text(chunk.subarray(0, count));
    return count !== null;
  }
}

/** The length of the reply that begins at `start`; 0 if it is incomplete. */
export function replyLength(text: string, start: number): number {
  const newline = text.indexOf("\r\n", start);
  if (newline < 0) return 0;
  const type = text[start]!;
  const count = Number(text.slice(start + 1, newline));
  let end = newline + 2;
  if ("$=".includes(type)) {
    if (count >= 0) end += count + 2;
    return end > text.length ? 0 : end - start;
  }
  if ("*~%>".includes(type)) {
    for (let left = type === "%" ? 2 * count : count; left > 0; left--) {
      const length = replyLength(text, end);
      if (length === 0) return 0;
      end += length;
    }
  }
  return end - start;
}
