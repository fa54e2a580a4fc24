/**
 * MONITOR, CLIENT PAUSE and SLOWLOG.
 *
 * @module
 */

import assert from "node:assert/strict";
import { encodeRequest, type RawClient, TestKv } from "./support.ts";

/** Reads lines of a monitor, without the time and the port, until one ends with the last word. */
async function linesUntil(monitor: RawClient, last: string): Promise<string[]> {
  const lines: string[] = [];
  do {
    const line = await monitor.reply();
    assert.match(line, /^\+\d+\.\d{6} \[/);
    lines.push(line.trim().replace(/^\S+ /, "").replace(/127.0.0.1:\d+/, "client"));
  } while (!lines.at(-1)!.endsWith(last));
  return lines;
}

Deno.test("MONITOR shows commands once they run, but no secrets", async () => {
  await using kv = await TestKv.start();
  using monitor = await kv.connect();
  using client = await kv.connect();
  assert.equal(await monitor.ask("MONITOR"), "+OK\r\n");
  await client.ask("SET", "a", 'x "\\\r\n\x00\xff');
  await client.ask("AUTH", "secret");
  await client.ask("CONFIG", "SET", "save", "secret");
  await client.ask("SELECT", "2");
  await client.ask("MULTI");
  await client.ask("GET", "queued");
  await client.ask("DISCARD");
  await client.ask("MULTI");
  await client.ask("INCR", "n");
  await client.ask("EXEC");
  await client.ask("SET", "long", "y".repeat(2000));
  await client.ask("MGET", ...Array.from({ length: 200 }, () => "k"));
  await client.ask("PING", "end");
  const lines = await linesUntil(monitor, '"end"');
  assert.deepEqual(lines.slice(0, 6), [
    '[0 client] "SET" "a" "x \\"\\\\\\r\\n\\x00\\xff"',
    '[0 client] "SELECT" "2"',
    '[2 client] "MULTI"',
    '[2 client] "DISCARD"',
    '[2 client] "MULTI"',
    '[2 client] "INCR" "n"',
  ]);
  assert.equal(lines[6], '[2 client] "EXEC"');
  assert.equal(lines[7], `[2 client] "SET" "long" "${"y".repeat(1024)}... (976 more bytes)"`);
  assert.match(lines[8]!, / "k" "... \(74 more arguments\)"$/);
  assert.equal(lines.length, 10);
});

Deno.test("MONITOR: the monitor may go on sending commands, and RESET ends it", async () => {
  await using kv = await TestKv.start();
  using monitor = await kv.connect();
  using client = await kv.connect();
  assert.equal(await monitor.ask("MONITOR"), "+OK\r\n");
  assert.equal(await monitor.ask("PING", "1"), "$1\r\n1\r\n");
  assert.deepEqual(await linesUntil(monitor, '"1"'), ['[0 client] "PING" "1"']);
  assert.match(await client.ask("CLIENT", "LIST"), / flags=O .* cmd=ping /);
  assert.deepEqual(await linesUntil(monitor, '"LIST"'), ['[0 client] "CLIENT" "LIST"']);
  assert.equal(await monitor.ask("RESET"), "+RESET\r\n");
  await client.ask("PING", "unseen");
  assert.equal(await monitor.ask("PING", "last"), "$4\r\nlast\r\n");
});

Deno.test("MONITOR: the line about a command of the monitor itself follows the reply", async () => {
  await using kv = await TestKv.start();
  const long = "x".repeat(20_000);
  const script = "SET n 1\r\nPING 1\r\nMONITOR\r\nPING 2\r\nKEYS none\r\nINCR n\r\n" +
    `SET long ${long}\r\nMULTI\r\nGET long\r\nEXEC\r\nCLIENT REPLY SKIP\r\n` +
    "PING 3\r\nPING 4\r\n";
  const expected = [
    "+OK\r\n$1\r\n1\r\n+OK\r\n",
    '$1\r\n2\r\n+ [0 client] "PING" "2"\r\n',
    '*0\r\n+ [0 client] "KEYS" "none"\r\n',
    ':2\r\n+ [0 client] "INCR" "n"\r\n',
    `+OK\r\n+ [0 client] "SET" "long" "${"x".repeat(1024)}... (18976 more bytes)"\r\n`,
    '+OK\r\n+ [0 client] "MULTI"\r\n+QUEUED\r\n',
    `*1\r\n$20000\r\n${long}\r\n+ [0 client] "GET" "long"\r\n+ [0 client] "EXEC"\r\n`,
    '+ [0 client] "CLIENT" "REPLY" "SKIP"\r\n+ [0 client] "PING" "3"\r\n',
    '$1\r\n4\r\n+ [0 client] "PING" "4"\r\n',
  ].join("");
  // It must not matter how the requests are cut into packets.
  for (const size of [script.length, 7]) {
    using monitor = await kv.connect();
    for (let at = 0; at < script.length; at += size) {
      await monitor.send(script.slice(at, at + size));
    }
    let output = "";
    while (!output.endsWith('"PING" "4"\r\n')) output += await monitor.reply();
    assert.equal(output.replace(/\+\d+\.\d{6} \[0 127.0.0.1:\d+\]/g, "+ [0 client]"), expected);
  }
});

Deno.test("MONITOR: a monitor that does not read is disconnected, and delays no one", async () => {
  await using kv = await TestKv.start();
  using monitor = await kv.connect();
  using client = await kv.connect();
  assert.equal(await monitor.ask("MONITOR"), "+OK\r\n");
  const batch = encodeRequest(["SET", "a", "x".repeat(1000)]);
  const many = new Uint8Array(100 * batch.length);
  for (let at = 0; at < 100; at++) many.set(batch, at * batch.length);
  // The sockets' buffers have to fill first: some megabytes.
  for (let round = 0; round < 500; round++) {
    await client.send(many);
    for (let at = 0; at < 100; at++) assert.equal(await client.reply(), "+OK\r\n");
    if (!(await client.ask("CLIENT", "LIST")).includes("flags=O")) break;
  }
  assert.ok(!(await client.ask("CLIENT", "LIST")).includes("flags=O"));
  // It gets what was on its way, and then the end.
  await monitor.rest().catch((error) => {
    assert.ok(error instanceof Deno.errors.ConnectionReset, String(error));
  });
  assert.equal(kv.log.matching("Monitor disconnected: it does not read").length, 1);
});

Deno.test("CLIENT PAUSE delays commands until its end, or until UNPAUSE", async () => {
  await using kv = await TestKv.start();
  using a = await kv.connect();
  using b = await kv.connect();
  assert.equal(await a.ask("SET", "k", "0"), "+OK\r\n");
  assert.equal(await a.ask("CLIENT", "PAUSE", "60000", "WRITE"), "+OK\r\n");
  assert.equal(await b.ask("GET", "k"), "$1\r\n0\r\n");
  // The write waits, and so does what the same client sends after it.
  await b.send(encodeRequest(["SET", "k", "1"]));
  await b.send(encodeRequest(["GET", "k"]));
  assert.equal(await a.ask("GET", "k"), "$1\r\n0\r\n");
  assert.equal(await a.ask("CLIENT", "UNPAUSE"), "+OK\r\n");
  assert.equal(await b.reply(), "+OK\r\n");
  assert.equal(await b.reply(), "$1\r\n1\r\n");

  const startMs = performance.now();
  assert.equal(await a.ask("CLIENT", "PAUSE", "50"), "+OK\r\n");
  assert.equal(await b.ask("PING"), "+PONG\r\n");
  assert.ok(performance.now() - startMs >= 49);
  assert.match(await a.ask("CLIENT", "PAUSE", "3600001"), /^-ERR timeout is out of range/);
});

Deno.test("CLIENT PAUSE does not hold up a drain", async () => {
  const kv = await TestKv.start();
  using a = await kv.connect();
  using b = await kv.connect();
  assert.equal(await a.ask("CLIENT", "PAUSE", "3600000"), "+OK\r\n");
  await b.send(encodeRequest(["SET", "a", "1"]));
  const startMs = performance.now();
  await kv.stop({ drainMs: 60_000 });
  assert.ok(performance.now() - startMs < 30_000);
});

Deno.test("SLOWLOG keeps the latest slow commands, cut to a maximum length", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.ask("CLIENT", "SETNAME", "me");
  await client.ask("CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "3");
  await client.ask("SLOWLOG", "RESET");
  await client.ask("SET", "a", "x".repeat(200));
  await client.ask("MGET", ...Array.from({ length: 40 }, (_, at) => `k${at}`));
  await client.ask("KEYS", "*");
  await client.ask("AUTH", "secret");
  const reply = await client.ask("SLOWLOG", "GET");
  const entries = reply.match(/\*6\r\n:\d+\r\n:\d+\r\n:\d+\r\n/g);
  assert.equal(entries?.length, 3);
  assert.match(reply, /\$4\r\nKEYS\r\n\$1\r\n\*\r\n\$\d+\r\n127.0.0.1:\d+\r\n\$2\r\nme\r\n/);
  assert.match(reply, /\*32\r\n\$4\r\nMGET\r\n/);
  assert.match(reply, /... \(10 more arguments\)\r\n/);
  assert.match(reply, new RegExp(`\r\n${"x".repeat(128)}... \\(72 more bytes\\)\r\n`));
  assert.match(await client.ask("SLOWLOG", "GET", "1"), /^\*1\r\n\*6\r\n.*\r\n.*\r\n.*\r\n\*2\r\n/);
  await client.ask("CONFIG", "SET", "slowlog-log-slower-than", "-1");
  await client.ask("SLOWLOG", "RESET");
  assert.equal(await client.ask("SLOWLOG", "LEN"), ":0\r\n");
  await client.ask("GET", "a");
  assert.equal(await client.ask("SLOWLOG", "GET", "-1"), "*0\r\n");
  assert.match(
    await client.ask("CONFIG", "SET", "slowlog-max-len", "-1"),
    /argument must be between 0 and 9223372036854775807 inclusive/,
  );
});
