/**
 * The rules of a well-known exercise for broadcast servers: bursts of a hundred lines, exact
 * counts, and clients that stop reading for seconds. A line must reach every client exactly once;
 * a client that pauses must lose some and keep at least a hundred.
 */

import assert from "node:assert/strict";
import { TestClient } from "../support/client.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon.ts";
import { ROOT } from "../support/quartet.ts";
import { until, within } from "../support/within.ts";

const BURST = 100;
const PAUSE_MS = 100;

function startEcho(more = ""): Promise<DaemonProcess> {
  return startDaemon({
    config: `[log]\nlevel = "debug"\n[echo]\nlisten = "127.0.0.1:0"\n${more}`,
  });
}

/** Connects clients. When it resolves they are in the room; a connection alone does not say so. */
async function connect(daemon: DaemonProcess, count: number): Promise<TestClient[]> {
  const address = daemon.address("echo");
  const clients = await Promise.all(
    Array.from({ length: count }, () => TestClient.connect(address)),
  );
  await daemon.loggedTimes('msg="Client connected"', count);
  return clients;
}

/** How many descriptors of sockets a process holds, which is how many clients it has. */
async function sockets(pid: number): Promise<number> {
  let count = 0;
  for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
    const target = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "");
    if (target.startsWith("socket:")) count++;
  }
  return count;
}

/** Sends its lines in bursts, with a pause after each. */
async function write(client: TestClient, id: number, messages: number, padding: string) {
  for (let n = 0; n < messages; n += BURST) {
    const burst = Array.from(
      { length: Math.min(BURST, messages - n) },
      (_, i) => `${padding}${id} ${n + i}\n`,
    );
    await client.send(burst.join(""));
    if (n + BURST < messages) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/**
 * Reads until the connection ends or every line of every client has come; counts each line. The
 * padding is no part of the keys: V8 compares long texts in full to tell them apart in a map.
 */
async function read(
  client: TestClient,
  total: number,
  padding: string,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (let lines = 0; lines < total; lines++) {
    let line: string;
    try {
      line = await client.line();
    } catch {
      break;
    }
    assert.ok(line.startsWith(padding));
    const text = line.slice(padding.length);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
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

for (const [clientCount, messages, limitMs] of BASIC) {
  Deno.test(`p0: ${clientCount} clients of ${messages} messages lose none`, async () => {
    await using daemon = await startEcho();
    const clients = await connect(daemon, clientCount);
    const total = clientCount * messages;
    const reads = clients.map((client) => read(client, total, ""));
    const writes = clients.map((client, id) => write(client, id, messages, ""));
    const counts = await within(limitMs, "all messages", Promise.all(reads));
    await Promise.all(writes);
    for (const count of counts) {
      assert.equal(count.size, total);
      for (let id = 0; id < clientCount; id++) {
        for (let n = 0; n < messages; n++) assert.equal(count.get(`${id} ${n}\n`), 1);
      }
    }
    clients.forEach((client) => client.close());
  });
}

const COUNT: [name: string, rounds: [start: number, kill: number][]][] = [
  ["twenty come, change and go", [[20, 0], [20, 20], [0, 20]]],
  ["some come while others go", [[5, 0], [15, 5], [25, 15], [15, 25], [0, 15]]],
];

for (const [name, rounds] of COUNT) {
  Deno.test(`p0: the count is exact within a second: ${name}`, async () => {
    await using daemon = await startEcho();
    const pid = daemon.child.pid;
    const before = await sockets(pid);
    const clients: TestClient[] = [];
    for (const [start, kill] of rounds) {
      clients.splice(0, kill).forEach((client) => client.close());
      for (let i = 0; i < start; i++) {
        clients.push(await TestClient.connect(daemon.address("echo")));
      }
      await until(
        "the count is right",
        async () => await sockets(pid) === before + clients.length,
        1000,
      );
    }
    assert.equal(clients.length, 0);
  });
}

/** What the kernel takes for a client that does not read: the largest buffers of both ends. */
async function kernelBytes(): Promise<number> {
  const largest = async (name: string) =>
    Number((await Deno.readTextFile(`/proc/sys/net/ipv4/${name}`)).trim().split(/\s+/)[2]);
  return await largest("tcp_wmem") + await largest("tcp_rmem");
}

for (const [slowCount, normalCount, pauseMs] of [[1, 1, 4000], [2, 2, 5000]] as const) {
  const name = `p0: ${slowCount} that pause for ${pauseMs} ms cost ${normalCount} others nothing`;
  Deno.test(name, async () => {
    await using daemon = await startEcho();
    const messages = 1000;
    const clients = await connect(daemon, slowCount + normalCount);
    const slow = clients.slice(0, slowCount);
    const normal = clients.slice(slowCount);
    const total = clients.length * messages;
    const padding = "\0".repeat(Math.max(512, 1.5 * await kernelBytes() / total));
    const pause = new Promise((resolve) => setTimeout(resolve, pauseMs));
    const reads = Promise.all(normal.map((client) => read(client, total, padding)));
    const writes = clients.map((client, id) => write(client, id, messages, padding));
    for (const count of await within(30_000, "the normal clients' messages", reads)) {
      assert.equal(count.size, total);
      assert.ok(count.values().every((times) => times === 1));
    }
    await Promise.all(writes);
    await pause;
    const kept = Promise.all(slow.map((client) => read(client, Infinity, padding)));
    assert.equal((await daemon.stop()).code, 0);
    for (const count of await within(20_000, "the slow clients' messages", kept)) {
      assert.ok(count.size >= 100, `only ${count.size} of the messages came`);
      assert.ok(count.size < total, "no message was dropped");
      assert.ok(count.values().every((times) => times === 1));
    }
    clients.forEach((client) => client.close());
  });
}

/** Makes a network of its own in which the kernel takes little for a client that does not read. */
const SMALL_BUFFERS = `ip link set lo up &&
  echo "4096 16384 65536" > /proc/sys/net/ipv4/tcp_wmem &&
  echo "4096 16384 131072" > /proc/sys/net/ipv4/tcp_rmem`;

async function inNamespace(command: string[]): Promise<Deno.CommandOutput> {
  const script = `${SMALL_BUFFERS} && exec "$@"`;
  return await new Deno.Command("unshare", {
    args: ["-rn", "sh", "-c", script, "sh", ...command],
    env: { NO_COLOR: "1" },
  }).output();
}

async function canUnshare(): Promise<boolean> {
  try {
    return (await inNamespace(["true"])).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test({
  name: "p0: the same in a network whose buffers are small",
  // The run inside is this very file; and not every machine has namespaces and iproute2.
  ignore: Deno.env.get("QUARTET_TEST_INSIDE") !== undefined || !await canUnshare(),
  fn: async () => {
    const file = new URL(import.meta.url).pathname;
    const test = ["test", "-A", "--no-check", "--frozen", `--config=${ROOT}deno.json`, file];
    const { success, stdout, stderr } = await inNamespace([
      "env",
      "QUARTET_TEST_INSIDE=1",
      Deno.execPath(),
      ...test,
    ]);
    const decoder = new TextDecoder();
    assert.ok(success, decoder.decode(stdout) + decoder.decode(stderr));
  },
});
