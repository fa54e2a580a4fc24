import assert from "node:assert/strict";
import type { Batch } from "../../lib/bus/batch.ts";
import { Bus } from "../../lib/bus/bus.ts";
import { BusUnavailableError } from "../../lib/bus/errors.ts";
import { Publisher, PublisherMetrics, READ_AHEAD_MAX_BYTES } from "../../lib/bus/publisher.ts";
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

/** A bus on which every message waits until the test lets it go on. */
class HeldBus extends Bus {
  readonly published: string[] = [];
  #held = Promise.withResolvers<void>();

  override publish({ lines: { bytes } }: Batch): Promise<void> {
    this.published.push(new TextDecoder().decode(bytes));
    return this.#held.promise;
  }

  async release(): Promise<void> {
    this.#held.resolve();
    this.#held = Promise.withResolvers();
    for (let turns = 0; turns < 10; turns++) await Promise.resolve();
  }
}

Deno.test("Publisher.after(): actions keep their place among messages that wait", async () => {
  const bus = new HeldBus();
  const metrics = new PublisherMetrics();
  const publisher = new Publisher(bus, { metrics, failed: () => assert.fail() });
  const act = (name: string) => publisher.after(() => void bus.published.push(name));
  assert.equal(act("at once"), undefined);
  assert.deepEqual(bus.published, ["at once"]);
  publisher.publish(lines("a", ["1"]));
  assert.equal(act("second"), undefined);
  publisher.publish(lines("a", ["2"]));
  publisher.publish(lines("a", ["3"]));
  act("third");
  act("fourth");
  assert.deepEqual(bus.published, ["at once", "1\n"]);
  await bus.release();
  assert.deepEqual(bus.published, ["at once", "1\n", "second", "2\n3\n"]);
  await bus.release();
  await within(60_000, "the publisher", publisher.settled());
  assert.deepEqual(bus.published, ["at once", "1\n", "second", "2\n3\n", "third", "fourth"]);
  act("later");
  assert.equal(bus.published.at(-1), "later");
});

Deno.test("Publisher.after(): so many waiting actions stop the reading of the client", async () => {
  const bus = new HeldBus();
  const metrics = new PublisherMetrics();
  const publisher = new Publisher(bus, { metrics, failed: () => assert.fail() });
  publisher.publish(lines("a", ["1"]));
  let done = 0;
  let asked = 1;
  while (publisher.after(() => void done++) === undefined) asked++;
  assert.ok(asked > 100 && asked <= READ_AHEAD_MAX_BYTES / 256, `${asked} actions`);
  const wait = publisher.after(() => void done++);
  assert.ok(wait !== undefined);
  await bus.release();
  await within(60_000, "the client is read again", wait);
  await publisher.settled();
  assert.equal(done, asked + 1);
});
