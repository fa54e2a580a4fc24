/**
 * Widely used clients of Redis channels, unmodified.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { Server } from "socket.io";
import { io, type Socket } from "socket.io-client";
import { within } from "../../support/within.ts";
import { TestKv } from "../support.ts";

const DEADLINE_MS = 60_000;

for (const protocol of [2, 3] as const) {
  Deno.test(`ioredis publishes and subscribes unmodified, RESP${protocol}`, async () => {
    await using kv = await TestKv.start();
    const options = { port: kv.port, host: "127.0.0.1", protocol, retryStrategy: () => null };
    const subscriber = new Redis(options), publisher = new Redis(options);
    const received: string[] = [];
    const three = Promise.withResolvers<void>();
    const note = (...words: unknown[]) => {
      if (received.push(words.join(" ")) === 3) three.resolve();
    };
    subscriber.on("message", (channel, message) => note("message", channel, message));
    subscriber.on(
      "pmessage",
      (pattern, channel, message) => note("pmessage", pattern, channel, message),
    );
    try {
      assert.equal(await subscriber.subscribe("news", "weather"), 2);
      assert.equal(await subscriber.psubscribe("n?ws"), 3);
      assert.equal(await publisher.publish("news", "one"), 2);
      assert.equal(await publisher.publish("weather", "two"), 1);
      await within(DEADLINE_MS, "the messages", three.promise);
      assert.equal(await subscriber.unsubscribe("news"), 2);
      assert.equal(await publisher.publish("other", "three"), 0);
      assert.deepEqual(await publisher.pubsub("NUMSUB", "news", "weather"), [
        "news",
        0,
        "weather",
        1,
      ]);
    } finally {
      subscriber.disconnect();
      publisher.disconnect();
    }
    assert.deepEqual(received.toSorted(), [
      "message news one",
      "message weather two",
      "pmessage n?ws news one",
    ]);
  });

  Deno.test(`node-redis publishes and subscribes unmodified, RESP${protocol}`, async () => {
    await using kv = await TestKv.start();
    const options = {
      RESP: protocol,
      url: `redis://127.0.0.1:${kv.port}`,
      socket: { reconnectStrategy: false } as const,
    };
    const subscriber = createClient(options), publisher = createClient(options);
    const received: string[] = [];
    const three = Promise.withResolvers<void>();
    const note = (message: string, channel: string) => {
      if (received.push(`${channel} ${message}`) === 3) three.resolve();
    };
    try {
      await subscriber.connect();
      await publisher.connect();
      await subscriber.subscribe("news", note);
      await subscriber.pSubscribe("n*s", note);
      await subscriber.sSubscribe("shard", note);
      assert.equal(await publisher.publish("news", "one"), 2);
      assert.equal(await publisher.sPublish("shard", "two"), 1);
      await within(DEADLINE_MS, "the messages", three.promise);
      await subscriber.unsubscribe("news");
      assert.deepEqual(await publisher.pubSubChannels(), []);
      // In RESP3 a subscriber may send anything; the client uses that.
      if (protocol === 3) assert.equal(await subscriber.set("a", "1"), "OK");
    } finally {
      subscriber.destroy();
      publisher.destroy();
    }
    assert.deepEqual(received.toSorted(), ["news one", "news one", "shard two"]);
  });
}

/** A socket.io server whose rooms span all servers on one kv. */
class RoomServer implements AsyncDisposable {
  readonly io: Server;
  readonly #http: HttpServer = createServer();
  readonly #redis: Redis[];

  private constructor(kvPort: number) {
    const options = { port: kvPort, host: "127.0.0.1", retryStrategy: () => null };
    const publisher = new Redis(options), subscriber = publisher.duplicate();
    this.#redis = [publisher, subscriber];
    this.io = new Server(this.#http, { adapter: createAdapter(publisher, subscriber) });
  }

  static async start(kvPort: number): Promise<RoomServer> {
    const server = new RoomServer(kvPort);
    await new Promise<void>((resolve) => server.#http.listen(0, "127.0.0.1", resolve));
    return server;
  }

  /** Connects a client that records the event "said", and waits until it is in a room. */
  async connect(room: string): Promise<{ socket: Socket; said: string[] }> {
    const { port } = this.#http.address() as AddressInfo;
    const joined = new Promise<void>((resolve) => {
      this.io.once("connection", async (socket) => {
        await socket.join(room);
        socket.on("say", (text: string) => this.io.to(room).emit("said", text));
        resolve();
      });
    });
    const socket = io(`http://127.0.0.1:${port}`, { transports: ["websocket"] });
    const said: string[] = [];
    socket.on("said", (text: string) => said.push(text));
    await within(DEADLINE_MS, "a socket.io client", joined);
    return { socket, said };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.io.close();
    for (const redis of this.#redis) redis.disconnect();
  }
}

Deno.test("two socket.io servers share a room through kv", async () => {
  await using kv = await TestKv.start();
  await using one = await RoomServer.start(kv.port);
  await using two = await RoomServer.start(kv.port);
  const near = await one.connect("room");
  const far = await two.connect("room");
  const outside = await two.connect("another room");
  try {
    // The servers ask each other through channels, and count each other with PUBSUB.
    const all = await within(DEADLINE_MS, "all sockets", one.io.in("room").fetchSockets());
    assert.equal(all.length, 2);
    assert.equal(await one.io.of("/").adapter.serverCount(), 2);
    const heard = [near, far].map(({ socket }) =>
      new Promise((resolve) => socket.once("said", resolve))
    );
    near.socket.emit("say", "hello");
    await within(DEADLINE_MS, "the message on both servers", Promise.all(heard));
    assert.deepEqual([near.said, far.said, outside.said], [["hello"], ["hello"], []]);
  } finally {
    for (const { socket } of [near, far, outside]) socket.disconnect();
  }
});
