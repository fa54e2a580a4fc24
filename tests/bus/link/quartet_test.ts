/** Several daemons on one bus, through the NATS port of a quartet. */

import assert from "node:assert/strict";
import { Batch } from "../../../lib/bus/batch.ts";
import { Bus } from "../../../lib/bus/bus.ts";
import { TestClient } from "../../support/client.ts";
import { until } from "../../support/within.ts";
import { startNats } from "../../echo/nats/support.ts";
import { lines, TestSubscriber } from "../support.ts";
import { LinkedDaemon } from "./support.ts";

Deno.test("NatsLink: three daemons share one bus through a quartet", async () => {
  await using hub = await startNats();
  await using a = await LinkedDaemon.start(hub.port);
  await using b = await LinkedDaemon.start(hub.port);
  await using c = await LinkedDaemon.start(hub.port);
  const daemons = [a, b, c];
  const subscribers = daemons.map(({ bus }) => {
    const [all, member] = [new TestSubscriber(), new TestSubscriber()];
    bus.subscribe("echo", all);
    bus.subscribe("*", member, { group: "g" });
    return { all, member };
  });
  for (const daemon of daemons) await daemon.subscribed();
  using client = await TestClient.connect(hub.lines);
  await client.send("from the hub\n");
  assert.equal(await client.line(), "from the hub\n");
  for (const [i, { bus }] of daemons.entries()) {
    for (let n = 0; n < 20; n++) await bus.publish(lines("echo", [`${i} ${n}`]));
  }
  const expected = ["from the hub"];
  for (let i = 0; i < 3; i++) for (let n = 0; n < 20; n++) expected.push(`${i} ${n}`);
  await until("all have all", () => subscribers.every(({ all }) => all.lines.length === 61));
  for (const { all } of subscribers) assert.deepEqual(all.lines.toSorted(), expected.toSorted());
  const shared = () =>
    subscribers.flatMap(({ member }) => member.lines).filter((line) => line !== "");
  await until("the group has all", () => shared().length >= 61);
  assert.deepEqual(shared().sort(), expected.toSorted());
  for (const line of expected.slice(1)) assert.equal(await client.line(), `${line}\n`);
  // A request that nobody hears.
  const requester = subscribers[0]!.all;
  a.bus.subscribe("inbox", requester);
  const before = requester.lines.length;
  const options = { reply: "inbox", origin: requester, wantsStatus: true };
  await a.bus.publish(Batch.ofPayload("nobody.there", new Uint8Array(1), options));
  assert.equal(requester.lines.length, before + 1);
});

Deno.test("NatsLink: a quartet that is linked itself is refused, so nothing goes in circles", async () => {
  const bus = new Bus();
  await using hub = await startNats({}, { bus });
  await using end = await startNats();
  await using further = await LinkedDaemon.start(end.port);
  bus.connect(() => further.link);
  await using daemon = new LinkedDaemon(hub.port, { timeoutMs: 100 });
  await until("it is refused", () => /circles/.test(daemon.bus.problems().join()));
  await assert.rejects(async () => await daemon.bus.publish(lines("s", ["x"])), /circles/);
});
