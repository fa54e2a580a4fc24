/**
 * The rules of `p0_test.ts` with clients of all protocols of the bus in one room: every message
 * reaches everybody once and in one order, and a client of any kind that stops reading delays the
 * others by at most `slow_after`, once.
 *
 * @module
 */

import assert from "node:assert/strict";
import { BusClient, type Kind, KINDS } from "../support/bus_client.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon.ts";
import { within } from "../support/within.ts";

/** As in `p0_test.ts`: a reader that gets no processor time for a while must not become slow. */
const SLOW_AFTER_MS = 3000;

/** More than one wait for a slow client, on a machine that may be busy, and less than two. */
const DELAY_MAX_MS = 1.8 * SLOW_AFTER_MS;

const SUBJECT = "room.mixed";

function startBus(): Promise<DaemonProcess> {
  return startDaemon({
    config: `
[echo]
listen = "127.0.0.1:0"
nats = "127.0.0.1:0"
websocket = "127.0.0.1:0"
subject = "${SUBJECT}"
max_line = "1MiB"
slow_after = "${SLOW_AFTER_MS}ms"
[kv]
listen = "127.0.0.1:0"
storage = "memory:"
queue = 100
slow_after = "${SLOW_AFTER_MS}ms"
`,
  });
}

/** Connects a client. It is in the room once it hears itself. */
async function connect(daemon: DaemonProcess, kind: Kind): Promise<BusClient> {
  const [lines, nats, websocket] = daemon.addresses("echo");
  const addresses = { lines, nats, websocket, redis: daemon.address("kv") };
  const client = await BusClient.connect(kind, addresses[kind]!, SUBJECT);
  await client.publish(["joined"]);
  await client.until("joined");
  return client;
}

/** Connects clients, and forgets what they have heard of each other's arrival. */
async function connectAll(
  daemon: DaemonProcess,
  { clients, kinds }: { clients: DisposableStack; kinds: readonly Kind[] },
): Promise<BusClient[]> {
  const all: BusClient[] = [];
  for (const kind of kinds) all.push(clients.use(await connect(daemon, kind)));
  await all[0]!.publish(["begin"]);
  await hear(all, "begin");
  return all;
}

/** Waits until clients have heard a message, and forgets that and all before it. */
async function hear(clients: readonly BusClient[], last: string): Promise<void> {
  await Promise.all(clients.map((client) => client.until(last)));
  for (const client of clients) client.messages.length = 0;
}

/** What a client whose protocol has no line ends gets of {@linkcode WHOLE}, once it is split. */
const SPLIT = ["one", "two", "", "three"];

/** A message that is several lines. */
const WHOLE = "one\ntwo\r\n\nthree";

/** Every byte but the newline, which would end a line. */
const ALL_BYTES = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join("")
  .replace("\n", "");

Deno.test("bus: a message of any protocol reaches clients of all, once and whole", async () => {
  await using daemon = await startBus();
  using clients = new DisposableStack();
  const all = await connectAll(daemon, { clients, kinds: KINDS });
  for (const publisher of all) {
    const { kind } = publisher;
    const messages = [`from ${kind}`, ALL_BYTES, "", "MSG x 1 2", "$1\r$2", "x".repeat(500_000)];
    await publisher.publish([...messages, "end"]);
    for (const client of all) {
      await client.until("end");
      assert.deepEqual(client.messages, [...messages, "end"], `from ${kind} over ${client.kind}`);
      client.messages.length = 0;
    }
    if (kind === "lines") continue;
    // A message with newlines stays whole only where the protocol on both sides can tell.
    await publisher.publish([WHOLE, "end"]);
    for (const client of all) {
      await client.until("end");
      const isSplit: boolean = client.kind !== "nats" && client.kind !== "redis" ||
        kind === "websocket";
      const text = client.messages.slice(0, -1);
      const lines = client.kind === "lines" ? ["one", "two\r", "", "three"] : SPLIT;
      assert.deepEqual(text, isSplit ? lines : [WHOLE], `from ${kind} over ${client.kind}`);
      client.messages.length = 0;
    }
  }
});

const LOADS: [clientsOfEachKind: number, messages: number][] = [[1, 20], [1, 1500], [3, 400]];

Deno.test("bus: clients of all kinds publish at once, and all get all, in one order", async (t) => {
  await using daemon = await startBus();
  for (const [each, count] of LOADS) {
    await t.step(`${each} of each kind, ${count} messages each`, async () => {
      using clients = new DisposableStack();
      const kinds = Array.from({ length: each }, () => KINDS).flat();
      const all = await connectAll(daemon, { clients, kinds });
      await Promise.all(all.map(async (client, id) => {
        for (let n = 0; n < count; n += 10) {
          await client.publish(Array.from({ length: 10 }, (_, i) => `${id} ${n + i}`));
        }
      }));
      await Promise.all(all.map((client) => client.until(all.length * count)));
      // Nothing may follow the last message but this.
      await all[0]!.publish(["end"]);
      await Promise.all(all.map((client) => client.until("end")));
      const [first, ...others] = all.map(({ messages }) => messages);
      for (const [i, messages] of others.entries()) {
        assert.deepEqual(messages, first, `the order over ${all[i + 1]!.kind}`);
      }
      assert.equal(first!.length, all.length * count + 1);
      for (let id = 0; id < all.length; id++) {
        const own = first!.filter((message) => message.startsWith(`${id} `));
        assert.deepEqual(own, Array.from({ length: count }, (_, n) => `${id} ${n}`));
      }
    });
  }
});

/** How many messages the clients publish together while one does not read. */
const SLOW_LOAD = 800;

/**
 * The size of a message that makes a load more than the kernel and the queue take for a client that
 * has never read: little on the side that receives, since that buffer grows with reading.
 */
async function slowMessageBytes(): Promise<number> {
  const [, , largest] = (await Deno.readTextFile("/proc/sys/net/ipv4/tcp_wmem")).trim().split(
    /\s+/,
  );
  return (2 * Number(largest) + 4 * 2 ** 20) / SLOW_LOAD;
}

/** Lets clients publish {@linkcode SLOW_LOAD} messages; returns how long it takes until all have all. */
async function load(clients: readonly BusClient[], padding: string): Promise<number> {
  const startMs = performance.now();
  const each = SLOW_LOAD / clients.length;
  await Promise.all(clients.map(async (client, id) => {
    for (let n = 0; n < each; n += 10) {
      await client.publish(Array.from({ length: 10 }, (_, i) => `${id} ${n + i} ${padding}`));
    }
  }));
  await Promise.all(clients.map((client) => client.until(SLOW_LOAD)));
  return performance.now() - startMs;
}

/** The sender and the number of each message. */
function namesOf({ messages }: BusClient): string[] {
  return messages.map((message) => message.split(" ", 2).join(" "));
}

/**
 * Lets a client of one kind stop reading while others publish.
 *
 * @returns How many milliseconds it takes until the others have everything.
 */
async function loadBesideSlow(
  daemon: DaemonProcess,
  { kind, reading, padding }: { kind: Kind; reading: readonly BusClient[]; padding: string },
): Promise<number> {
  using stopped = await connect(daemon, kind);
  await hear([...reading, stopped], "joined");
  stopped.pause();
  const before = daemon.log.length;
  const tookMs = await within(60_000, "what the others read", load(reading, padding));
  const [order, ...others] = reading.map(namesOf);
  assert.equal(new Set(order).size, SLOW_LOAD);
  for (const names of others) assert.deepEqual(names, order);

  // With what was dropped, what it still gets is everything, in order.
  stopped.resume();
  const caughtUp = "Slow client has caught up";
  await daemon.loggedTimes(caughtUp, daemon.log.slice(0, before).split(caughtUp).length);
  const said = daemon.log.slice(before);
  assert.equal(said.split("Client is slow").length - 1, 1, said);
  const dropped = Number(/ dropped=(\d+)/.exec(said)?.[1]);
  await reading[0]!.publish(["end"]);
  await stopped.until("end");
  const seen = namesOf(stopped).slice(0, -1);
  assert.ok(dropped > 0, "no message was dropped");
  assert.ok(seen.length >= 100, `only ${seen.length} messages came`);
  assert.equal(seen.length + dropped, SLOW_LOAD);
  const isSeen = new Set(seen);
  assert.deepEqual(seen, order!.filter((name) => isSeen.has(name)));
  await hear(reading, "end");
  return tookMs;
}

Deno.test("bus: one that stops reading delays the others by slow_after, once", async (t) => {
  await using daemon = await startBus();
  using clients = new DisposableStack();
  const reading = await connectAll(daemon, { clients, kinds: KINDS });
  const padding = "x".repeat(await slowMessageBytes());
  let usualMs = 0;
  // The first load is slower than the others: nothing is compiled yet.
  for (let i = 0; i < 2; i++) {
    usualMs = await load(reading, padding);
    await reading[0]!.publish(["end"]);
    await hear(reading, "end");
  }
  for (const kind of KINDS) {
    await t.step(kind, async () => {
      const delaysMs: number[] = [];
      do {
        delaysMs.push(await loadBesideSlow(daemon, { kind, reading, padding }) - usualMs);
        // A busy machine may hold up a run, but not each of three.
      } while (delaysMs.at(-1)! > DELAY_MAX_MS && delaysMs.length < 3);
      assert.ok(delaysMs.at(-1)! < DELAY_MAX_MS, `ms: ${delaysMs.map(Math.round)}`);
    });
  }
});
