import assert from "node:assert/strict";
import { delay } from "@std/async/delay";
import { Batch } from "../../lib/bus/batch.ts";
import { Bus } from "../../lib/bus/bus.ts";
import { SubscriptionLimitError } from "../../lib/bus/errors.ts";
import { within } from "../support/within.ts";
import { FakeConnection, lines, messages, readsAtOnce, TestSubscriber } from "./support.ts";

const decoder = new TextDecoder();

function numbers(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => String(from + i));
}

Deno.test("Bus: a message reaches every subscription that matches, once each", async () => {
  const bus = new Bus();
  const [all, some, none] = [new TestSubscriber(), new TestSubscriber(), new TestSubscriber()];
  bus.subscribe(">", all);
  bus.subscribe("a.b", some);
  bus.subscribe("a.*", some);
  bus.subscribe("a", none);
  assert.equal(bus.publish(lines("a.b", ["1", "2"])), undefined);
  assert.deepEqual((await all.settle()).lines, ["1", "2"]);
  assert.deepEqual((await some.settle()).lines.sort(), ["1", "1", "2", "2"]);
  assert.deepEqual(none.lines, []);
  assert.equal(bus.audience("a.b"), 3);
  assert.equal(bus.isHeard("a.b.c"), true);
});

Deno.test("Bus: subscribers that were away and came back get what comes after", async () => {
  const bus = new Bus();
  const subscriber = new TestSubscriber();
  const first = bus.subscribe("a", subscriber);
  bus.publish(lines("a", ["1"]));
  first.unsubscribe();
  first.unsubscribe();
  bus.publish(lines("a", ["2"]));
  assert.deepEqual([bus.subscriptions, subscriber.subscriptions, bus.interests], [0, 0, 0]);
  bus.subscribe("a", subscriber);
  bus.publish(lines("a", ["3"]));
  assert.deepEqual((await subscriber.settle()).lines, ["1", "3"]);
});

Deno.test("Bus: each message goes to one member of a queue group", async () => {
  const bus = new Bus();
  const members = Array.from({ length: 4 }, () => new TestSubscriber());
  for (const member of members) bus.subscribe("a.*", member, { group: "g" });
  const other = new TestSubscriber();
  bus.subscribe("a.*", other, { group: "h" });
  const plain = new TestSubscriber();
  bus.subscribe("a.b", plain);
  for (let i = 0; i < 200; i++) await bus.publish(lines("a.b", [`single ${i}`]));
  await bus.publish(lines("a.b", numbers(10)));
  const got = await Promise.all(members.map(async (member) => (await member.settle()).lines));
  const expected = [...numbers(200).map((i) => `single ${i}`), ...numbers(10)];
  assert.deepEqual(got.flat().sort(), expected.toSorted());
  for (const own of got) {
    assert.ok(own.length > 20, `${own.length} messages`);
    const dealt = own.filter((line) => !line.startsWith("single"));
    assert.ok(dealt.length >= 1 && dealt.length <= 3, `${dealt.length} of a batch of 10`);
  }
  assert.deepEqual((await other.settle()).lines, expected);
  assert.deepEqual((await plain.settle()).lines, expected);
  assert.equal(bus.audience("a.b"), 3);
});

Deno.test("Bus: a queue group passes over members that are slow or gone", async () => {
  const bus = new Bus();
  const stuck = new TestSubscriber(new FakeConnection(), { queue: 1, slow_after: 1 });
  bus.subscribe("a", stuck, { group: "g" });
  await bus.publish(lines("a", ["1"]));
  await bus.publish(lines("a", ["2", "3"]));
  assert.ok(stuck.reader.outbox.slow);
  const good = new TestSubscriber();
  bus.subscribe("a", good, { group: "g" });
  const gone = new TestSubscriber();
  bus.subscribe("a", gone, { group: "g" });
  gone.connection.close();
  for (const number of numbers(50)) bus.publish(lines("a", [number]));
  assert.deepEqual((await good.settle()).lines, numbers(50));
  stuck.connection.close();
});

Deno.test("Bus: a subscription ends after its maximum of messages", async () => {
  const bus = new Bus();
  const subscriber = new TestSubscriber();
  const three = bus.subscribe("a", subscriber, { maxMessages: 3 });
  bus.publish(lines("a", ["1", "2"]));
  bus.publish(lines("a", ["3", "4"]));
  bus.publish(lines("a", ["5"]));
  assert.deepEqual((await subscriber.settle()).lines, ["1", "2", "3"]);
  assert.deepEqual(subscriber.over, [three]);
  const two = bus.subscribe("a", subscriber);
  bus.publish(lines("a", ["6"]));
  two.limit(2);
  bus.publish(lines("a", ["7"]));
  bus.publish(lines("a", ["8"]));
  assert.deepEqual((await subscriber.settle()).lines, ["1", "2", "3", "6", "7"]);
  const late = bus.subscribe("a", subscriber);
  bus.publish(lines("a", ["9"]));
  late.limit(1);
  assert.equal(late.ended, true);
  assert.deepEqual([bus.subscriptions, bus.interests], [0, 0]);
});

Deno.test("Bus: the maximum holds for members of a queue group too", async () => {
  const bus = new Bus();
  const [one, rest] = [new TestSubscriber(), new TestSubscriber()];
  bus.subscribe("a", one, { group: "g", maxMessages: 1 });
  bus.subscribe("a", rest, { group: "g" });
  for (const number of numbers(50)) bus.publish(lines("a", [number]));
  bus.publish(lines("a", numbers(50, 50)));
  await Promise.all([one.settle(), rest.settle()]);
  assert.equal(one.lines.length, 1);
  assert.deepEqual([...one.lines, ...rest.lines].sort(), numbers(100).sort());
});

Deno.test("Bus: what a member of a queue group may not take of a batch goes to the others", async () => {
  const bus = new Bus();
  const [one, rest] = [new TestSubscriber(), new TestSubscriber()];
  bus.subscribe("a", one, { group: "g", maxMessages: 3 });
  bus.subscribe("a", rest, { group: "g" });
  bus.publish(lines("a", numbers(50)));
  await Promise.all([one.settle(), rest.settle()]);
  assert.equal(one.lines.length, 3);
  assert.deepEqual([...one.lines, ...rest.lines].sort(), numbers(50).sort());
});

Deno.test("Bus: a subscriber may ask not to hear itself", async () => {
  const bus = new Bus();
  const [self, other] = [new TestSubscriber(), new TestSubscriber()];
  self.echo = false;
  bus.subscribe("a", self);
  bus.subscribe("a", self, { group: "g" });
  bus.subscribe("a", other);
  bus.publish(lines("a", ["own"], self));
  bus.publish(lines("a", ["other's"], other));
  assert.deepEqual((await self.settle()).lines, ["other's", "other's"]);
  assert.deepEqual((await other.settle()).lines, ["own", "other's"]);
});

Deno.test("Bus: events reach only those who may hear the service, whatever their pattern", async () => {
  const bus = new Bus();
  const [admitted, stranger] = [new TestSubscriber(), new TestSubscriber()];
  admitted.services = ["kv"];
  for (const subscriber of [admitted, stranger]) {
    bus.subscribe(">", subscriber);
    bus.subscribe("__keyspace@0__:k", subscriber);
    bus.subscribe("__keyspace@0__:k", subscriber, { group: "g" });
    bus.subscribe("*", subscriber, { selects: () => true });
  }
  bus.announce(lines("__keyspace@0__:k", ["set"]));
  bus.announce(lines("task.default.done", ["{}"]));
  // Even if a door lets it pass.
  bus.publish(lines("task.default.done", ["{}"]));
  assert.deepEqual((await admitted.settle()).lines, Array(4).fill("set"));
  assert.deepEqual((await stranger.settle()).lines, []);
  assert.ok(bus.isReserved("task.default.done") && !bus.isReserved("tasks"));
});

Deno.test("Bus: a request that nobody hears is answered with a status, if that is wanted", async () => {
  const bus = new Bus();
  const [client, other] = [new TestSubscriber(), new TestSubscriber()];
  const got: { headers: string; reply: string | undefined }[] = [];
  client.encode = (batch) => {
    got.push({ headers: decoder.decode(batch.headers), reply: batch.reply });
    return messages("");
  };
  bus.subscribe("inbox.1", client, { maxMessages: 1 });
  bus.subscribe("inbox.*", other);
  const options = { reply: "inbox.1", origin: client };
  const request = (options: object) => Batch.ofPayload("service", new Uint8Array(1), options);
  bus.publish(request(options));
  assert.deepEqual(got, [], "not wanted");
  const listener = bus.subscribe("service", other);
  bus.publish(request({ ...options, wantsStatus: true }));
  assert.deepEqual(got, [], "heard");
  listener.unsubscribe();
  bus.publish(request({ ...options, wantsStatus: true }));
  assert.deepEqual(got, [{ headers: "NATS/1.0 503\r\n\r\n", reply: undefined }]);
  assert.equal(client.over.length, 0, "the status is no message, as in nats-server");
  assert.deepEqual((await other.settle()).lines.length, 1, "the status is for the publisher alone");
});

Deno.test("Bus: announcing never waits, and what does not fit is dropped and counted", async () => {
  const bus = new Bus();
  const stuck = new TestSubscriber(new FakeConnection(), { queue: 10, slow_after: 60_000 });
  stuck.services = ["task"];
  bus.subscribe("task.>", stuck);
  for (let i = 0; i < 20; i++) bus.announce(lines("task.a.put", [String(i)]));
  assert.equal(stuck.reader.dropped, 9);
  await stuck.connection.take();
  assert.deepEqual(stuck.lines, numbers(11));
});

Deno.test("Bus: subscriptions have a limit per client and in all", () => {
  const bus = new Bus({ maxClientSubscriptions: 2, maxSubscriptions: 3 });
  const [a, b] = [new TestSubscriber(), new TestSubscriber()];
  bus.subscribe("1", a);
  const second = bus.subscribe("2", a);
  assert.throws(() => bus.subscribe("3", a), SubscriptionLimitError);
  bus.subscribe("1", b);
  assert.throws(() => bus.subscribe("2", b), SubscriptionLimitError);
  second.unsubscribe();
  bus.subscribe("2", b);
  assert.deepEqual([a.subscriptions, b.subscriptions, bus.subscriptions], [1, 2, 3]);
});

Deno.test("Bus: observers see each batch once, until they stop", () => {
  const bus = new Bus();
  const seen: number[] = [];
  const stop = bus.observe("a", ({ count }) => seen.push(count));
  bus.publish(lines("a", ["1", "2"]));
  bus.publish(lines("b", ["1"]));
  stop();
  stop();
  bus.publish(lines("a", ["3"]));
  assert.deepEqual([seen, bus.interests], [[2], 0]);
});

Deno.test("Bus: all subscribers see one order, whatever their speed", async () => {
  const bus = new Bus();
  const slow = { slow_after: 15, queue: 20 };
  const pausing = () => new FakeConnection(() => delay(Math.random() * 4));
  const subscribers = [
    new TestSubscriber(readsAtOnce(), slow),
    ...Array.from({ length: 3 }, () => new TestSubscriber(pausing(), slow)),
    new TestSubscriber(new FakeConnection(), slow),
    new TestSubscriber(new FakeConnection(() => delay(40)), { ...slow, on_full: "drop_oldest" }),
    new TestSubscriber(new FakeConnection(), { ...slow, on_full: "close" }),
  ];
  for (const subscriber of subscribers) bus.subscribe(Math.random() < 0.5 ? "a" : ">", subscriber);
  await within(
    60_000,
    "all publishers",
    Promise.all(
      numbers(4).map(async (publisher) => {
        for (let n = 0; n < 300; n += 10) {
          await bus.publish(lines("a", numbers(10, n).map((n) => `${publisher} ${n}`)));
        }
      }),
    ),
  );
  const [, ...others] = subscribers;
  const order = (await subscribers[0]!.settle()).lines;
  assert.equal(order.length, 1200);
  for (const publisher of numbers(4)) {
    const own = order.filter((line) => line.startsWith(`${publisher} `));
    assert.deepEqual(own, numbers(300).map((n) => `${publisher} ${n}`));
  }
  await Promise.all(others.slice(0, 3).map((subscriber) => subscriber.settle()));
  const place = new Map(order.map((line, i) => [line, i]));
  for (const [i, { lines, reader }] of others.entries()) {
    const places = lines.map((line) => place.get(line)!);
    assert.deepEqual(places, places.toSorted((a, b) => a - b), `subscriber ${i}`);
    if (i < 3) assert.deepEqual([lines.length, reader.dropped], [1200, 0]);
    else assert.ok(reader.dropped > 0);
  }
  for (const { connection } of others) connection.close();
});

Deno.test("Bus: a subject does not wait for the slow reader of another", async () => {
  const bus = new Bus();
  const stuck = new TestSubscriber(new FakeConnection(), { queue: 1, slow_after: 60_000 });
  const good = new TestSubscriber();
  bus.subscribe("a", stuck);
  bus.subscribe("b", good);
  bus.publish(lines("a", ["1"]));
  const waits = bus.publish(lines("a", ["2", "3"]));
  assert.ok(waits !== undefined);
  assert.equal(bus.publish(lines("b", ["1"])), undefined);
  stuck.connection.close();
  await within(60_000, "the closed reader", waits);
  await within(60_000, "everything", bus.settled());
});

Deno.test("Bus: many subscriptions are served in turns, in one order", async () => {
  const bus = new Bus();
  const subscriber = new TestSubscriber(readsAtOnce(), { queue: 1_000_000 });
  const subscriptions = numbers(30_000).map(() => bus.subscribe("a", subscriber));
  let turns = 0;
  const clock = setInterval(() => turns++, 0);
  const first = bus.publish(lines("a", ["1"]));
  const second = bus.publish(lines("a", ["2"]));
  const late = new TestSubscriber();
  bus.subscribe("a", late);
  assert.ok(first !== undefined && second !== undefined);
  await within(60_000, "both", Promise.all([first, second]));
  const { lines: got } = await subscriber.settle();
  assert.deepEqual(got, [...Array(30_000).fill("1"), ...Array(30_000).fill("2")]);
  assert.deepEqual((await late.settle()).lines, ["2"], "it came after the first");
  const published = turns;
  await within(60_000, "the end", bus.unsubscribe(subscriptions));
  clearInterval(clock);
  assert.ok(published > 0, "others had turns");
  assert.deepEqual([bus.subscriptions, bus.interests, subscriber.subscriptions], [1, 1, 0]);
});

Deno.test("Bus: who leaves while many are served in turns takes nothing from the others", async () => {
  const bus = new Bus();
  const [leaving, staying] = [new TestSubscriber(), new TestSubscriber()];
  let served = 0;
  for (const subscriber of [leaving, staying]) {
    subscriber.encode = () => {
      if (subscriber === staying) served++;
      return messages();
    };
  }
  const first = numbers(2000).map(() => bus.subscribe("a", leaving));
  for (let i = 0; i < 60_000; i++) bus.subscribe("a", staying);
  const publishing = bus.publish(lines("a", ["1"]));
  assert.ok(publishing !== undefined && served < 60_000);
  await bus.unsubscribe(first);
  await within(60_000, "the rest", publishing);
  assert.equal(served, 60_000);
});

Deno.test("Bus: messages that do not fit into an outbox are not encoded before they do", async () => {
  const bus = new Bus();
  const connection = new FakeConnection();
  const subscriber = new TestSubscriber(connection, { queue: 10, slow_after: 60_000 });
  let encoded = 0;
  subscriber.encode = () => {
    encoded++;
    return messages("x\n");
  };
  for (let i = 0; i < 2000; i++) bus.subscribe("a", subscriber, { name: `${i}` });
  const published = bus.publish(lines("a", ["1"]));
  assert.ok(published);
  for (let i = 0; i < 10; i++) await delay(0);
  assert.ok(encoded <= 50, `${encoded} messages were encoded`);
  connection.close();
  await within(60_000, "the batch to be handed out", published as Promise<void>);
});

Deno.test("Bus: a queue group with several patterns gets a message that matches them once", async () => {
  const bus = new Bus();
  const members = [new TestSubscriber(), new TestSubscriber(), new TestSubscriber()];
  for (const [i, pattern] of ["a.*", "a.b", ">"].entries()) {
    bus.subscribe(pattern, members[i]!, { group: "g" });
  }
  const other = new TestSubscriber();
  bus.subscribe("a.b", other, { group: "h" });
  assert.equal(bus.audience("a.b"), 2);
  for (const number of numbers(50)) bus.publish(lines("a.b", [number]));
  for (const member of [...members, other]) await member.settle();
  assert.deepEqual(
    members.flatMap((member) => member.lines).sort((a, b) => Number(a) - Number(b)),
    numbers(50),
  );
  assert.deepEqual(other.lines, numbers(50));
});

Deno.test("Bus.report() has the busiest subjects and the patterns with most subscribers", async () => {
  const bus = new Bus();
  for (let i = 0; i < 300; i++) bus.subscribe(`own.${i}`, new TestSubscriber());
  for (let i = 0; i < 3; i++) bus.subscribe("a.*", new TestSubscriber());
  bus.subscribe("a.b", new TestSubscriber(), { group: "workers" });
  bus.subscribe("a.b", new TestSubscriber(), { group: "workers" });
  bus.publish(lines("a.b", numbers(5)));
  bus.publish(lines("x".repeat(300), numbers(9)));
  const { subjects, patterns, totalPatterns } = await bus.report();
  assert.deepEqual(subjects, [
    { subject: `${"x".repeat(200)}…`, messages: 9, subscribers: 0 },
    { subject: "a.b", messages: 5, subscribers: 5 },
  ]);
  assert.equal(totalPatterns, 302);
  assert.equal(patterns.length, 100);
  assert.deepEqual(patterns.slice(0, 3), [
    { pattern: "a.*", group: "", subscribers: 3 },
    { pattern: "a.b", group: "workers", subscribers: 2 },
    { pattern: "own.0", group: "", subscribers: 1 },
  ]);
});
