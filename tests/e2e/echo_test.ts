import assert from "node:assert/strict";
import { TestClient } from "../support/client.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon.ts";
import { within } from "../support/within.ts";

const encoder = new TextEncoder();

function startEcho(more = ""): Promise<DaemonProcess> {
  return startDaemon({ config: `[log]\nlevel = "debug"\n[echo]\nlisten = "127.0.0.1:0"\n${more}` });
}

/** Connects clients and waits until all are in the room. */
async function connect(daemon: DaemonProcess, count: number): Promise<TestClient[]> {
  const address = daemon.address("echo");
  const clients: TestClient[] = [];
  while (clients.length < count) {
    const some = Math.min(100, count - clients.length);
    clients.push(
      ...await Promise.all(Array.from({ length: some }, () => TestClient.connect(address))),
    );
  }
  await daemon.loggedTimes('msg="Client connected"', count);
  return clients;
}

function closeAll(clients: readonly TestClient[]): void {
  for (const client of clients) client.close();
}

Deno.test("echo: every byte of every line goes to all clients, including the sender", async () => {
  await using daemon = await startEcho();
  const clients = await connect(daemon, 3);
  const lines = [
    ...Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte !== 10),
  ];
  const data = new Uint8Array([
    ...lines,
    10,
    ...encoder.encode("\n\n\r\nCRLF\r\n\r\r\nüñï\n"),
  ]);
  await clients[1]!.send(data);
  for (const client of clients) assert.deepEqual(await client.bytes(data.length), data);
  closeAll(clients);
});

Deno.test("echo: all clients see the lines of all publishers in the same order", async () => {
  await using daemon = await startEcho();
  const clients = await connect(daemon, 5);
  const each = 2000;
  const received = clients.map(async (client) => {
    const lines: string[] = [];
    while (lines.length < clients.length * each) lines.push(await client.line());
    return lines;
  });
  await Promise.all(clients.map(async (client, id) => {
    for (let n = 0; n < each; n += 10) {
      await client.send(Array.from({ length: 10 }, (_, i) => `${id} ${n + i}\n`).join(""));
    }
  }));
  const [first, ...others] = await Promise.all(received);
  for (const other of others) assert.ok(other.every((line, i) => line === first![i]));
  for (const id of clients.keys()) {
    const own = first!.filter((line) => line.startsWith(`${id} `));
    assert.deepEqual(own, Array.from({ length: each }, (_, n) => `${id} ${n}\n`));
  }
  closeAll(clients);
});

Deno.test("echo: a line that is too long is skipped with an error reply, the next one goes out", async () => {
  await using daemon = await startEcho('max_line = "1KiB"');
  const [sender, other] = await connect(daemon, 2);
  await sender!.send(`${"x".repeat(1024)}\n${"y".repeat(100_000)}\nafter\n`);
  assert.equal(await sender!.line(), `${"x".repeat(1024)}\n`);
  assert.equal(await sender!.line(), "ERR line too long (limit 1024 bytes)\n");
  assert.equal(await sender!.line(), "after\n");
  assert.equal(await other!.line(), `${"x".repeat(1024)}\n`);
  assert.equal(await other!.line(), "after\n");
  closeAll([sender!, other!]);
});

Deno.test('echo: one client too many gets the reply "server full"', async () => {
  await using daemon = await startEcho("max_clients = 2");
  const clients = await connect(daemon, 2);
  using third = await TestClient.connect(daemon.address("echo"));
  assert.equal(await third.rest(), "ERR server full\n");
  closeAll(clients);
});

Deno.test("echo: a last line without a newline reaches all, also its half-closed sender", async () => {
  await using daemon = await startEcho();
  const [one, other] = await connect(daemon, 2);
  await one!.send("a\nb");
  await one!.closeWrite();
  assert.equal(await one!.rest(), "a\nb\n");
  assert.equal(await other!.line(), "a\n");
  assert.equal(await other!.line(), "b\n");
  closeAll([one!, other!]);
});

Deno.test("echo: a client that does not read costs the others nothing", async () => {
  await using daemon = await startEcho('slow_after = "500ms"');
  const [fast, slow] = await connect(daemon, 2);
  // More than the kernel buffers hold, in few large messages.
  const message = `${"m".repeat(16 * 1024)}\n`;
  const count = 1500;
  const started = performance.now();
  const burst = 10;
  for (let sent = 0; sent < count; sent += burst) {
    await fast!.send(message.repeat(burst));
    for (let i = 0; i < burst; i++) assert.equal((await fast!.line()).length, message.length);
  }
  const tookMs = performance.now() - started;
  await daemon.logged(/msg="Client is slow"/);
  // It has lost only what did not fit into its queue.
  const kept = slow!.rest();
  const status = await daemon.stop();
  assert.equal(status.code, 0);
  const keptCount = (await kept).length / message.length;
  assert.ok(Number.isInteger(keptCount) && keptCount >= 100 && keptCount < count, `${keptCount}`);
  const [, dropped] = await daemon.logged(/msg="Echo stopped".* dropped=(\d+)/);
  assert.equal(Number(dropped), count - keptCount);
  // Many minutes, if each of the messages that are dropped waited for the slow client.
  assert.ok(tookMs < 30_000, `${tookMs} ms`);
  closeAll([fast!, slow!]);
});

Deno.test('echo: on_full = "close" disconnects the slow client', async () => {
  await using daemon = await startEcho('on_full = "close"\nqueue = 2');
  const [fast, slow] = await connect(daemon, 2);
  const message = `${"m".repeat(60 * 1024)}\n`;
  const closed = daemon.logged(/msg="Slow client closed"/);
  let over = false;
  closed.then(() => over = true);
  for (let i = 0; i < 2000 && !over; i++) {
    await fast!.send(message);
    await fast!.line();
  }
  await closed;
  closeAll([fast!, slow!]);
});

Deno.test('echo: on_full = "drop_oldest" keeps the newest', async () => {
  await using daemon = await startEcho('on_full = "drop_oldest"\nqueue = 5');
  const [fast, slow] = await connect(daemon, 2);
  const message = (i: number) => `${i} ${"m".repeat(16 * 1024)}\n`;
  const count = 1500;
  for (let i = 0; i < count; i++) {
    await fast!.send(message(i));
    await fast!.line();
  }
  const seen: number[] = [];
  while (seen.at(-1) !== count - 1) seen.push(parseInt(await slow!.line()));
  assert.deepEqual(seen.slice(-5), Array.from({ length: 5 }, (_, i) => count - 5 + i));
  assert.ok(seen.length < count);
  closeAll([fast!, slow!]);
});

Deno.test("echo: a thousand clients all get every line while others connect and leave", async () => {
  await using daemon = await startEcho();
  const clients = await connect(daemon, 1000);
  const visitors = (async () => {
    for (let i = 0; i < 200; i++) {
      using _visitor = await TestClient.connect(daemon.address("echo"));
    }
  })();
  const lines = Array.from({ length: 20 }, (_, i) => `line ${i}\n`);
  const received = clients.map(async (client) => {
    for (const line of lines) assert.equal(await client.line(), line);
  });
  for (const line of lines) await clients[7]!.send(line);
  await within(60_000, "all lines", Promise.all(received));
  await visitors;
  closeAll(clients);
  const status = await daemon.stop();
  assert.equal(status.code, 0);
  assert.match(daemon.log, /msg="Echo stopped".* dropped=0 /);
});

Deno.test("echo: in confirm mode the message is logged and its sender alone gets a reply", async () => {
  await using daemon = await startEcho('mode = "confirm"\nmax_line = "100B"');
  using sender = await TestClient.connect(daemon.address("echo"));
  using other = await TestClient.connect(daemon.address("echo"));
  await sender.send(`hello\nwith "quotes"\r\n\nbin\xff\x01\n${"x".repeat(101)}\nlast`);
  await sender.closeWrite();
  assert.equal(
    await sender.rest(),
    "Message received.\n".repeat(4) + "ERR line too long (limit 100 bytes)\n" +
      "Message received.\n",
  );
  await other.closeWrite();
  assert.equal(await other.rest(), "");
  await daemon.logged(/msg=Message client=1 address=127\.0\.0\.1:\d+ text=\\?"?hello/);
  await daemon.logged(/text="with \\"quotes\\""/);
  await daemon.logged(/text="?last"?\n/);
});

Deno.test("echo: a drain under load delivers every accepted line", async () => {
  await using daemon = await startEcho();
  const clients = await connect(daemon, 10);
  const lines = Array.from({ length: 5000 }, (_, i) => `line ${i}\n`).join("");
  const received = clients.map((client) => client.rest());
  await clients[0]!.send(lines);
  daemon.signal("SIGTERM");
  for (const text of await Promise.all(received)) assert.ok(text === lines, `${text.length} bytes`);
  assert.equal((await daemon.ended()).code, 0);
  closeAll(clients);
});

Deno.test("echo: with a token, a client that does not present it can neither send nor receive", async () => {
  for (const mode of ["broadcast", "confirm"]) {
    await using daemon = await startDaemon({
      config: `[echo]\nlisten = "127.0.0.1:0"\nmode = "${mode}"\n
[auth]\nmax_failures = 2\n[auth.tokens.bus]\nenv = "BUS_TOKEN"\nservices = ["echo"]\n`,
      env: { BUS_TOKEN: "a-good-token" },
    });
    const address = daemon.address("echo");
    using good = await TestClient.connect(address);
    await good.send("AUTH a-good-token\r\nhello\n");
    assert.equal(await good.line(), "OK\n");
    assert.equal(await good.line(), mode === "broadcast" ? "hello\n" : "Message received.\n");
    using silent = await TestClient.connect(address);
    await silent.send("hello?\nAUTH a-good-token\n");
    assert.equal(await silent.rest(), "ERR AUTH token expected first\n");
    for (const reply of ["ERR wrong token\n", "ERR wrong token\n"]) {
      using bad = await TestClient.connect(address);
      await bad.send("auth a-bad-token\n");
      assert.equal(await bad.rest(), reply);
    }
    using late = await TestClient.connect(address);
    await late.send("AUTH a-good-token\n");
    assert.equal(await late.line(), "OK\n");
    late.close();
    await good.send("still here\n");
    assert.equal(await good.line(), mode === "broadcast" ? "still here\n" : "Message received.\n");
    assert.ok(!daemon.log.includes("token-"), daemon.log);
  }
});
