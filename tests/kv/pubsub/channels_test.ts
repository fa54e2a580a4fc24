/**
 * Channels on the bus: what crosses to other protocols, what does not, and the limits.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Batch } from "../../../lib/bus/batch.ts";
import { Bus } from "../../../lib/bus/bus.ts";
import { PublisherMetrics } from "../../../lib/bus/publisher.ts";
import type { Subscription } from "../../../lib/bus/subscription.ts";
import { Channels } from "../../../lib/kv/pubsub/channels.ts";
import { SubscribedClient } from "../../../lib/kv/pubsub/client_channels.ts";
import { TestSubscriber } from "../../bus/support.ts";
import { until } from "../../support/within.ts";
import { type RawClient, TestKv } from "../support.ts";

const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
const message = (channel: string, text: string) =>
  `*3\r\n${bulk("message")}${bulk(channel)}${bulk(text)}`;

/** Collects what is published on the bus of the daemon. */
function listen(kv: TestKv): string[] {
  const heard: string[] = [];
  kv.bus.observe(">", ({ subject, payloads: { bytes, starts, ends } }) => {
    for (let i = 0; i < ends.length; i++) {
      const text = new TextDecoder().decode(bytes.subarray(starts[i], ends[i]));
      heard.push(`${subject}: ${text}`);
    }
  });
  return heard;
}

function announce(kv: TestKv, subject: string, text: string): void {
  kv.bus.announce(Batch.ofPayload(subject, new TextEncoder().encode(text)));
}

/** Waits for the reply to a PING; returns everything received before it. */
async function receivedBy(client: RawClient): Promise<string> {
  await client.request("PING", "mark");
  let text = "";
  for (let reply = ""; !reply.endsWith(bulk("mark"));) text += reply = await client.reply();
  return text.slice(0, text.lastIndexOf(text.startsWith("*2") ? "*2" : "*2\r\n$4\r\npong"));
}

Deno.test("a channel that is a subject is on the bus; any other stays among Redis clients", async () => {
  await using kv = await TestKv.start();
  const heard = listen(kv);
  using publisher = await kv.connect();
  using subscriber = await kv.connect();
  const others = ["a..b", "*", ">", "a.*", ".", "a b", "a\r\nPUB x 1", "\xff", ""];
  for (const channel of ["a.b", "caf\xc3\xa9", ...others]) {
    await subscriber.ask("SUBSCRIBE", channel);
    assert.equal(await publisher.ask("PUBLISH", channel, "text"), ":1\r\n", channel);
    assert.equal(await subscriber.reply(), message(channel, "text"));
  }
  assert.deepEqual(heard, ["a.b: text", "café: text"]);
});

Deno.test("a subscriber receives what other protocols publish, line by line or whole", async () => {
  await using kv = await TestKv.start();
  using subscriber = await kv.connect();
  await subscriber.ask("SUBSCRIBE", "caf\xc3\xa9");
  const lines = { bytes: new TextEncoder().encode("one\ntwo\r\n"), ends: [4, 9] };
  await kv.bus.publish(Batch.ofLines("café", lines));
  await kv.bus.publish(Batch.ofPayload("café", new TextEncoder().encode("three\nlines")));
  for (const text of ["one", "two", "three\nlines"]) {
    assert.equal(await subscriber.reply(), message("caf\xc3\xa9", text));
  }
});

Deno.test("events reach clients of kv alone, and those of another service only if it admits them", async () => {
  for (const admitted of [[], ["task"]]) {
    await using kv = await TestKv.launch({}, { admitted });
    await kv.running.loaded;
    using subscriber = await kv.connect();
    await subscriber.ask("PSUBSCRIBE", "*");
    announce(kv, "task.default.put", "a job");
    announce(kv, "__keyevent@0__:set", "a key");
    const received = await receivedBy(subscriber);
    assert.equal(received.includes("a key"), true);
    assert.equal(received.includes("a job"), admitted.length > 0);
  }
});

Deno.test("clients cannot publish events, whatever the rest of the name", async () => {
  await using kv = await TestKv.start();
  const heard = listen(kv);
  using client = await kv.connect();
  using subscriber = await kv.connect();
  await subscriber.ask("PSUBSCRIBE", "*");
  const refused = "-ERR only events of the server itself appear on this channel\r\n";
  for (const channel of ["__keyspace@0__:a", "__keyevent@0__:a b", "task.x.put", "task..put"]) {
    assert.equal(await client.ask("PUBLISH", channel, "x"), refused);
    assert.equal(await client.ask("SPUBLISH", channel, "x"), refused);
    const script = "return redis.pcall('publish', ARGV[1], 'x')";
    assert.equal(await client.ask("EVAL", script, "0", channel), refused);
  }
  assert.equal(await receivedBy(subscriber), "");
  assert.deepEqual(heard, []);
});

Deno.test("messages of a script are sent once, and only if its changes take effect", async () => {
  await using kv = await TestKv.start({ script_timeout: "1s" });
  const heard = listen(kv);
  using client = await kv.connect();
  // It names no keys, so it runs again for each that it uses.
  const script = `for i = 1, 5 do redis.call('publish', 'x', i) redis.call('set', 'k' .. i, i) end`;
  await client.ask("EVAL", script, "0");
  assert.deepEqual(heard, ["x: 1", "x: 2", "x: 3", "x: 4", "x: 5"]);
  await client.ask("MULTI");
  await client.ask("EVAL", "redis.call('publish', 'x', 'in exec')", "0");
  assert.equal(heard.length, 5);
  await client.ask("EXEC");
  assert.equal(heard.at(-1), "x: in exec");
  const endless = "redis.call('publish', 'x', 'never') while true do end";
  assert.match(await client.ask("EVAL", endless, "0"), /^-ERR Script stopped/);
  const many = "for i = 1, 1001 do redis.call('publish', 'y', i) end";
  assert.match(await client.ask("EVAL", many, "0"), /^-ERR a script publishes too many messages/);
  assert.equal(heard.length, 1006, "what an error in a script leaves in place includes messages");
});

Deno.test("the numbers of channels, of patterns, and the lengths of names are limited", async () => {
  await using kv = await TestKv.start({ max_channels: 3, max_patterns: 1 });
  using client = await kv.connect();
  using other = await kv.connect();
  await client.ask("SUBSCRIBE", "a", "b", "c", "d");
  assert.equal(
    await client.reply() + await client.reply(),
    [
      `*3\r\n${bulk("subscribe")}${bulk("b")}:2\r\n`,
      `*3\r\n${bulk("subscribe")}${bulk("c")}:3\r\n`,
    ].join(""),
  );
  const tooMany = "-ERR a client can subscribe to at most 3 channels\r\n";
  assert.equal(await client.reply(), tooMany);
  assert.equal(await client.ask("SUBSCRIBE", "a"), `*3\r\n${bulk("subscribe")}${bulk("a")}:3\r\n`);
  assert.equal(await client.ask("PSUBSCRIBE", "a*"), tooMany);
  await client.ask("UNSUBSCRIBE", "a");
  assert.match(await client.ask("PSUBSCRIBE", "a*"), /^\*3/);
  assert.match(await other.ask("PSUBSCRIBE", "a*"), /^\*3/, "the same pattern again");
  const tooManyPatterns =
    "-ERR all clients together can subscribe to at most 1 different patterns\r\n";
  assert.equal(await other.ask("PSUBSCRIBE", "b*"), tooManyPatterns);
  await client.ask("PUNSUBSCRIBE", "a*");
  await other.ask("PUNSUBSCRIBE", "a*");
  assert.match(await other.ask("PSUBSCRIBE", "b*"), /^\*3/);
  assert.match(await other.ask("SUBSCRIBE", "x".repeat(2049)), /^-ERR the name of a channel can/);
  assert.match(await other.ask("PSUBSCRIBE", "x".repeat(257)), /^-ERR the name of a pattern can/);
});

Deno.test("a client that leaves or resets is subscribed to nothing", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  using watcher = await kv.connect();
  for (const leave of ["RESET", "QUIT"]) {
    await client.ask("SUBSCRIBE", "a");
    await client.ask("PSUBSCRIBE", "b*", "..");
    await client.reply();
    await client.ask("SSUBSCRIBE", "s");
    assert.match(
      await watcher.ask("CLIENT", "LIST", "TYPE", "pubsub"),
      / flags=P .* sub=1 psub=2 ssub=1 /,
    );
    await client.ask(leave);
    await until(`nothing is left after ${leave}`, () => kv.bus.subscriptions === 0);
    assert.equal(await watcher.ask("PUBSUB", "NUMPAT"), ":0\r\n");
    assert.equal(await watcher.ask("PUBSUB", "CHANNELS"), "*0\r\n");
  }
});

Deno.test("a long reply of a subscriber is not interrupted by messages", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  using publisher = await kv.connect();
  await client.ask("HELLO", "3");
  await client.ask("SET", "long", "x".repeat(3_000_000));
  await client.ask("SUBSCRIBE", "a");
  await client.request("GET", "long");
  for (let round = 0; round < 20; round++) await publisher.ask("PUBLISH", "a", `${round}`);
  await client.request("PING");
  const replies: string[] = [];
  while (replies.at(-1) !== "+PONG\r\n") replies.push(await client.reply());
  assert.equal(replies.length, 22);
  assert.equal(replies.filter((reply) => reply.startsWith("$3000000\r\n")).length, 1);
  const numbers = replies.filter((reply) => reply.startsWith(">"))
    .map((reply) => reply.split("\r\n").at(-2));
  assert.deepEqual(numbers, Array.from({ length: 20 }, (_, round) => String(round)));
});

Deno.test("a subscriber that does not read loses messages, and others wait for it once", async () => {
  await using kv = await TestKv.start({ queue: 2, slow_after: "50ms" });
  using deaf = await kv.connect();
  using reader = await kv.connect();
  using publisher = await kv.connect();
  await deaf.ask("SUBSCRIBE", "a");
  await reader.ask("SUBSCRIBE", "a");
  const payload = "x".repeat(1_000_000);
  const count = 20;
  for (let sent = 0; sent < count; sent++) {
    assert.equal(await publisher.ask("PUBLISH", "a", payload), ":2\r\n");
    assert.equal((await reader.reply()).length, message("a", payload).length);
  }
  await until("the client is called slow", () => kv.log.matching("Client is slow").length === 1);
  assert.ok(
    kv.running.metrics().some(({ name, samples }) =>
      name === "kv_dropped_messages_total" && (samples?.[0] as { value: number }).value > 0
    ),
  );
});

Deno.test("a message that waits for space is sent as the kind of subscription says, even after its end", async () => {
  const bus = new Bus();
  const channels = new Channels(bus, new Bus(), { maxClientChannels: 10, maxPatterns: 10 });
  const { reader } = new TestSubscriber();
  const client = new SubscribedClient(channels, {
    reader: () => reader,
    holdMessages: () => {},
    protocol: () => 2,
    hears: () => true,
    metrics: new PublisherMetrics(),
  });
  for (const [kind, word] of [["shard", "smessage"], ["channel", "message"]] as const) {
    const encode = client.encode.bind(client);
    let encodeAgain: (() => string) | undefined;
    client.encode = (batch: Batch, subscription: Subscription) => {
      encodeAgain = () => new TextDecoder().decode(encode(batch, subscription).bytes);
      return encode(batch, subscription);
    };
    client.subscribe(kind, "s");
    await bus.publish(Batch.ofPayload("s", new TextEncoder().encode("text")));
    client.unsubscribe(kind, "s");
    assert.equal(encodeAgain!(), `*3\r\n${bulk(word)}${bulk("s")}${bulk("text")}`);
  }
});

Deno.test("in RESP3, the replies to earlier commands come before a client's own message", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.ask("HELLO", "3");
  const own = (text: string) => `>3\r\n${bulk("message")}${bulk("a")}${bulk(text)}`;
  const requests = [
    ["SUBSCRIBE", "a"],
    ["GET", "x"],
    ["PUBLISH", "a", "one"],
    ["PUBLISH", "a", "two"],
    ["SET", "x", "1"],
    ["SPUBLISH", "a", "three"],
    ["GET", "x"],
    ["EVAL", "return redis.call('publish','a','four')", "0"],
    ["GET", "x"],
    // The first one waited for the interpreter to start.
    ["EVAL", "return redis.call('publish','a','more')", "0"],
    ["MULTI"],
    ["PUBLISH", "a", "five"],
    ["EXEC"],
    ["PING", "mark"],
  ];
  const encoded = requests.map((words) => `*${words.length}\r\n${words.map(bulk).join("")}`);
  await client.send(encoded.join(""));
  let text = "";
  while (!text.endsWith(bulk("mark"))) text += await client.reply();
  const expected = [
    `>3\r\n${bulk("subscribe")}${bulk("a")}:1\r\n`,
    `_\r\n${own("one")}:1\r\n`,
    `${own("two")}:1\r\n+OK\r\n`,
    `${own("three")}:1\r\n${bulk("1")}`,
    `${own("four")}:1\r\n${bulk("1")}`,
    `${own("more")}:1\r\n`,
    `+OK\r\n+QUEUED\r\n${own("five")}*1\r\n:1\r\n`,
    bulk("mark"),
  ];
  assert.equal(text, expected.join(""));
});
