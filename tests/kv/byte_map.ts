/**
 * A store on ranges of bytes whose commits the test decides, and the server and socket that a Redis
 * connection needs around it.
 *
 * @module
 */

import { Bus } from "../../lib/bus/bus.ts";
import { PublisherMetrics } from "../../lib/bus/publisher.ts";
import { CommandWatch } from "../../lib/kv/command_watch.ts";
import { CommandMetrics } from "../../lib/kv/command_metrics.ts";
import { ALL_COMMANDS } from "../../lib/kv/commands/all.ts";
import type { ClientPeer } from "../../lib/kv/commands/context.ts";
import { CursorTable } from "../../lib/kv/commands/cursors.ts";
import { ServerSettings } from "../../lib/kv/commands/settings.ts";
import { CommandTable } from "../../lib/kv/commands/table.ts";
import { Channels } from "../../lib/kv/pubsub/channels.ts";
import { SubscribedClient } from "../../lib/kv/pubsub/client_channels.ts";
import type { SessionServer } from "../../lib/kv/session/session.ts";
import type { ByteRange, ByteStore } from "../../lib/storage/byte_store.ts";
import type { MaybePromise, Place, Store, Transaction } from "../../lib/storage/store.ts";
import { latin1From, valueBytes } from "../../lib/storage/value.ts";
import { SharedTurn } from "../../lib/turn.ts";
import { Readers } from "../../lib/bus/readers.ts";
import { ChangeFeed } from "../../lib/kv/changes/change_feed.ts";
import type { TextServer } from "../../lib/kv/text/connection.ts";
import { Followers } from "../../lib/kv/text/followers.ts";
import { SlowCommands } from "../../lib/slow_commands.ts";
import { TestLog } from "../support/log.ts";
import { latin1Text } from "./support.ts";

/** A value and the change that wrote it. */
interface MapEntry {
  bytes: Uint8Array;
  expiresAtMs: number;
  version: number;
}

/** A store of one space. All changes since the last commit belong to one commit. */
export class ByteMap implements ByteStore {
  readonly entries = new Map<string, MapEntry>();
  ready = true;
  value: ByteRange = { bytes: new Uint8Array(0), start: 0, end: 0 };
  stable = false;
  expiresAtMs = 0;
  seen = 0;
  maxBytes = Infinity;
  /** Thrown by the next change. */
  refusal: Error | undefined;
  #version = 0;
  #durable = 0;
  #commit = Promise.withResolvers<void>();
  #commitVersion = 0;

  /** Makes all changes durable. */
  commit(): void {
    this.#durable = this.#version;
    this.#commit.resolve();
    this.#commit = Promise.withResolvers();
  }

  /** Lets the commit of all changes fail. The map keeps them, which no test minds. */
  fail(error: Error): void {
    this.#durable = this.#version;
    this.#commit.reject(error);
    this.#commit = Promise.withResolvers();
  }

  hasRoom(bytes: number): boolean {
    let used = 0;
    for (const [key, entry] of this.entries) used += key.length + entry.bytes.length;
    return used + bytes <= this.maxBytes;
  }

  get(_space: number, bytes: Uint8Array, start: number, end: number): boolean {
    const entry = this.entries.get(latin1From(bytes, start, end));
    if (entry === undefined) return false;
    this.value = { bytes: entry.bytes, start: 0, end: entry.bytes.length };
    this.expiresAtMs = entry.expiresAtMs;
    if (entry.version > this.#durable) this.seen = Math.max(this.seen, entry.version);
    return true;
  }

  length(space: number, bytes: Uint8Array, start: number, end: number): number {
    return this.get(space, bytes, start, end) ? this.value.end : -1;
  }

  put(
    _space: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    source: Uint8Array,
    from: number,
    to: number,
    expiresAtMs: number,
  ): void {
    this.set(latin1From(bytes, start, end), source.slice(from, to), expiresAtMs);
  }

  /** Sets a value. */
  set(key: string, bytes: Uint8Array, expiresAtMs = 0): void {
    if (this.refusal !== undefined) throw this.refusal;
    this.entries.set(key, { bytes, expiresAtMs, version: this.seen = ++this.#version });
  }

  delete(_space: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.entries.delete(latin1From(bytes, start, end))) return false;
    this.seen = ++this.#version;
    return true;
  }

  expire(
    _space: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    expiresAtMs: number,
  ): boolean {
    const key = latin1From(bytes, start, end);
    const entry = this.entries.get(key);
    if (entry !== undefined) this.set(key, entry.bytes, expiresAtMs);
    return entry !== undefined;
  }

  write(
    space: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    offset: number,
    source: Uint8Array,
    from: number,
    to: number,
  ): boolean {
    const entry = this.entries.get(latin1From(bytes, start, end));
    if (entry === undefined) return false;
    const value = new Uint8Array(Math.max(entry.bytes.length, offset + to - from));
    value.set(entry.bytes);
    value.set(source.subarray(from, to), offset);
    this.put(space, bytes, start, end, value, 0, value.length, entry.expiresAtMs);
    return true;
  }

  flushed(seen: number): Promise<void> {
    if (seen <= this.#durable) return Promise.resolve();
    this.#commitVersion = seen;
    return this.#commit.promise;
  }

  /** The newest change that anybody waits for. */
  get awaited(): number {
    return this.#commitVersion;
  }
}

/** The same map for commands that work on strings. Only what tests need. */
export function storeOn(map: ByteMap): Store {
  function transact<T>(_places: readonly Place[], run: (tx: Transaction) => T): MaybePromise<T> {
    map.seen = 0;
    const result = run({
      nowMs: Date.now(),
      get(_space, key) {
        const entry = map.entries.get(key);
        return entry && { ...entry, value: entry.bytes };
      },
      put: (_space, key, value, expiresAtMs) =>
        map.set(key, valueBytes(value).slice(), expiresAtMs),
      delete: (_space, key) => map.entries.delete(key),
    });
    const { seen } = map;
    return seen === 0 ? result : map.flushed(seen).then(() => result);
  }
  const store: Pick<Store, "bytes" | "maxKeyBytes" | "get" | "put" | "transact"> = {
    bytes: map,
    maxKeyBytes: Infinity,
    get: (space, key) => transact([], (tx) => tx.get(space, key)),
    put: (space, key, value, expiresAtMs) =>
      transact([], (tx) => tx.put(space, key, value, expiresAtMs)),
    transact,
  };
  return store as Store;
}

/** Channels that nobody else uses. */
function testChannels(): Channels {
  return new Channels(new Bus(), new Bus(), { maxClientChannels: 10, maxPatterns: 10 });
}

/** A client that is never subscribed. */
export function testPeer(): ClientPeer {
  const channels = new SubscribedClient(testChannels(), {
    reader: () => {
      throw new Error("This client cannot subscribe");
    },
    holdMessages() {},
    protocol: () => 2,
    hears: () => false,
    metrics: new PublisherMetrics(),
  });
  return {
    id: 1,
    remote: "test",
    unreadBytes: 0,
    monitoring: false,
    channels,
    monitor() {},
    close() {},
  };
}

/** What a session needs of its server. */
export function serverOn(map: ByteMap): SessionServer & TextServer {
  const commands = new CommandTable(ALL_COMMANDS);
  return {
    store: storeOn(map),
    loading: false,
    commands,
    cursors: new CursorTable(),
    turn: new SharedTurn(),
    limits: {
      maxValueBytes: 1e6,
      maxArgumentBytes: 1e6,
      maxRequestBytes: 1e7,
      maxArguments: 1e6,
      maxQueued: 1000,
      maxQueuedBytes: 1e6,
      maxLineBytes: 1e6,
      maxClients: 10,
    },
    metrics: new CommandMetrics(commands.all.length),
    settings: new ServerSettings({}),
    watch: new CommandWatch(new SlowCommands("kv", new TestLog().log, 0)),
    channels: testChannels(),
    following: {
      followers: new Followers(new ChangeFeed(() => {})),
      readers: new Readers(
        { queue: 100, queue_bytes: 1e6, slow_after: 100, on_full: "drop" },
        new TestLog().log,
      ),
    },
    clients: new Map(),
    address: "127.0.0.1:0",
    startedMs: Date.now(),
    lastSaveMs: 0,
    runId: "0".repeat(40),
    save: () => Promise.resolve(),
    accepted: () => 1,
  };
}

/** A socket that delivers what the test sends and keeps what the server writes. */
export class TestSocket {
  /** Everything written so far. */
  output = "";
  readonly holding = false;
  #input: Uint8Array[] = [];
  #ended = false;
  #arrived = Promise.withResolvers<void>();

  /** Delivers bytes to the server. */
  send(bytes: Uint8Array): void {
    this.#input.push(bytes);
    this.#arrived.resolve();
  }

  /** Ends the input. */
  end(): void {
    this.#ended = true;
    this.#arrived.resolve();
  }

  replied(): void {}
  countRequests(): void {}

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#input.length === 0) {
      if (this.#ended) return null;
      await this.#arrived.promise;
      this.#arrived = Promise.withResolvers();
    }
    const bytes = this.#input[0]!;
    const count = Math.min(bytes.length, into.length);
    into.set(bytes.subarray(0, count));
    if (count < bytes.length) this.#input[0] = bytes.subarray(count);
    else this.#input.shift();
    return count;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.output += latin1Text(bytes);
    return Promise.resolve();
  }
}
