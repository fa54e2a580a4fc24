import assert from "node:assert/strict";
import { Bus } from "../../lib/bus/bus.ts";
import { BusUnavailableError } from "../../lib/bus/errors.ts";
import { Publisher, PublisherMetrics } from "../../lib/bus/publisher.ts";
import { within } from "../support/within.ts";
import { FakeConnection, lines, TestSubscriber } from "./support.ts";

Deno.test("Publisher: one client's messages keep their order over all subjects", async () => {
  const bus = new Bus();
  const metrics = new PublisherMetrics();
  const publisher = new Publisher(bus, { metrics, failed: () => assert.fail() });
  const stuck = new TestSubscriber(new FakeConnection(), { queue: 1, slow_after: 60_000 });
  const all = new TestSubscriber();
  bus.subscribe("a", stuck);
  bus.subscribe(">", all);
  for (const [i, subject] of ["a", "a", "a", "b", "b", "a"].entries()) {
    assert.equal(publisher.publish(lines(subject, [`${i}`])), undefined);
  }
  for (let i = 0; i < 4; i++) await stuck.connection.take();
  await within(60_000, "the publisher", publisher.settled());
  assert.deepEqual((await all.settle()).lines, ["0", "1", "2", "3", "4", "5"]);
  assert.deepEqual([metrics.messages, metrics.duration.count], [6, 6]);
  stuck.connection.close();
});

Deno.test("Publisher: a message that cannot be published is reported, and the next one is tried", async () => {
  const error = new BusUnavailableError("away");
  const published: number[] = [];
  class BrokenBus extends Bus {
    override publish({ count }: { count: number }): Promise<void> {
      published.push(count);
      return count === 1 ? Promise.reject(error) : Promise.resolve();
    }
  }
  const failed: number[] = [];
  const metrics = new PublisherMetrics();
  const publisher = new Publisher(new BrokenBus(), {
    metrics,
    failed: ({ count }, cause) => {
      assert.equal(cause, error);
      failed.push(count);
    },
  });
  publisher.publish(lines("a", ["1"]));
  publisher.publish(lines("b", ["1", "2"]));
  publisher.publish(lines("c", ["1"]));
  await within(60_000, "the publisher", publisher.settled());
  assert.deepEqual([published, failed], [[1, 2, 1], [1, 1]]);
  assert.deepEqual([metrics.messages, metrics.duration.count], [4, 2]);
});
