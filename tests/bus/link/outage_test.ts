/** What happens to messages while nats-server is dead, frozen or restarted. */

import assert from "node:assert/strict";
import { BusUnavailableError } from "../../../lib/bus/errors.ts";
import { freeze } from "../../support/freeze.ts";
import { hasNatsServer, startNatsServer } from "../../support/nats_server.ts";
import { signal } from "../../support/signal.ts";
import { until, within } from "../../support/within.ts";
import { lines, TestSubscriber } from "../support.ts";
import { LinkedDaemon } from "./support.ts";

const ignore = !await hasNatsServer();

/** Publishes numbers until it is told to stop, and keeps account of what became of each. */
class Stream {
  readonly confirmed: string[] = [];
  readonly failed: string[] = [];
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(daemon: LinkedDaemon, name: string) {
    this.#running = this.#run(daemon, name);
  }

  async #run({ bus }: LinkedDaemon, name: string): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      const line = `${name} ${n}`;
      try {
        await bus.publish(lines("s", [line]));
        this.confirmed.push(line);
      } catch (error) {
        assert.ok(error instanceof BusUnavailableError, String(error));
        this.failed.push(line);
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await within(60_000, "the last message", this.#running);
  }
}

/** Asserts that nothing confirmed is missing, nothing came twice, and the order is right. */
function check(stream: Stream, name: string, { lines }: TestSubscriber): void {
  const received = lines.filter((line) => line.startsWith(`${name} `));
  assert.equal(new Set(received).size, received.length, "nothing came twice");
  const missing = new Set(stream.confirmed).difference(new Set(received));
  assert.deepEqual([...missing], [], "nothing that was confirmed is missing");
  const numbers = received.map((line) => Number(line.split(" ")[1]));
  assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b), "the sender's order");
}

Deno.test({
  name:
    "NatsLink: while nats-server is dead publishers get errors, and no message is lost silently",
  ignore,
  fn: async () => {
    let server = await startNatsServer();
    try {
      await using a = await LinkedDaemon.start(server.port, { timeoutMs: 300 });
      await using b = await LinkedDaemon.start(server.port, { timeoutMs: 300 });
      // Its own messages come back before they are confirmed; those of b may come later.
      const atA = new TestSubscriber();
      a.bus.subscribe("s", atA);
      await a.subscribed();
      const streams = [new Stream(a, "a"), new Stream(b, "b")] as const;
      for (let round = 0; round < 2; round++) {
        const goal = streams.map(({ confirmed }) => confirmed.length + 20);
        await until(
          "some get through",
          () => streams.every(({ confirmed }, i) => confirmed.length >= goal[i]!),
        );
        const failures = streams.map(({ failed }) => failed.length);
        await server[Symbol.asyncDispose]();
        await until(
          "some fail",
          () => streams.every(({ failed }, i) => failed.length > failures[i]!),
        );
        assert.match(a.bus.problems().join(), /NATS/);
        assert.equal(a.metric("bus_link_up"), 0);
        server = await startNatsServer("", server.port);
        await Promise.all([a.connected(), b.connected()]);
      }
      const goal = streams[1].confirmed.length + 20;
      await until("some get through again", () => streams[1].confirmed.length >= goal);
      await Promise.all(streams.map((stream) => stream.stop()));
      check(streams[0], "a", atA);
      const last = streams[1].confirmed.at(-1)!;
      await until("the last one has crossed", () => atA.lines.includes(last));
      assert.ok(a.metric("bus_link_failed_messages_total") >= streams[0].failed.length);
      assert.ok(a.metric("bus_link_connections_total") >= 3);
      assert.equal(a.log.matching("The connection to NATS is lost").length, 2);
    } finally {
      await server[Symbol.asyncDispose]();
    }
  },
});

Deno.test({
  name: "NatsLink: a frozen nats-server delays publishers by bus_timeout, and nothing comes twice",
  ignore,
  fn: async () => {
    await using server = await startNatsServer();
    await using a = await LinkedDaemon.start(server.port, { timeoutMs: 200 });
    await using b = await LinkedDaemon.start(server.port, { timeoutMs: 200 });
    const [atA, atB] = [new TestSubscriber(), new TestSubscriber()];
    a.bus.subscribe("s", atA);
    b.bus.subscribe("s", atB);
    await a.subscribed();
    await b.subscribed();
    const stream = new Stream(a, "a");
    await until("some get through", () => stream.confirmed.length >= 20);
    await freeze(server.child);
    const start = performance.now();
    await until("some fail", () => stream.failed.length >= 3);
    assert.ok(performance.now() - start >= 400, "each waits for its time");
    assert.deepEqual(a.bus.problems(), ["NATS does not answer"]);
    signal(server.child, "SIGCONT");
    const goal = stream.confirmed.length + 20;
    await until("some get through again", () => stream.confirmed.length >= goal);
    assert.deepEqual(a.bus.problems(), []);
    await stream.stop();
    const last = stream.confirmed.at(-1)!;
    await until("the last one has crossed", () => atB.lines.includes(last));
    check(stream, "a", atA);
    check(stream, "a", atB);
    // Only the first that failed was sent; those after it were not, so they cannot come late.
    const late = stream.failed.filter((line) => atB.lines.includes(line));
    assert.ok(late.length <= 1, `${late}`);
  },
});

Deno.test({
  name: "NatsLink: a publisher that waits gets through if NATS comes back in time",
  ignore,
  fn: async () => {
    const server = await startNatsServer();
    await using a = await LinkedDaemon.start(server.port, { timeoutMs: 30_000 });
    const atA = new TestSubscriber();
    a.bus.subscribe("s", atA);
    await server[Symbol.asyncDispose]();
    await until("the loss shows", () => a.bus.problems().length > 0);
    const publishing = a.bus.publish(lines("s", ["1", "2"]));
    assert.ok(publishing !== undefined);
    await using _again = await startNatsServer("", server.port);
    await within(60_000, "the message", publishing);
    assert.deepEqual(atA.lines, ["1", "2"]);
  },
});
