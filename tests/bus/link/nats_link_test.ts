/** Several daemons on one bus, through nats-server. */

import { connect, headers } from "@nats-io/transport-node";
import assert from "node:assert/strict";
import { Batch } from "../../../lib/bus/batch.ts";
import { BusUnavailableError } from "../../../lib/bus/errors.ts";
import { selfSigned } from "../../support/certificates.ts";
import { hasNatsServer, startNatsServer } from "../../support/nats_server.ts";
import { until, within } from "../../support/within.ts";
import { lines, messages, TestSubscriber } from "../support.ts";
import { LinkedDaemon } from "./support.ts";

const ignore = !await hasNatsServer();
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i));
}

/** Waits until a subscriber has as many lines. */
function got(subscriber: TestSubscriber, count: number): Promise<void> {
  return until(`${count} lines are there`, () => subscriber.lines.length >= count, 20_000);
}

Deno.test({
  name: "NatsLink: every daemon and every NATS client hears every message",
  ignore,
  fn: async () => {
    await using server = await startNatsServer();
    await using a = await LinkedDaemon.start(server.port);
    await using b = await LinkedDaemon.start(server.port);
    const [atA, atB, selecting] = [
      new TestSubscriber(),
      new TestSubscriber(),
      new TestSubscriber(),
    ];
    a.bus.subscribe("room", atA);
    b.bus.subscribe("*", atB);
    b.bus.subscribe("r*m", selecting, { selects: (subject) => /^r.*m$/.test(subject) });
    await a.subscribed();
    await b.subscribed();
    const nats = await connect({ servers: `127.0.0.1:${server.port}` });
    const heard: string[] = [];
    const subscription = nats.subscribe("room", {
      callback: (_, message) => {
        heard.push(message.string());
      },
    });
    await nats.flush();
    await a.bus.publish(lines("room", ["from a", "two\r"]));
    nats.publish("room", "from nats\nin two lines");
    await nats.flush();
    await b.bus.publish(lines("room", numbers(500)));
    const expected = ["from a", "two", "from nats", "in two lines", ...numbers(500)];
    await Promise.all([atA, selecting].map((subscriber) => got(subscriber, expected.length)));
    await until("b has them too", () => atB.lines.at(-1) === "499");
    assert.deepEqual(atA.lines, expected);
    assert.deepEqual(selecting.lines, expected);
    assert.deepEqual(atB.lines.filter((line) => line !== ""), expected);
    await nats.flush();
    assert.deepEqual(heard, ["from a", "two", "from nats\nin two lines", ...numbers(500)]);
    subscription.unsubscribe();
    await nats.close();
    assert.equal(a.metric("bus_link_published_messages_total"), 3);
    assert.equal(a.metric("bus_link_up"), 1);
  },
});

Deno.test({
  name: "NatsLink: a queue group delivers each message once across daemons",
  ignore,
  fn: async () => {
    await using server = await startNatsServer();
    await using a = await LinkedDaemon.start(server.port);
    await using b = await LinkedDaemon.start(server.port);
    const members = Array.from({ length: 4 }, () => new TestSubscriber());
    for (const [i, member] of members.entries()) {
      (i % 2 === 0 ? a : b).bus.subscribe("jobs", member, { group: "workers" });
    }
    const all = new TestSubscriber();
    b.bus.subscribe("jobs", all);
    await a.subscribed();
    await b.subscribed();
    for (const number of numbers(200)) await a.bus.publish(lines("jobs", [number]));
    await got(all, 200);
    await until("all are done", () => members.flatMap(({ lines }) => lines).length >= 200);
    assert.deepEqual(members.flatMap(({ lines }) => lines).sort(), numbers(200).sort());
    for (const { lines } of members) assert.ok(lines.length > 10, `${lines.length}`);
  },
});

Deno.test({
  name: "NatsLink: requests find responders in other daemons, and hear that there are none",
  ignore,
  fn: async () => {
    await using server = await startNatsServer();
    await using a = await LinkedDaemon.start(server.port);
    await using b = await LinkedDaemon.start(server.port);
    const client = new TestSubscriber();
    const replies: string[] = [];
    client.encode = (batch) => {
      replies.push(decoder.decode(batch.headers) + decoder.decode(batch.lines.bytes));
      return messages("");
    };
    a.bus.subscribe("inbox.*", client);
    const request = (reply: string, wantsStatus: boolean) =>
      Batch.ofPayload("service", encoder.encode("?"), { reply, origin: client, wantsStatus });
    await a.bus.publish(request("inbox.1", true));
    assert.deepEqual(replies.splice(0), ["NATS/1.0 503\r\n\r\n\n"]);
    await a.bus.publish(request("inbox.2", false));
    assert.deepEqual(replies, [], "a client that does not want the status does not get it");
    const service = new TestSubscriber();
    service.encode = (batch) => {
      b.bus.publish(Batch.ofPayload(batch.reply!, encoder.encode(`re ${batch.reply}`)));
      return messages("");
    };
    b.bus.subscribe("service", service);
    await b.subscribed();
    await a.bus.publish(request("inbox.3", true));
    await until("the reply is there", () => replies.length > 0);
    assert.deepEqual(replies, ["re inbox.3\n"]);
  },
});

Deno.test({
  name: "NatsLink: headers cross it, and a publisher without echo does not hear itself",
  ignore,
  fn: async () => {
    await using server = await startNatsServer();
    await using a = await LinkedDaemon.start(server.port);
    await using b = await LinkedDaemon.start(server.port);
    const [quiet, atA, atB] = [new TestSubscriber(), new TestSubscriber(), new TestSubscriber()];
    quiet.echo = false;
    const seen: string[] = [];
    for (const subscriber of [quiet, atA, atB]) {
      const encode = subscriber.encode.bind(subscriber);
      const name = subscriber === quiet ? "quiet" : subscriber === atA ? "a" : "b";
      subscriber.encode = (batch) => {
        seen.push(`${name}: ${decoder.decode(batch.headers)}`);
        return encode(batch);
      };
      (subscriber === atB ? b : a).bus.subscribe("s", subscriber);
    }
    await a.subscribed();
    await b.subscribed();
    const block = "NATS/1.0\r\nKey: one\r\nKey: two\r\n\r\n";
    const payload = encoder.encode("x");
    await a.bus.publish(
      Batch.ofPayload("s", payload, { origin: quiet, headers: encoder.encode(block) }),
    );
    await a.bus.publish(Batch.ofPayload("s", payload, { origin: quiet }));
    await until("b has both", () => seen.filter((line) => line.startsWith("b")).length === 2);
    assert.deepEqual(seen.toSorted(), ["a: ", `a: ${block}`, "b: ", `b: ${block}`]);
    seen.length = 0;
    const nats = await connect({ servers: `127.0.0.1:${server.port}` });
    const marked = headers();
    marked.set("Key", "three");
    nats.publish("s", payload, { headers: marked });
    await nats.flush();
    await until("all have it", () => seen.length === 3);
    assert.ok(seen.every((line) => line.endsWith("NATS/1.0\r\nKey: three\r\n\r\n")), seen.join());
    await nats.close();
  },
});

Deno.test({
  name: "NatsLink: events stay in their daemon, unless the link is to carry them",
  ignore,
  fn: async () => {
    await using server = await startNatsServer();
    for (const events of [false, true]) {
      await using a = await LinkedDaemon.start(server.port, { events });
      await using b = await LinkedDaemon.start(server.port, { events });
      const subscribers = [a, a, b].map(({ bus }, i) => {
        const subscriber = new TestSubscriber();
        if (i > 0) subscriber.services = ["task"];
        bus.subscribe("task.>", subscriber);
        return subscriber;
      });
      await b.subscribed();
      await a.subscribed();
      a.bus.announce(lines("task.t.done", ["{}"]));
      await a.subscribed();
      const nats = await connect({ servers: `127.0.0.1:${server.port}` });
      nats.publish("task.t.done", "forged");
      await nats.flush();
      await nats.close();
      await a.subscribed();
      await b.subscribed();
      const heard = events ? [[], ["{}", "forged"], ["{}", "forged"]] : [[], ["{}"], []];
      assert.deepEqual(subscribers.map(({ lines }) => lines), heard, `events = ${events}`);
      assert.equal(b.bus.isHeard("task.other"), true);
    }
  },
});

Deno.test({
  name: "NatsLink: what NATS does not allow is an error and counts, but other messages get through",
  ignore,
  fn: async () => {
    await using server = await startNatsServer(
      `max_payload: 100
       authorization { users: [
         { user: u, password: p, permissions: { publish: { deny: "secret" }, subscribe: { deny: "deaf" } } }
       ] }`,
    );
    await using a = await LinkedDaemon.start(server.port, { user: "u", pass: "p" });
    await assert.rejects(
      async () => await a.bus.publish(Batch.ofPayload("s", new Uint8Array(101))),
      BusUnavailableError,
    );
    await a.bus.publish(lines("s", ["small"]));
    // NATS refuses a message after the fact; from then on the daemon knows.
    await Promise.allSettled([a.bus.publish(lines("secret", ["1"]))]);
    await until("the daemon knows", () => a.metric("bus_link_refusals_total") === 1);
    await assert.rejects(async () => await a.bus.publish(lines("secret", ["2"])), /allow/);
    a.bus.subscribe("deaf", new TestSubscriber());
    await until("the daemon knows", () => a.metric("bus_link_refusals_total") === 2);
    assert.match(a.log.lines.join(""), /secret[\s\S]*deaf/);
    // One client's mistake does not make the daemon unready for all.
    assert.deepEqual(a.bus.problems(), []);
    assert.equal(a.metric("bus_link_up"), 1);
  },
});

Deno.test({
  name: "NatsLink: a wrong password shows as a problem, and nothing is published",
  ignore,
  fn: async () => {
    await using server = await startNatsServer("authorization { token: right }");
    await using wrong = new LinkedDaemon(server.port, { token: "wrong", timeoutMs: 200 });
    await using _right = await LinkedDaemon.start(server.port, { token: "right" });
    const { bus, log } = wrong;
    await until("it is refused", () => /authori[sz]ation/i.test(bus.problems().join()));
    const publishing = bus.publish(lines("s", ["x"]));
    assert.ok(publishing !== undefined);
    await assert.rejects(within(60_000, "the error", publishing), BusUnavailableError);
    assert.ok(log.matching("Cannot connect to NATS").length <= 2, "it is logged once");
  },
});

Deno.test({
  name: "NatsLink: over TLS, a server with a foreign certificate is refused",
  ignore,
  fn: async () => {
    const { cert, key } = selfSigned("shared");
    await using server = await startNatsServer(`tls { cert_file: "${cert}", key_file: "${key}" }`);
    const ca = Deno.readTextFileSync(cert);
    await using secure = await LinkedDaemon.start(server.port, { tls: { ca } });
    await secure.bus.publish(lines("s", ["x"]));
    await using trusting = new LinkedDaemon(server.port, { tls: {}, timeoutMs: 100 });
    await until("it is refused", () => /certificate/i.test(trusting.bus.problems().join()));
    await assert.rejects(async () => await trusting.bus.publish(lines("s", ["x"])), /certificate/i);
  },
});

Deno.test({
  name: "NatsLink: headers that nobody can read do not end the connection",
  ignore,
  fn: async () => {
    await using server = await startNatsServer();
    await using a = await LinkedDaemon.start(server.port);
    const subscriber = new TestSubscriber();
    a.bus.subscribe("h", subscriber);
    await a.subscribed();
    const blocks = ["NATS/1.0\r\na b: v\r\n\r\n", "x", "NATS/1.0\r\nA: b"];
    for (const block of blocks) {
      await a.bus.publish(
        Batch.ofPayload("h", encoder.encode(block), { headers: encoder.encode(block) }),
      );
    }
    await a.bus.publish(lines("h", ["last"]));
    await got(subscriber, 4);
    assert.equal(subscriber.lines.at(-1), "last");
    assert.equal(a.metric("bus_link_connections_total"), 1);
  },
});

Deno.test({
  name: "NatsLink: names that are too long for NATS do not end the connection",
  ignore,
  fn: async () => {
    await using server = await startNatsServer();
    await using a = await LinkedDaemon.start(server.port);
    const subscriber = new TestSubscriber();
    a.bus.subscribe("h", subscriber);
    // 2000 characters, but 6000 bytes.
    const long = "\u20ac".repeat(2000);
    await assert.rejects(() => a.bus.publish(lines(long, ["1"]))!, BusUnavailableError);
    const reply = "r".repeat(2048);
    await assert.rejects(
      () => a.bus.publish(Batch.ofPayload("s".repeat(2048), new Uint8Array(1), { reply }))!,
      BusUnavailableError,
    );
    for (let i = 0; i < 30; i++) {
      a.bus.subscribe(`${i}.${"s".repeat(2048)}`, subscriber, { group: reply });
    }
    await a.bus.publish(lines("h", ["last"]));
    await got(subscriber, 1);
    assert.deepEqual(a.bus.problems(), []);
    assert.equal(a.metric("bus_link_refusals_total"), 30);
    assert.equal(a.log.matching("NATS refuses something").length, 20);
    assert.equal(a.metric("bus_link_connections_total"), 1);
  },
});
