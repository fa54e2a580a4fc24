/**
 * Shared by the tests of the queue: a clock that the test turns, servers on free ports, and a client
 * with two verbs.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Guard } from "../../lib/auth.ts";
import { createLog } from "../../lib/log.ts";
import { Listener } from "../../lib/net/listener.ts";
import { BeanstalkServer } from "../../lib/task/beanstalk/server.ts";
import { type Clock, type ClockTurn, SYSTEM_CLOCK } from "../../lib/task/clock.ts";
import { MemoryQueue } from "../../lib/task/memory/queue.ts";
import { nextTurn } from "../../lib/turn.ts";
import type { ReportJob } from "../../lib/task/reports.ts";
import type { Queue, QueueLimits, QueueOptions, TubeRules } from "../../lib/task/queue.ts";

/** The limit for every wait; only a failure takes that long. */
export const DEADLINE_MS = 60_000;

/** A clock that stands still until the test turns it. */
export class ManualClock implements Clock {
  #now = 1_700_000_000_000;
  #timers: { at: number; call: () => void }[] = [];
  readonly #looksPerTurn: number;
  readonly #betweenTurns: () => void;
  /** How many timers have been set so far. */
  timersSet = 0;

  /**
   * @param turns How often work may ask whether its turn is over until it is; `between` is called
   * between turns, after everything else that is ready has run.
   */
  constructor(turns: { looks?: number; between?: () => void } = {}) {
    this.#looksPerTurn = turns.looks ?? 4096;
    this.#betweenTurns = turns.between ?? (() => {});
  }

  turn(): ClockTurn {
    return new ManualTurn(this.#looksPerTurn, this.#betweenTurns);
  }

  now(): number {
    return this.#now;
  }

  after(delayMs: number, call: () => void): () => void {
    this.timersSet++;
    const timer = { at: this.#now + Math.max(0, delayMs), call };
    this.#timers.push(timer);
    return () => this.#timers = this.#timers.filter((other) => other !== timer);
  }

  /** Sets the time as an administrator does, or as sleep does: no time passes for the timers. */
  jump(ms: number): void {
    this.#now += ms;
    for (const timer of this.#timers) timer.at += ms;
  }

  /** Lets time pass while the thread is busy: timers that become due do not fire yet. */
  pass(ms: number): void {
    this.#now += ms;
  }

  /** Fires the next timer now, whenever it is due. */
  fireNext(): void {
    const next = this.#timers.toSorted((a, b) => a.at - b.at)[0];
    assert(next !== undefined, "no timer is set");
    this.#timers = this.#timers.filter((timer) => timer !== next);
    next.call();
  }

  /** Lets time pass and fires the timers that become due. */
  advance(ms: number): void {
    const end = this.#now + ms;
    while (true) {
      const due = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#now = Math.max(this.#now, due.at);
      this.#timers = this.#timers.filter((timer) => timer !== due);
      due.call();
    }
    this.#now = end;
  }
}

/** A turn that is over when it was asked often enough. */
class ManualTurn implements ClockTurn {
  readonly #most: number;
  readonly #between: () => void;
  #looks = 0;

  constructor(most: number, between: () => void) {
    this.#most = most;
    this.#between = between;
  }

  get over(): boolean {
    return ++this.#looks >= this.#most;
  }

  async next(): Promise<void> {
    await nextTurn();
    this.#between();
    this.#looks = 0;
  }
}

/** Rules and limits that leave the protocol as it is. */
export const PLAIN_RULES: TubeRules = {
  maxAttempts: 0,
  backoffMs: 0,
  maxBackoffMs: 600_000,
  maxReserved: 0,
  rate: null,
  deadLetter: "",
};
export const WIDE_LIMITS: QueueLimits = {
  maxJobs: 10_000_000,
  maxBytes: 8 * 1024 ** 3,
  maxTubes: 10_000,
  maxResults: 100_000,
  resultTtlMs: 3_600_000,
};

/** The options of a queue: the plain ones, with some changes. */
export function queueOptions(
  changes: {
    limits?: Partial<QueueLimits>;
    rules?: Record<string, Partial<TubeRules>>;
    report?: ReportJob;
  } = {},
): QueueOptions {
  return {
    limits: { ...WIDE_LIMITS, ...changes.limits },
    rulesOf: (tube) => ({ ...PLAIN_RULES, ...changes.rules?.[tube] }),
    report: changes.report,
  };
}

/** A log that discards everything. */
export const SILENT_LOG = createLog("test", { level: "error", format: "text", sink: () => {} });

/** Starts a beanstalk server on a free port. */
export async function startServer(
  options: {
    queue?: Queue;
    maxJobBytes?: number;
    maxClients?: number;
    requestTimeoutMs?: number;
    guard?: () => Guard | undefined;
  } = {},
): Promise<TestServer> {
  const queue = options.queue ?? new MemoryQueue(SYSTEM_CLOCK, queueOptions());
  const log = SILENT_LOG;
  const maxJobBytes = options.maxJobBytes ?? 65535;
  const server = new BeanstalkServer(queue, {
    maxJobBytes,
    version: "0.0.0",
    log,
    guard: options.guard ?? (() => undefined),
  });
  const listener = await Listener.listen({ transport: "tcp", hostname: "127.0.0.1", port: 0 }, {
    maxClients: options.maxClients ?? 2000,
    idleTimeoutMs: 0,
    requestTimeoutMs: options.requestTimeoutMs ?? 0,
    fullReply: new Uint8Array(0),
    log,
    handle: (connection) => server.serve(connection),
  });
  return new TestServer(queue, listener);
}

/** A running server and the clients that the test has connected to it. */
export class TestServer {
  readonly queue: Queue;
  readonly listener: Listener;
  readonly port: number;
  readonly #clients: WireClient[] = [];

  constructor(queue: Queue, listener: Listener) {
    this.queue = queue;
    this.listener = listener;
    assert(listener.address.transport === "tcp");
    this.port = listener.address.port;
  }

  /** Connects a client. */
  async client(): Promise<WireClient> {
    const client = await WireClient.connect(this.port);
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.listener.close();
    await this.queue.close();
  }
}

/** A client that sends and expects text. */
export class WireClient {
  readonly #conn: Deno.Conn;
  #unread = "";
  #closed = false;

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** Connects to a port on loopback. */
  static async connect(port: number): Promise<WireClient> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    return new WireClient(conn);
  }

  /** Sends a text, one byte per character. */
  async send(text: string): Promise<void> {
    let bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    while (bytes.length > 0) bytes = bytes.subarray(await this.#conn.write(bytes));
  }

  /** Reads exactly this text next. */
  async expect(text: string): Promise<void> {
    while (this.#unread.length < text.length) {
      if (!text.startsWith(this.#unread)) break;
      if (!await this.#read()) break;
    }
    assert.equal(this.#unread.slice(0, text.length), text);
    this.#unread = this.#unread.slice(text.length);
  }

  /** Sends a text and expects this reply. */
  async ask(text: string, reply: string): Promise<void> {
    await this.send(text);
    await this.expect(reply);
  }

  /** Reads the next line, without its CRLF. */
  async line(): Promise<string> {
    while (!this.#unread.includes("\r\n")) {
      if (!await this.#read()) throw new Error(`Cannot read a line: got "${this.#unread}"`);
    }
    const end = this.#unread.indexOf("\r\n");
    const line = this.#unread.slice(0, end);
    this.#unread = this.#unread.slice(end + 2);
    return line;
  }

  /** Reads the next `count` bytes. */
  async bytes(count: number): Promise<string> {
    while (this.#unread.length < count) {
      if (!await this.#read()) throw new Error(`Cannot read ${count} bytes: the end came first`);
    }
    const bytes = this.#unread.slice(0, count);
    this.#unread = this.#unread.slice(count);
    return bytes;
  }

  /** Sends a command and reads the body of its reply, such as "OK <bytes>". */
  async chunk(command: string): Promise<string> {
    await this.send(command);
    const head = await this.line();
    const body = await this.bytes(Number(head.split(" ").at(-1)));
    await this.expect("\r\n");
    return body;
  }

  /** Expects that the server closes without sending anything more. */
  async expectEnd(): Promise<void> {
    while (await this.#read());
    assert.equal(this.#unread, "");
  }

  /** Closes the sending half of the connection. */
  async endInput(): Promise<void> {
    await this.#conn.closeWrite();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  async #read(): Promise<boolean> {
    const buffer = new Uint8Array(65536);
    const timer = setTimeout(() => this.close(), DEADLINE_MS);
    try {
      const count = await this.#conn.read(buffer);
      if (count === null) return false;
      this.#unread += String.fromCharCode.apply(null, [...buffer.subarray(0, count)]);
      return true;
    } finally {
      clearTimeout(timer);
    }
  }
}
