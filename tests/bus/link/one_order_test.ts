/** One order of all messages for several daemons, through a stream of nats-server. */

import { connect } from "@nats-io/transport-node";
import assert from "node:assert/strict";
import { Batch } from "../../../lib/bus/batch.ts";
import { BusUnavailableError } from "../../../lib/bus/errors.ts";
import { NoJetStreamError } from "../../../lib/bus/link/stream_reader.ts";
import { startNats } from "../../echo/nats/support.ts";
import { freeze } from "../../support/freeze.ts";
import { hasNatsServer, startNatsServer } from "../../support/nats_server.ts";
import { signal } from "../../support/signal.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";
import { until, within } from "../../support/within.ts";
import { lines, messages, TestSubscriber } from "../support.ts";
import { LinkedDaemon } from "./support.ts";

const ignore = !await hasNatsServer();
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const MIB = 1024 * 1024;

/** Starts nats-server with JetStream. */
async function startJetStream(samePort?: number) {
  const directory = await makeTempDirectory();
  const server = await startNatsServer(`jetstream { store_dir: "${directory.path}" }`, samePort);
  return {
    ...server,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

function startDaemon(port: number, options = {}): Promise<LinkedDaemon> {
  return LinkedDaemon.start(port, { streamMaxBytes: MIB * 16, ...options });
}

/** Subscribes a subscriber that holds any number of lines. */
function listen({ bus }: LinkedDaemon, pattern: string, options = {}): TestSubscriber {
  const subscriber = new TestSubscriber(undefined, { queue: 1_000_000 });
  bus.subscribe(pattern, subscriber, options);
  return subscriber;
}

/** Waits until a subscriber has as many lines. */
function got(subscriber: TestSubscriber, count: number): Promise<void> {
  return until(`${count} lines are there`, () => subscriber.lines.length >= count, 30_000);
}

Deno.test({
  name: "NatsLink in one order: all daemons see messages of three publishers in the same order",
  ignore,
  fn: async () => {
    await using server = await startJetStream();
    await using a = await startDaemon(server.port);
    await using b = await startDaemon(server.port);
    await using c = await startDaemon(server.port);
    const subscribers = [listen(a, "room.>"), listen(b, "*.x"), listen(c, ">")];
    const [messages, burst] = [2000, 50];
    await Promise.all([a, b, c].map(async ({ bus }, i) => {
      for (let n = 0; n < messages; n += burst) {
        const some = Array.from({ length: burst }, (_, k) => `${i} ${n + k}`);
        await bus.publish(lines("room.x", some));
      }
    }));
    await Promise.all(subscribers.map((subscriber) => got(subscriber, 3 * messages)));
    const [first, ...others] = subscribers.map(({ lines }) => lines);
    for (const other of others) assert.deepEqual(other, first);
    for (let i = 0; i < 3; i++) {
      const own = first!.filter((line) => line.startsWith(`${i} `));
      assert.deepEqual(own, Array.from({ length: messages }, (_, n) => `${i} ${n}`));
    }
    const switches = first!.filter((line, n) => n > 0 && line[0] !== first![n - 1]![0]).length;
    assert.ok(switches > 3, `the publishers take turns, ${switches} times`);
    assert.equal(a.metric("bus_link_missed_messages_total"), 0);
  },
});

Deno.test({
  name: "NatsLink in one order: queue groups deliver once, and NATS clients take part",
  ignore,
  fn: async () => {
    await using server = await startJetStream();
    await using a = await startDaemon(server.port);
    await using b = await startDaemon(server.port);
    const all = [listen(a, "jobs"), listen(b, ">")];
    const members = [a, b].map((daemon) => listen(daemon, "jobs", { group: "g" }));
    await a.subscribed();
    await b.subscribed();
    const nats = await connect({ servers: `127.0.0.1:${server.port}` });
    const heard: string[] = [];
    nats.subscribe("jobs", { callback: (_, message) => void heard.push(message.string()) });
    await nats.flush();

    const numbers = Array.from({ length: 100 }, (_, n) => String(n));
    for (const number of numbers) await a.bus.publish(lines("jobs", [number]));
    const isNumber = (line: string) => line !== "";
    await until(
      "all have all",
      () =>
        all.every(({ lines }) => lines.filter(isNumber).length >= 100) &&
        members.flatMap(({ lines }) => lines).length >= 100 && heard.length >= 100,
    );
    for (const { lines } of all) assert.deepEqual(lines.filter(isNumber), numbers);
    assert.deepEqual(members.flatMap(({ lines }) => lines).sort(), numbers.toSorted());
    assert.deepEqual(heard, numbers);

    // A message of a NATS client.
    nats.publish("jobs", "from nats");
    await until("all have it", () => all.every(({ lines }) => lines.includes("from nats")));
    await nats.close();
  },
});

Deno.test({
  name: "NatsLink in one order: requests find responders, and hear that there are none",
  ignore,
  fn: async () => {
    await using server = await startJetStream();
    await using a = await startDaemon(server.port);
    await using b = await startDaemon(server.port);
    const client = new TestSubscriber();
    const replies: string[] = [];
    client.encode = (batch) => {
      replies.push(decoder.decode(batch.headers) + decoder.decode(batch.lines.bytes));
      return messages("");
    };
    for (const inbox of ["_INBOX.a.*", "own.inbox"]) a.bus.subscribe(inbox, client);
    const request = (reply: string) => {
      const options = { reply, origin: client, wantsStatus: true };
      return a.bus.publish(Batch.ofPayload("service", encoder.encode("?"), options));
    };
    await request("_INBOX.a.1");
    assert.deepEqual(replies.splice(0), ["NATS/1.0 503\r\n\r\n\n"]);
    const service = new TestSubscriber();
    service.encode = (batch) => {
      b.bus.publish(Batch.ofPayload(batch.reply!, encoder.encode(`re ${batch.reply}`)));
      return messages("");
    };
    b.bus.subscribe("service", service);
    await b.subscribed();
    for (const reply of ["_INBOX.a.2", "own.inbox"]) {
      await request(reply);
      await until("the reply is there", () => replies.length > 0);
      assert.deepEqual(replies.splice(0), [`re ${reply}\n`]);
    }
  },
});

Deno.test({
  name: "NatsLink in one order: headers cross it, and no publisher without echo hears itself",
  ignore,
  fn: async () => {
    await using server = await startJetStream();
    await using a = await startDaemon(server.port);
    await using b = await startDaemon(server.port);
    const seen: string[] = [];
    const quiet = new TestSubscriber();
    quiet.echo = false;
    for (
      const [name, { bus }, options] of [["quiet", a, {}], ["b", b, {}], ["g", b, {
        group: "g",
      }]] as const
    ) {
      const subscriber = name === "quiet" ? quiet : new TestSubscriber();
      subscriber.encode = (batch) => {
        seen.push(`${name}: ${decoder.decode(batch.headers)}`);
        return batch.lines;
      };
      bus.subscribe("s", subscriber, options);
    }
    await b.subscribed();
    const payload = encoder.encode("x");
    const publish = (block: string) => {
      const headers = encoder.encode(`NATS/1.0\r\n${block}\r\n\r\n`);
      return a.bus.publish(Batch.ofPayload("s", payload, { origin: quiet, headers }));
    };
    await publish("Key: one");
    // The stream would obey this header and discard the second message.
    await publish("Nats-Msg-Id: 1");
    await publish("Nats-Msg-Id: 1");
    await until("b has all", () => seen.length === 6);
    const block = (line: string) => `NATS/1.0\r\n${line}\r\n\r\n`;
    const once = ["b", "g"].map((name) => `${name}: ${block("Key: one")}`);
    const twice = ["b", "g"].map((name) => `${name}: ${block("Nats-Msg-Id: 1")}`);
    assert.deepEqual(seen.toSorted(), [...once, ...twice, ...twice].sort());

    for (const subject of ["$JS.API.STREAM.DELETE.quartet_bus", "quartet.bus.s"]) {
      await assert.rejects(async () => await a.bus.publish(lines(subject, [""])), /does not carry/);
    }
  },
});

Deno.test({
  name: "NatsLink in one order: a daemon that was cut off gets what it missed, once",
  ignore,
  fn: async () => {
    await using server = await startJetStream();
    await using proxy = cuttable(server.port);
    await using a = await startDaemon(server.port);
    await using b = await startDaemon(proxy.port);
    const atB = listen(b, "s");
    const expected: string[] = [];
    for (let round = 0; round < 3; round++) {
      const some = Array.from({ length: 50 }, (_, n) => `${round} ${n}`);
      expected.push(...some);
      await a.bus.publish(lines("s", some));
      if (round === 2) break;
      proxy.cut();
      await until("b notices", () => b.metric("bus_link_up") === 0);
      await a.bus.publish(lines("s", [`cut ${round}`]));
      expected.push(`cut ${round}`);
      proxy.mend();
      await b.connected();
    }
    await got(atB, expected.length);
    assert.deepEqual(atB.lines, expected);
    // A subscription that begins between two messages on one subject.
    const late = listen(b, "*");
    await a.bus.publish(lines("s", ["late"]));
    await got(late, 1);
    assert.deepEqual(late.lines, ["late"]);
    assert.equal(b.metric("bus_link_missed_messages_total"), 0);
    assert.equal(b.metric("bus_link_lost_streams_total"), 0);
  },
});

Deno.test({
  name: "NatsLink in one order: what the stream has discarded is counted, and the rest comes",
  ignore,
  fn: async () => {
    await using server = await startJetStream();
    await using proxy = cuttable(server.port);
    await using a = await startDaemon(server.port, { streamMaxBytes: 10_000 });
    await using b = await startDaemon(proxy.port, { streamMaxBytes: 20_000 });
    assert.equal(b.log.matching("other settings").length, 1);
    const atB = listen(b, "s");
    await a.bus.publish(lines("s", ["first"]));
    await got(atB, 1);
    proxy.cut();
    await until("b notices", () => b.metric("bus_link_up") === 0);
    const long = "x".repeat(100);
    for (let n = 0; n < 10; n++) {
      await a.bus.publish(
        lines("s", Array.from({ length: 50 }, (_, k) => `${50 * n + k} ${long}`)),
      );
    }
    proxy.mend();
    await until("the last one is there", () => atB.lines.at(-1)?.startsWith("499 ") === true);
    const missed = b.metric("bus_link_missed_messages_total");
    assert.ok(missed > 400 && missed < 500, `${missed}`);
    assert.equal(atB.lines.length, 501 - missed);
    assert.equal(b.log.matching("discarded messages").length, 1);
    await assert.rejects(
      async () => await a.bus.publish(Batch.ofPayload("s", new Uint8Array(5_001))),
      /does not take the message: .*size/,
    );
  },
});

Deno.test({
  name: "NatsLink in one order: a stream that dies with nats-server is noticed and made again",
  ignore,
  fn: async () => {
    let server = await startJetStream();
    try {
      await using a = await startDaemon(server.port, { timeoutMs: 300 });
      await using b = await startDaemon(server.port, { timeoutMs: 300 });
      const [atA, atB] = [listen(a, "s"), listen(b, "s")];
      await a.bus.publish(lines("s", ["1", "2"]));
      await Promise.all([got(atA, 2), got(atB, 2)]);
      await server[Symbol.asyncDispose]();
      await assert.rejects(async () => await a.bus.publish(lines("s", ["x"])), BusUnavailableError);
      server = await startJetStream(server.port);
      // Whichever daemon comes first creates the stream; the other reads it from its beginning.
      await a.connected();
      await a.bus.publish(lines("s", ["3"]));
      await b.connected();
      await b.bus.publish(lines("s", ["4"]));
      await Promise.all([got(atA, 4), got(atB, 4)]);
      for (const { lines } of [atA, atB]) assert.deepEqual(lines, ["1", "2", "3", "4"]);
      assert.equal(b.metric("bus_link_lost_streams_total"), 1);
      assert.equal(a.log.matching("lost the stream").length, 1);

      // Frozen: publishers get errors; what comes late comes once, and then all goes on.
      await freeze(server.child);
      await assert.rejects(async () => await a.bus.publish(lines("s", ["5"])), BusUnavailableError);
      await assert.rejects(async () => await a.bus.publish(lines("s", ["6"])), BusUnavailableError);
      signal(server.child, "SIGCONT");
      await Promise.all([a.connected(), b.connected()]);
      await within(60_000, "the message", Promise.resolve(a.bus.publish(lines("s", ["7"]))));
      await until("it is there", () => [atA, atB].every(({ lines }) => lines.at(-1) === "7"));
      assert.deepEqual(atA.lines, atB.lines);
      assert.deepEqual(atA.lines.filter((line) => line !== "5"), ["1", "2", "3", "4", "7"]);

      // Deleted by an operator.
      const nats = await connect({ servers: `127.0.0.1:${server.port}` });
      await nats.request("$JS.API.STREAM.DELETE.quartet_bus", "", { timeout: 10_000 });
      await nats.close();
      await until("a has a stream again", async () => {
        try {
          await a.bus.publish(lines("s", ["8"]));
          return true;
        } catch {
          return false;
        }
      });
      await until("it is there", () => [atA, atB].every(({ lines }) => lines.at(-1) === "8"));
      assert.equal(atA.lines.filter((line) => line === "8").length, 1);
    } finally {
      await server[Symbol.asyncDispose]();
    }
  },
});

Deno.test({
  name: "NatsLink in one order: it is refused where there is no JetStream",
  ignore,
  fn: async () => {
    await using server = await startNatsServer();
    await using hub = await startNats();
    for (const port of [server.port, hub.port]) {
      await using daemon = new LinkedDaemon(port, { streamMaxBytes: MIB, timeoutMs: 100 });
      await assert.rejects(
        () => within(60_000, "the refusal", daemon.link.tried()),
        NoJetStreamError,
      );
      assert.match(daemon.bus.problems().join(), /needs JetStream/);
      await assert.rejects(async () => await daemon.bus.publish(lines("s", ["x"])), /JetStream/);
    }
  },
});

/** A way to a port of this machine that can be cut and mended. */
function cuttable(port: number) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Set<Deno.Conn>();
  let isCut = false;
  const close = (connection: Deno.Conn) => {
    if (connections.delete(connection)) connection.close();
  };
  const carry = async (from: Deno.Conn, to: Deno.Conn) => {
    const part = new Uint8Array(65_536);
    try {
      for (let read = await from.read(part); read !== null; read = await from.read(part)) {
        for (let at = 0; at < read;) at += await to.write(part.subarray(at, read));
      }
    } catch {
      // It was cut.
    }
    close(from);
    close(to);
  };
  const cut = () => {
    isCut = true;
    for (const connection of [...connections]) close(connection);
  };
  const accepting = (async () => {
    for await (const client of listener) {
      if (isCut) {
        client.close();
        continue;
      }
      const server = await Deno.connect({ hostname: "127.0.0.1", port });
      connections.add(client).add(server);
      carry(client, server);
      carry(server, client);
    }
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    cut,
    mend: () => isCut = false,
    [Symbol.asyncDispose]: async () => {
      cut();
      listener.close();
      await accepting;
    },
  };
}
