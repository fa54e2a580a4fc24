import assert from "node:assert/strict";
import { Bus } from "../../lib/bus/bus.ts";
import { ON_FULL } from "../../lib/bus/reader.ts";
import { within } from "../support/within.ts";
import { FakeConnection, lines, TestSubscriber } from "./support.ts";

/** What a slow client with a queue of two gets of six messages. */
const KEPT = { drop: ["0", "1", "2"], drop_oldest: ["0", "4", "5"], close: ["0"] };

for (const on_full of ON_FULL) {
  Deno.test(`Reader: on_full = "${on_full}" decides what a slow client loses`, async () => {
    const bus = new Bus();
    const stuck = new TestSubscriber(new FakeConnection(), { queue: 2, slow_after: 1, on_full });
    bus.subscribe("a", stuck);
    for (let i = 0; i < 6; i++) {
      await within(60_000, "the message", Promise.resolve(bus.publish(lines("a", [`${i}`]))));
    }
    await stuck.connection.take();
    assert.deepEqual(stuck.lines, KEPT[on_full]);
    assert.equal(stuck.connection.closed, on_full === "close");
    assert.equal(stuck.log.matching("Client is slow").length, 1);
  });
}
