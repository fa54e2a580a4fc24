/**
 * Limits on what one client can cost the service and other clients.
 *
 * @module
 */

import assert from "node:assert/strict";
import * as v from "valibot";
import { kvConfigSchema } from "../../lib/kv/config.ts";
import { TestClient } from "../support/client.ts";
import { until } from "../support/within.ts";
import { encodeRequest, RawClient, TestKv } from "./support.ts";

const MIB = 1024 * 1024;

/** The memory of this thread, including garbage. Other test files run in threads of their own. */
function memoryBytes(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

/** Sends until the other side accepts no more for `quietMs`; the number of bytes sent. */
async function flood(conn: Deno.Conn, bytes: Uint8Array, quietMs = 300): Promise<number> {
  let sent = 0;
  while (sent < bytes.length) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stuck = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), quietMs);
    });
    const write = conn.write(bytes.subarray(sent));
    write.catch(() => {});
    const count = await Promise.race([write, stuck]);
    clearTimeout(timer);
    if (count === null) return sent;
    sent += count;
  }
  return sent;
}

Deno.test("kv: a client that stops in the middle of a large value does not block others", async () => {
  await using kv = await TestKv.start();
  using stuck = await kv.connect();
  await stuck.send(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${60 * MIB}\r\n`);
  const part = new Uint8Array(10 * MIB);
  const before = memoryBytes();
  await stuck.send(part);
  using other = await kv.connect();
  for (let count = 0; count < 100; count++) {
    assert.equal(await other.ask("SET", "a", String(count)), "+OK\r\n");
  }
  // The bytes received and the smaller buffers before that, not the announced size.
  assert.ok(memoryBytes() - before < 45 * MIB);
});

Deno.test("kv: a client that announces a large value and sends nothing costs no memory", async () => {
  await using kv = await TestKv.start();
  const clients: RawClient[] = [];
  const before = memoryBytes();
  for (let count = 0; count < 50; count++) {
    const client = await kv.connect();
    clients.push(client);
    await client.send(`*1000000\r\n$3\r\nSET\r\n$1\r\nk\r\n$${60 * MIB}\r\n`);
  }
  using other = await kv.connect();
  assert.equal(await other.ask("PING"), "+PONG\r\n");
  assert.ok(memoryBytes() - before < 50 * MIB);
  for (const client of clients) client.close();
});

Deno.test("kv: a client that pipelines 100 000 GETs and never reads stalls only itself", async () => {
  await using kv = await TestKv.start();
  using other = await kv.connect();
  await other.ask("SET", "k", "v".repeat(10_000));
  using stuck = await kv.connect();
  const before = memoryBytes();
  const requests = new Uint8Array(100_000 * 22);
  const request = encodeRequest(["GET", "k"]);
  assert.ok(request.length <= 22);
  for (let at = 0; at + request.length <= requests.length; at += request.length) {
    requests.set(request, at);
  }
  // The replies would be 1 GB. The service does not even read all of the requests.
  await flood(stuck.conn, requests);
  for (let count = 0; count < 100; count++) {
    assert.equal(await other.ask("PING"), "+PONG\r\n");
  }
  assert.ok(memoryBytes() - before < 40 * MIB);
});

Deno.test("kv: a client that pipelines slow commands lets other clients have their turn", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  // One command takes a millisecond or more, so all of them take many turns.
  await client.ask("MSET", "a", "ab".repeat(350), "b", "ba".repeat(350));
  const request = encodeRequest(["LCS", "a", "b", "LEN"]);
  const times = 500;
  const requests = new Uint8Array(times * request.length);
  for (let at = 0; at < requests.length; at += request.length) requests.set(request, at);
  let done = 0;
  const all = (async () => {
    for (; done < times; done++) assert.equal(await client.reply(), ":699\r\n");
  })();
  // If the test fails before it awaits this, there is no second error.
  all.catch(() => {});
  await client.send(requests);
  using other = await kv.connect();
  for (let count = 0; count < 3; count++) assert.equal(await other.ask("PING"), "+PONG\r\n");
  assert.ok(done < times, "the client was done before the others had a turn");
  await all;
});

Deno.test("kv: a long reply is sent while it is encoded, also inside the reply to EXEC", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const value = "v".repeat(1000);
  await client.ask("SET", "k", value);
  const request = encodeRequest(["MGET", ...Array.from({ length: 200_000 }, () => "k")]);
  using other = await kv.connect();
  const before = memoryBytes();
  for (const command of ["MULTI", "PING", "GET none"]) await client.ask(...command.split(" "));
  await client.send(request);
  assert.equal(await client.reply(), "+QUEUED\r\n");
  await client.send(encodeRequest(["EXEC"]));
  await other.ask("PING");
  for (let count = 0; count < 100; count++) {
    assert.equal(await other.ask("PING"), "+PONG\r\n");
  }
  assert.ok(memoryBytes() - before < 60 * MIB);
  const head = "*3\r\n+PONG\r\n$-1\r\n*200000\r\n";
  const expected = head.length + 200_000 * "$1000\r\n\r\n".length + 200_000 * value.length;
  const chunk = new Uint8Array(65536);
  let received = 0;
  while (received < expected) received += await client.conn.read(chunk) ?? expected;
  assert.equal(received, expected);
  assert.equal(await client.ask("PING"), "+PONG\r\n");
});

Deno.test("kv: a client that reads its 100 000 replies late gets them all", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.ask("SET", "k", "v".repeat(100));
  const request = encodeRequest(["GET", "k"]);
  const requests = new Uint8Array(100_000 * request.length);
  for (let at = 0; at < requests.length; at += request.length) requests.set(request, at);
  const expected = 100_000 * 108;
  const sending = (async () => {
    for (let at = 0; at < requests.length;) at += await client.conn.write(requests.subarray(at));
  })();
  const chunk = new Uint8Array(65536);
  let received = 0;
  while (received < expected) received += await client.conn.read(chunk) ?? expected;
  await sending;
  assert.equal(received, expected);
});

Deno.test("kv: a client beyond max_clients is refused, and may come back later", async () => {
  await using kv = await TestKv.start({ max_clients: 2 });
  const first = await kv.connect();
  using second = await kv.connect();
  await first.ask("PING");
  await second.ask("PING");
  using third = await kv.connect();
  assert.equal(await third.rest(), "-ERR max number of clients reached\r\n");
  first.close();
  await until("there is room again", async () => {
    using again = await kv.connect();
    await again.send("PING\r\n");
    return await again.reply().catch(() => "") === "+PONG\r\n";
  });
});

Deno.test("kv: values, requests, arguments and transactions have limits", async () => {
  await using kv = await TestKv.start({
    max_value: "1KiB",
    max_request: "4KiB",
    max_arguments: 16,
    max_queued: 3,
  });
  using client = await kv.connect();
  assert.equal(await client.ask("SET", "k", "x".repeat(1024)), "+OK\r\n");
  const tooLong = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
  assert.equal(await client.ask("APPEND", "k", "x"), tooLong);
  assert.equal(await client.ask("SETRANGE", "k", "1024", "x"), tooLong);
  assert.equal(await client.ask("MULTI"), "+OK\r\n");
  for (let count = 0; count < 3; count++) {
    assert.equal(await client.ask("SET", "k", "v"), "+QUEUED\r\n");
  }
  assert.match(await client.ask("SET", "k", "v"), /^-ERR too much is queued/);
  assert.match(await client.ask("EXEC"), /^-EXECABORT/);
  assert.match(await client.ask("WATCH", "a", "b", "c", "d"), /^-ERR too many keys are watched/);
  for (
    const [args, error] of [
      [["SET", "k", "x".repeat(1025)], "invalid bulk length"],
      [["MSET", ..."abcdef".split("").flatMap((k) => [k, "x".repeat(1000)])], "too big request"],
      [["MGET", ..."abcdefghijklmnop"], "invalid multibulk length"],
    ] as [string[], string][]
  ) {
    using bad = await kv.connect();
    await bad.send(encodeRequest(args));
    assert.equal(await bad.rest(), `-ERR Protocol error: ${error}\r\n`);
  }
});

Deno.test("kv: limits that a reload changes apply to clients that are connected", async () => {
  await using kv = await TestKv.start({ max_line: "1KiB", max_request: "4KiB" });
  const adjust = (config: Record<string, unknown>) =>
    kv.running.adjust!(v.parse(kvConfigSchema, { listen: "127.0.0.1:0", ...config }));
  using text = await TestClient.connect(kv.address);
  using redis = await kv.connect();
  const put = async (bytes: number) => {
    await text.send(`PUT a ${"x".repeat(bytes)}\n`);
    return (await text.line()).trimEnd();
  };
  assert.equal(await put(2000), "ERR line too long (limit 1024 bytes)");
  assert.equal(await redis.ask("PING"), "+PONG\r\n");
  adjust({ max_line: "200KiB", max_request: "1MiB" });
  assert.equal(await put(150_000), "OK");
  assert.equal(await redis.ask("SET", "b", "x".repeat(500_000)), "+OK\r\n");
  // A line that has begun is judged by the limit at its end.
  await text.send(`PUT a ${"x".repeat(100_000)}`);
  adjust({ max_line: "1KiB", max_request: "4KiB" });
  await text.send("\n");
  assert.equal(await text.line(), "ERR line too long (limit 1024 bytes)\n");
  assert.equal(await put(1000), "OK");
  const tooBig = "-ERR Protocol error: too big request\r\n";
  assert.equal(await redis.ask("SET", "b", "x".repeat(5000)), tooBig);
});

Deno.test("kv: a write beyond max_memory is refused; reads and deletes still work", async () => {
  await using kv = await TestKv.start({ max_memory: "10KiB" });
  using client = await kv.connect();
  assert.equal(await client.ask("SET", "a", "x".repeat(9000)), "+OK\r\n");
  const oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
  assert.equal(await client.ask("SET", "b", "x".repeat(2000)), oom);
  assert.equal(await client.ask("APPEND", "a", "x".repeat(2000)), oom);
  assert.equal(await client.ask("STRLEN", "a"), ":9000\r\n");
  using text = await TestClient.connect(kv.address);
  await text.send(`PUT b ${"x".repeat(2000)}\nDELETE a\nPUT b ${"x".repeat(2000)}\n`);
  assert.equal(await text.line(), "ERR out of memory\n");
  assert.equal(await text.line(), "OK\n");
  assert.equal(await text.line(), "OK\n");
});

Deno.test("kv: LIST of a large store is sent while it is read", async () => {
  await using kv = await TestKv.start();
  using redis = await kv.connect();
  const value = "v".repeat(100_000);
  for (let count = 0; count < 300; count++) await redis.ask("SET", `k${count}`, value);
  using reader = await TestClient.connect(kv.address);
  const before = memoryBytes();
  await reader.send("LIST\n".repeat(20));
  await redis.ask("PING");
  assert.equal(await redis.ask("PING"), "+PONG\r\n");
  assert.ok(memoryBytes() - before < 30 * MIB);
});

Deno.test("kv: an idle client is disconnected, an active one is not", async () => {
  await using kv = await TestKv.start({ idle_timeout: "2s" });
  using idle = await kv.connect();
  using active = await kv.connect();
  await idle.ask("PING");
  let closed = false;
  const end = idle.rest().then(() => closed = true);
  await until("the idle client is gone", async () => {
    assert.equal(await active.ask("PING"), "+PONG\r\n");
    return closed;
  });
  await end;
});

Deno.test("kv: a drain runs what was sent, replies and closes", async () => {
  const kv = await TestKv.start({}, "sqlite:kv.db");
  using client = await kv.connect();
  await client.send("SET a 1\r\n".repeat(1000));
  const rest = client.rest();
  await kv.stop({ drainMs: 30_000 });
  assert.equal(await rest, "+OK\r\n".repeat(1000));
});

Deno.test("kv: its metrics count commands, errors and connections", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.ask("SET", "a", "1");
  await client.ask("GET", "a");
  await client.ask("NOSUCH");
  using text = await TestClient.connect(kv.address);
  await text.send("PUT b 2\nnonsense\n");
  await text.line();
  await text.line();
  const metrics = kv.running.metrics();
  const value = (name: string, labels?: Record<string, string>) => {
    const metric = metrics.find((metric) => metric.name === name);
    assert.ok(metric !== undefined && metric.type !== "histogram", name);
    return metric.samples.find((sample) =>
      Object.entries(labels ?? {}).every(([label, text]) => sample.labels?.[label] === text)
    )?.value;
  };
  assert.equal(value("commands_total", { language: "resp", command: "get" }), 1);
  assert.equal(value("commands_total", { language: "text", command: "put" }), 1);
  assert.equal(value("kv_rejected_requests_total"), 2);
  assert.equal(value("kv_errors_total", { code: "ERR" }), 2);
  assert.equal(value("kv_memory_bytes"), 4);
  assert.equal(value("connections"), 2);
  const duration = metrics.find(({ type }) => type === "histogram");
  assert.ok(duration?.type === "histogram");
  assert.equal(duration.samples[0]!.histogram.count, 1);
  assert.deepEqual(kv.running.problems(), []);
});
