/**
 * The rules of a well-known exercise for broadcast servers: bursts of a hundred lines, exact
 * counts, and clients that stop reading. A line must reach every client exactly once; a client that
 * stops reading must lose some lines and keep at least a hundred.
 *
 * The exercise pauses for 100 ms after each burst and stops reading for 4 s or 5 s. Here bursts
 * follow each other faster, and a client stops reading until the others have everything. A client is
 * slow only after 3 s, so that a reader that gets no processor time for a while is not called slow.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ClosedError, TestClient } from "../support/client.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon.ts";
import { canUseOwnNetwork, IN_OWN_NETWORK, testInOwnNetwork } from "../support/own_network.ts";
import { until, within } from "../support/within.ts";

const BURST = 100;
const PAUSE_MS = 10;

function startEcho(): Promise<DaemonProcess> {
  return startDaemon({
    config: '[log]\nlevel = "debug"\n[echo]\nlisten = "127.0.0.1:0"\nslow_after = "3s"\n',
  });
}

/** Connects clients and waits until they are in the room; a connection alone does not say so. */
async function connect(daemon: DaemonProcess, count: number): Promise<TestClient[]> {
  const address = daemon.address("echo");
  const before = daemon.log.split(CONNECTED).length - 1;
  const clients = await Promise.all(
    Array.from({ length: count }, () => TestClient.connect(address)),
  );
  await daemon.loggedTimes(CONNECTED, before + count);
  return clients;
}

const CONNECTED = 'msg="Client connected"';

/** How many descriptors of sockets a process holds, which is how many clients it has. */
async function sockets(pid: number): Promise<number> {
  let count = 0;
  for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
    const target = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "");
    if (target.startsWith("socket:")) count++;
  }
  return count;
}

/** The bursts that a client sends. */
function burstsOf(id: number, messages: number, padding: string): string[] {
  const bursts: string[] = [];
  for (let n = 0; n < messages; n += BURST) {
    const length = Math.min(BURST, messages - n);
    bursts.push(Array.from({ length }, (_, i) => `${padding}${id} ${n + i}\n`).join(""));
  }
  return bursts;
}

/** Sends a client's lines in bursts, with a pause after each. */
async function write(client: TestClient, id: number, messages: number, padding: string) {
  for (const burst of burstsOf(id, messages, padding)) {
    await client.send(burst);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** How often each line came, without its padding. */
type Counts = Map<string, number>;

/**
 * Reads and counts lines. The padding is no part of the keys: V8 compares long texts in full to
 * tell them apart in a map.
 *
 * @param counts What has been counted so far.
 * @param isLast Whether a line is the last one to read; else it reads until the connection ends.
 */
async function read(
  client: TestClient,
  { padding, counts = new Map(), isLast = () => false }: {
    padding: string;
    counts?: Counts;
    isLast?: (text: string) => boolean;
  },
): Promise<Counts> {
  for (let last = false; !last;) {
    let line: string;
    try {
      line = await client.line();
    } catch (error) {
      if (!(error instanceof ClosedError)) throw error;
      break;
    }
    assert.ok(line.startsWith(padding));
    const text = line.slice(padding.length);
    counts.set(text, (counts.get(text) ?? 0) + 1);
    last = isLast(text);
  }
  return counts;
}

/** Reads until `total` lines are counted. */
async function readAll(
  client: TestClient,
  total: number,
  { padding, counts = new Map() }: { padding: string; counts?: Counts },
): Promise<Counts> {
  let missing = total - counts.values().reduce((sum, times) => sum + times, 0);
  if (missing > 0) await read(client, { padding, counts, isLast: () => --missing === 0 });
  return counts;
}

const BASIC: [clients: number, messages: number, limitMs: number][] = [
  [1, 100, 5000],
  [1, 1500, 10_000],
  [2, 20, 5000],
  [2, 1500, 10_000],
  [5, 750, 10_000],
  [10, 1500, 10_000],
];

Deno.test("p0: readers lose nothing", async (t) => {
  await using daemon = await startEcho();
  for (const [clientCount, messages, limitMs] of BASIC) {
    await t.step(`${clientCount} clients of ${messages} messages`, async () => {
      const clients = await connect(daemon, clientCount);
      const total = clientCount * messages;
      const reads = clients.map((client) => readAll(client, total, { padding: "" }));
      const writes = clients.map((client, id) => write(client, id, messages, ""));
      const counts = await within(limitMs, "all messages", Promise.all(reads));
      await Promise.all(writes);
      for (const count of counts) assertComplete(count, clientCount, messages);
      clients.forEach((client) => client.close());
    });
  }
});

/** Fails unless every message of every client came exactly once. */
function assertComplete(count: Counts, clients: number, messages: number): void {
  assert.equal(count.size, clients * messages);
  for (let id = 0; id < clients; id++) {
    for (let n = 0; n < messages; n++) assert.equal(count.get(`${id} ${n}\n`), 1);
  }
}

Deno.test("p0: clients that write a burst before they read lose nothing", async () => {
  await using daemon = await startEcho();
  const clients = await connect(daemon, 5);
  const messages = 500;
  const padding = "\0".repeat(1000);
  await Promise.all(clients.map(async (client, id) => {
    const counts: Counts = new Map();
    for (const burst of burstsOf(id, messages, padding)) {
      await within(60_000, "the write", client.send(burst));
      const ownLast = burst.slice(burst.lastIndexOf("\0") + 1);
      await read(client, { padding, counts, isLast: (text) => text === ownLast });
    }
    await readAll(client, clients.length * messages, { padding, counts });
    assertComplete(counts, clients.length, messages);
    client.close();
  }));
});

const COUNT: [name: string, rounds: [start: number, kill: number][]][] = [
  ["twenty come, change and go", [[20, 0], [20, 20], [0, 20]]],
  ["some come while others go", [[5, 0], [15, 5], [25, 15], [15, 25], [0, 15]]],
];

/** Waits until the count is right, which must take less than a second in which the daemon runs. */
async function untilWithinSecond(
  daemon: DaemonProcess,
  isRight: () => Promise<boolean>,
): Promise<void> {
  for (let tries = 1;; tries++) {
    try {
      return await until("the count is right", isRight, 1000);
    } catch (error) {
      // On a busy machine the daemon may not run for a second. Then an echo takes that long, too.
      const startMs = performance.now();
      using client = await TestClient.connect(daemon.address("echo"));
      await client.send("probe\n");
      await client.line();
      if (tries === 10 || performance.now() - startMs < 250) throw error;
    }
  }
}

for (const [name, rounds] of COUNT) {
  Deno.test(
    `p0: the count is exact within a second: ${name}`,
    { ignore: IN_OWN_NETWORK },
    async () => {
      await using daemon = await startEcho();
      const pid = daemon.child.pid;
      const before = await sockets(pid);
      const clients: TestClient[] = [];
      for (const [start, kill] of rounds) {
        clients.splice(0, kill).forEach((client) => client.close());
        for (let i = 0; i < start; i++) {
          clients.push(await TestClient.connect(daemon.address("echo")));
        }
        const isRight = async () => await sockets(pid) === before + clients.length;
        await untilWithinSecond(daemon, isRight);
      }
      assert.equal(clients.length, 0);
    },
  );
}

/** What the kernel takes for a client that does not read: the largest buffers of both ends. */
async function kernelBytes(): Promise<number> {
  const largest = async (name: string) =>
    Number((await Deno.readTextFile(`/proc/sys/net/ipv4/${name}`)).trim().split(/\s+/)[2]);
  return await largest("tcp_wmem") + await largest("tcp_rmem");
}

for (const [stoppedCount, readingCount] of [[1, 1], [2, 2]] as const) {
  const name = `p0: ${stoppedCount} that stop reading cost ${readingCount} others nothing`;
  Deno.test(name, async () => {
    await using daemon = await startEcho();
    const messages = 1000;
    const clients = await connect(daemon, stoppedCount + readingCount);
    const stopped = clients.slice(0, stoppedCount);
    const reading = clients.slice(stoppedCount);
    const total = clients.length * messages;
    const padding = "\0".repeat(Math.max(512, 1.5 * await kernelBytes() / total));
    const reads = Promise.all(reading.map((client) => readAll(client, total, { padding })));
    const writes = clients.map((client, id) => write(client, id, messages, padding));
    for (const counts of await within(240_000, "the messages of those that read", reads)) {
      assertComplete(counts, clients.length, messages);
    }
    await Promise.all(writes);
    const kept = Promise.all(stopped.map((client) => read(client, { padding })));
    assert.equal((await daemon.stop()).code, 0);
    for (const counts of await within(240_000, "the messages of those that stopped", kept)) {
      assert.ok(counts.size >= 100, `only ${counts.size} of the messages came`);
      assert.ok(counts.size < total, "no message was dropped");
      assert.ok(counts.values().every((times) => times === 1));
    }
    clients.forEach((client) => client.close());
  });
}

/** Makes the kernel take little for a client that does not read. */
const SMALL_BUFFERS = `echo "4096 16384 16384" > /proc/sys/net/ipv4/tcp_wmem &&
  echo "4096 32768 32768" > /proc/sys/net/ipv4/tcp_rmem`;

Deno.test({
  name: "p0: the same in a network whose buffers are small",
  // The run inside is this very file; and not every machine has namespaces and iproute2.
  ignore: IN_OWN_NETWORK || !await canUseOwnNetwork({ setup: SMALL_BUFFERS }),
  fn: () => testInOwnNetwork(import.meta.url, { setup: SMALL_BUFFERS }),
});
