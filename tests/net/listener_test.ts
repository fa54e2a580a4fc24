import assert from "node:assert/strict";
import { LineReader } from "../../lib/net/line_reader.ts";
import { Listener, type ListenerOptions } from "../../lib/net/listener.ts";
import { TestClient } from "../support/client.ts";
import { echoLines, startListener } from "../support/listener.ts";
import { TestLog } from "../support/log.ts";
import { until, within } from "../support/within.ts";

const encoder = new TextEncoder();

Deno.test("Listener: a client that half-closes gets all its replies, also for its last line", async () => {
  await using server = await startListener();
  using client = await TestClient.connect(server.listener.address);
  await client.send("one\r\ntwo\nthree");
  await client.closeWrite();
  assert.equal(await client.rest(), "one\ntwo\nthree\n");
});

Deno.test("Listener: clients beyond the limit get a reply, and a closed connection frees a place", async () => {
  await using server = await startListener({ maxClients: 2 });
  const first = await TestClient.connect(server.listener.address);
  using second = await TestClient.connect(server.listener.address);
  for (const client of [first, second]) {
    await client.send("a\n");
    assert.equal(await client.line(), "a\n");
  }
  using third = await TestClient.connect(server.listener.address);
  assert.equal(await third.rest(), "FULL\n");
  first.close();
  await until("the first is gone", () => server.listener.metrics().connections === 1);
  using fourth = await TestClient.connect(server.listener.address);
  await fourth.send("b\n");
  assert.equal(await fourth.line(), "b\n");
  const { accepted, serverFull, addressFull } = server.listener.metrics();
  assert.deepEqual([accepted, serverFull, addressFull], [3, 1, 0]);
});

Deno.test("Listener: a connection from inside the process is a client like any other", async () => {
  await using server = await startListener({ maxClients: 1 });
  const { listener, log } = server;
  const inside = listener.connect("inside");
  await inside.write(encoder.encode("hello\n"));
  const reader = new LineReader(inside, { maxLineBytes: 100 });
  const decode = (line: Uint8Array | null | undefined) => new TextDecoder().decode(line!);
  assert.equal(decode(await within(60_000, "the echo", reader.readLine())), "hello");
  assert.equal(listener.metrics().connections, 1);
  using outside = await TestClient.connect(listener.address);
  assert.equal(await outside.rest(), "FULL\n");
  const refused = new LineReader(listener.connect("inside"), { maxLineBytes: 100 });
  assert.equal(decode(await within(60_000, "the refusal", refused.readLine())), "FULL");
  inside.close();
  await until("it has left", () => listener.metrics().connections === 0);
  assert.ok(log.matching("address=inside").length > 0);
  const late = listener.connect("inside");
  await listener.close();
  assert.equal(await within(60_000, "the end", late.read(new Uint8Array(1))), null);
  assert.throws(() => listener.connect("inside"), /it takes no more connections/);
});

Deno.test("Listener: each address has its own limit, and closed connections free its places", async () => {
  await using server = await startListener({ maxClientsPerAddress: 2 });
  const visit = async () => {
    const client = await TestClient.connect(server.listener.address);
    await client.send("a\n");
    return { client, line: await client.line() };
  };
  const visits = [await visit(), await visit()];
  using third = await TestClient.connect(server.listener.address);
  assert.equal(await third.rest(), "FULL\n");
  for (const { client } of visits) client.close();
  await until("they are gone", () => server.listener.metrics().connections === 0);
  const again = await visit();
  assert.equal(again.line, "a\n");
  again.client.close();
  const { accepted, serverFull, addressFull } = server.listener.metrics();
  assert.deepEqual([accepted, serverFull, addressFull], [3, 0, 1]);
});

Deno.test("Listener: the addresses of one IPv6 /64 share a limit", async () => {
  await using server = await startListener({ maxClientsPerAddress: 1 });
  const { listener } = server;
  listener.connect("[2001:db8:1:2::1]:1000");
  const neighbour = listener.connect("[2001:db8:1:2:ffff::2]:2000");
  const reader = new LineReader(neighbour, { maxLineBytes: 100 });
  const line = await within(60_000, "the refusal", reader.readLine());
  assert.equal(new TextDecoder().decode(line!), "FULL");
  listener.connect("[2001:db8:1:3::1]:1000");
  const { accepted, addressFull } = listener.metrics();
  assert.deepEqual([accepted, addressFull], [2, 1]);
});

Deno.test("Listener: an error in one connection closes that one alone and is logged", async () => {
  await using server = await startListener({
    handle: async (connection) => {
      const reader = new LineReader(connection, { maxLineBytes: 1000 });
      const batch = await reader.read();
      if (batch?.line(0)[0] === 120) throw new RangeError("a mistake");
      await connection.write(encoder.encode("fine\n"));
    },
  });
  using good = await TestClient.connect(server.listener.address);
  using bad = await TestClient.connect(server.listener.address);
  await bad.send("x\n");
  assert.equal(await bad.rest(), "");
  await good.send("y\n");
  assert.equal(await good.rest(), "fine\n");
  assert.equal(server.log.matching("level=error").length, 1);
});

Deno.test("Listener: an idle client is disconnected, an active one is not", async () => {
  await using server = await startListener({ idleTimeoutMs: 200 });
  using idle = await TestClient.connect(server.listener.address);
  using busy = await TestClient.connect(server.listener.address);
  const closed = idle.rest();
  let over = false;
  closed.then(() => over = true);
  while (!over) {
    await busy.send("a\n");
    assert.equal(await busy.line(), "a\n");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await busy.send("b\n");
  assert.equal(await busy.line(), "b\n");
});

Deno.test("Listener.drain(): everything sent is answered, then all connections are closed", async () => {
  await using server = await startListener();
  const clients = await Promise.all(
    Array.from({ length: 20 }, () => TestClient.connect(server.listener.address)),
  );
  await until("all are accepted", () => server.listener.metrics().accepted === 20);
  const lines = "line\n".repeat(1000);
  await Promise.all(clients.map((client) => client.send(lines)));
  const drained = server.listener.drain(new AbortController().signal);
  for (const client of clients) assert.ok(await client.rest() === lines);
  clients.forEach((client) => client.close());
  await within(60_000, "the drain", drained);
  assert.equal(server.listener.metrics().connections, 0);
  await assert.rejects(TestClient.connect(server.listener.address), Deno.errors.ConnectionRefused);
});

Deno.test("Listener.drain(): what arrives while this process is held up is answered", async () => {
  await using server = await startListener();
  using client = await TestClient.connect(server.listener.address);
  await client.send("a\n");
  assert.equal(await client.line(), "a\n");
  const drained = server.listener.drain(new AbortController().signal);
  // The drain has found no input yet, and finds its time over when this thread goes on.
  await new Promise((resolve) => setTimeout(resolve, 5));
  const sent = client.send("b\n");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  await sent;
  assert.equal(await client.rest(), "b\n");
  client.close();
  await within(60_000, "the drain", drained);
});

Deno.test("Listener: a line cut off by a drain or a timeout is dropped", async () => {
  for (const cut of ["drain", "idle"] as const) {
    const received: string[] = [];
    await using server = await startListener({
      idleTimeoutMs: cut === "idle" ? 100 : 0,
      handle: async (connection) => {
        const reader = new LineReader(connection, { maxLineBytes: 1000 });
        for (let batch = await reader.read(); batch !== null; batch = await reader.read()) {
          for (let i = 0; i < batch.count; i++) {
            received.push(
              batch.isTooLong(i) ? "too long" : new TextDecoder().decode(batch.line(i)),
            );
          }
        }
      },
    });
    using half = await TestClient.connect(server.listener.address);
    await half.send("whole\nPUT balance 10");
    using skipped = await TestClient.connect(server.listener.address);
    await skipped.send("whole\n" + "x".repeat(2000));
    await until("it was read", () => server.listener.metrics().receivedBytes === 2026);
    if (cut === "drain") await server.listener.drain(AbortSignal.timeout(5000));
    else await until("both are gone", () => server.listener.metrics().connections === 0);
    assert.deepEqual(received, ["whole", "whole"]);
  }
});

Deno.test("Listener.drain(): the deadline disconnects a client that never reads", async () => {
  await using server = await startListener({
    handle: async (connection) => {
      for (;;) await connection.write(new Uint8Array(1024 * 1024));
    },
  });
  using _client = await TestClient.connect(server.listener.address);
  await until("it is accepted", () => server.listener.metrics().connections === 1);
  await within(60_000, "the drain", server.listener.drain(AbortSignal.timeout(100)));
});

Deno.test("Listener.listen(): the error names an address that is in use", async () => {
  await using server = await startListener();
  const { hostname, port } = server.listener.address as { hostname: string; port: number };
  const again = Listener.listen({ transport: "tcp", hostname, port }, {
    maxClients: 1,
    idleTimeoutMs: 0,
    fullReply: encoder.encode(""),
    log: new TestLog().log,
    handle: echoLines,
  });
  await assert.rejects(again, {
    message: `Cannot listen on ${hostname}:${port}: the address is taken by another program`,
  });
});

Deno.test("Listener: replaces the socket file of a dead process, not of a live one", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/socket`;
    const dead = Deno.listen({ transport: "unix", path });
    dead.close();
    const options: ListenerOptions = {
      maxClients: 10,
      idleTimeoutMs: 0,
      fullReply: encoder.encode(""),
      log: new TestLog().log,
      handle: echoLines,
    };
    const listener = await Listener.listen({ transport: "unix", path }, options);
    using client = await TestClient.connect({ transport: "unix", path });
    await client.send("a\n");
    assert.equal(await client.line(), "a\n");
    await assert.rejects(Listener.listen({ transport: "unix", path }, options), /is taken/);
    await listener.close();
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("Listener: a thousand clients at once leave nothing behind", async () => {
  await using server = await startListener({ maxClients: 2000 });
  const visit = async () => {
    using client = await TestClient.connect(server.listener.address);
    await client.send("a\n");
    assert.equal(await client.line(), "a\n");
  };
  await Promise.all(Array.from({ length: 1000 }, visit));
  await until("all are gone", () => server.listener.metrics().connections === 0);
  const { accepted, receivedBytes, sentBytes } = server.listener.metrics();
  assert.deepEqual({ accepted, receivedBytes, sentBytes }, {
    accepted: 1000,
    receivedBytes: 2000,
    sentBytes: 2000,
  });
});

/** A program that opens connections on command and resets each at once. */
const RESETTER = `
import net from "node:net";
const [port, times] = Deno.args.map(Number);
console.log("ready");
await Deno.stdin.read(new Uint8Array(1));
await Promise.all(Array.from({ length: times }, () => new Promise((resolve) => {
  const socket = net.connect(port, "127.0.0.1", () => socket.resetAndDestroy());
  socket.on("close", resolve).on("error", resolve);
})));
`;

Deno.test("Listener: clients that reset before accept do not delay others", async () => {
  await using server = await startListener();
  const { port } = server.listener.address as Deno.NetAddr;
  const url = `data:text/javascript,${encodeURIComponent(RESETTER)}`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--allow-net", url, String(port), "50"],
    stdin: "piped",
    stdout: "piped",
    signal: AbortSignal.timeout(120_000),
  }).spawn();
  const output = child.stdout.getReader();
  await within(60_000, "its start", output.read());
  const input = child.stdin.getWriter();
  const sent = input.write(encoder.encode("\n"));
  // This thread accepts nothing while it is blocked, here until all connections are reset.
  await sent;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  const sinceMs = performance.now();
  using client = await TestClient.connect(server.listener.address);
  await client.send("hello\n");
  assert.equal(await client.line(), "hello\n");
  // Waiting a while after each of them, as after other errors, would take twice as long.
  assert.ok(performance.now() - sinceMs < 20_000);
  assert.deepEqual(server.log.matching("Cannot accept"), []);
  await input.close();
  await output.cancel();
  await child.status;
});
