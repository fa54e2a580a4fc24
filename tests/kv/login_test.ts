/**
 * Clients of a service that requires a token.
 *
 * @module
 */

import assert from "node:assert/strict";
import { FailureCounter, Guard } from "../../lib/auth.ts";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { TestClient } from "../support/client.ts";
import { within } from "../support/within.ts";
import { encodeRequest, RawClient, TestKv } from "./support.ts";

const TOKEN = "a-token-of-kv";
const NOAUTH = "-NOAUTH Authentication required.\r\n";
const WRONGPASS = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

const DEADLINE_MS = 60_000;

/** Less than the time that failures keep others waiting. */
const LOGIN_TIMEOUT_MS = 20_000;

function startGuarded(
  { maxFailures = 10, loginTimeoutMs = LOGIN_TIMEOUT_MS, checkIntervalMs = 60_000 } = {},
): Promise<TestKv> {
  const failures = new FailureCounter(maxFailures, 60_000, checkIntervalMs);
  return TestKv.start({}, "memory:", new Guard([TOKEN], failures, loginTimeoutMs));
}

Deno.test("login: a Redis client can do nothing before it has shown a token", async () => {
  await using kv = await startGuarded();
  using client = await kv.connect();
  for (const args of [["GET", "a"], ["SET", "a", "1"], ["PING"], ["MULTI"], ["CLIENT", "LIST"]]) {
    assert.equal(await client.ask(...args), NOAUTH);
  }
  assert.match(await client.ask("HELLO", "3"), /^-NOAUTH HELLO must be called/);
  assert.equal(await client.ask("AUTH", "wrong"), WRONGPASS);
  assert.equal(await client.ask("AUTH", "nobody", TOKEN), WRONGPASS);
  assert.equal(await client.ask("GET", "a"), NOAUTH);
  assert.equal(await client.ask("AUTH", TOKEN), "+OK\r\n");
  assert.equal(await client.ask("SET", "a", "1"), "+OK\r\n");
  assert.equal(await client.ask("RESET"), "+RESET\r\n");
  assert.equal(await client.ask("GET", "a"), NOAUTH);
  assert.equal(await client.ask("AUTH", "default", TOKEN), "+OK\r\n");
  assert.equal(await client.ask("GET", "a"), "$1\r\n1\r\n");
  assert.equal(await client.ask("AUTH", "wrong"), WRONGPASS);
  assert.equal(await client.ask("GET", "a"), "$1\r\n1\r\n", "it stays logged in");
  assert.equal(kv.log.matching("Client presented a wrong token").length, 3);
  assert.deepEqual(kv.log.matching(TOKEN), []);
});

Deno.test("login: HELLO can show the token", async () => {
  await using kv = await startGuarded();
  using client = await kv.connect();
  assert.equal(await client.ask("HELLO", "3", "AUTH", "default", "wrong"), WRONGPASS);
  const badOption = ["HELLO", "3", "AUTH", "default", TOKEN, "WHAT"];
  assert.match(await client.ask(...badOption), /^-ERR Syntax error in HELLO option 'WHAT'/);
  assert.equal(await client.ask("GET", "a"), NOAUTH);
  const hello = ["HELLO", "3", "AUTH", "default", TOKEN, "SETNAME", "me"];
  assert.match(await client.ask(...hello), /^%7\r\n/);
  assert.equal(await client.ask("CLIENT", "GETNAME"), "$2\r\nme\r\n");
  assert.equal(await client.ask("GET", "a"), "_\r\n");
});

Deno.test("login: a client without a token can send only small requests", async () => {
  await using kv = await startGuarded();
  for (
    const [args, error] of [
      [Array.from({ length: 11 }, () => "x"), "unauthenticated multibulk length"],
      [["AUTH", "x".repeat(16385)], "unauthenticated bulk length"],
    ] as [string[], string][]
  ) {
    using client = await kv.connect();
    await client.send(encodeRequest(args));
    assert.equal(await client.rest(), `-ERR Protocol error: ${error}\r\n`);
  }
  using huge = await kv.connect();
  await huge.send("*2\r\n$4\r\nAUTH\r\n$999999999\r\n");
  assert.equal(await huge.rest(), "-ERR Protocol error: invalid bulk length\r\n");
  using client = await kv.connect();
  await client.ask("AUTH", TOKEN);
  assert.equal(await client.ask("SET", "a", "x".repeat(100_000)), "+OK\r\n");
});

Deno.test("login: a line with AUTH and a token may precede either protocol", async () => {
  await using kv = await startGuarded();
  using text = await TestClient.connect(kv.address);
  await text.send(`auth ${TOKEN}\r\nPUT a 1\nGET a\n`);
  for (const reply of ["OK", "OK", "VALUE 1"]) assert.equal(await text.line(), `${reply}\n`);
  using redis = await TestClient.connect(kv.address);
  await redis.send(`AUTH ${TOKEN}\n`);
  assert.equal(await redis.line(), "OK\n");
  await redis.send("PING\r\n");
  assert.equal(await redis.line(), "+PONG\r\n");
  using inline = await TestClient.connect(kv.address);
  await inline.send(`AUTH default ${TOKEN}\r\nPING\r\n`);
  assert.equal(await inline.line(), "+OK\r\n");
  assert.equal(await inline.line(), "+PONG\r\n");
});

Deno.test("login: a line without a token, or with a wrong one, ends the connection", async () => {
  await using kv = await startGuarded();
  for (
    const [line, reply] of [
      ["GET a", "ERR AUTH token expected first\n"],
      ["AUTH wrong", "ERR wrong token\n"],
      ["PING", NOAUTH],
    ]
  ) {
    using client = await TestClient.connect(kv.address);
    await client.send(`${line}\n`);
    await client.closeWrite();
    assert.equal(await client.rest(), reply);
  }
});

Deno.test("login: the right token is refused if its turn is beyond the time limit", async () => {
  await using kv = await startGuarded({ maxFailures: 2 });
  using client = await kv.connect();
  await client.ask("AUTH", "wrong");
  await client.ask("AUTH", "wrong");
  assert.equal(await client.ask("AUTH", TOKEN), "-ERR too many failures, come back later\r\n");
  assert.equal(await client.rest(), "");
  using text = await TestClient.connect(kv.address);
  await text.send(`AUTH ${TOKEN}\n`);
  assert.equal(await text.rest(), "ERR too many failures, come back later\n");
});

Deno.test("login: after too many failures, AUTH and HELLO wait for their turn", async () => {
  const mset = ["MSET", ...Array.from({ length: 20 }, (_, i) => [`k${i}`, "x"])].flat();
  for (const login of [["AUTH", TOKEN], ["HELLO", "3", "AUTH", "default", TOKEN]]) {
    await using kv = await startGuarded({ maxFailures: 1, checkIntervalMs: 200 });
    using client = await kv.connect();
    const startMs = performance.now();
    assert.equal(await client.ask("AUTH", "wrong"), WRONGPASS);
    const requests = [login, mset, ["GET", "none"]].map((args) => encodeRequest(args));
    await client.send(requests.map((request) => new TextDecoder().decode(request)).join(""));
    assert.match(await client.reply(), /^(\+OK|%7)\r\n/);
    assert.ok(performance.now() - startMs > 150, "it was not checked at once");
    assert.equal(await client.reply(), "+OK\r\n", "requests after it are those of a user");
    assert.equal(await client.reply(), login[0] === "HELLO" ? "_\r\n" : "$-1\r\n");
  }
});

Deno.test("login: requests sent in one write with AUTH are served", async () => {
  await using kv = await startGuarded();
  using client = await kv.connect();
  const mset = ["MSET", ...Array.from({ length: 20 }, (_, i) => [`k${i}`, "x".repeat(20_000)])];
  await client.send(
    [["GET", "a"], ["AUTH", TOKEN], mset.flat(), ["RESET"], ["GET", "a"], ["AUTH", TOKEN]]
      .map((args) => new TextDecoder().decode(encodeRequest(args))).join(""),
  );
  for (const reply of [NOAUTH, "+OK\r\n", "+OK\r\n", "+RESET\r\n", NOAUTH, "+OK\r\n"]) {
    assert.equal(await client.reply(), reply);
  }
});

Deno.test("login: a line AUTH is understood wherever it is split", async () => {
  await using kv = await startGuarded();
  const sent = `AUTH ${TOKEN}\nGET a\n`;
  for (let cut = 1; cut < sent.length; cut++) {
    using client = await kv.connect();
    await client.send(sent.slice(0, cut));
    await client.send(sent.slice(cut));
    await client.send("QUIT\n");
    assert.equal(await client.rest(), "OK\nNOT_FOUND\nOK\n", `cut at ${cut}`);
  }
});

Deno.test("login: a client that shows no token in time is closed, even if it is active", async () => {
  await using kv = await startGuarded({ loginTimeoutMs: 2000 });
  using inside = await kv.connect();
  assert.equal(await inside.ask("AUTH", TOKEN), "+OK\r\n");
  using line = await kv.connect();
  await line.send(`AUTH ${TOKEN}\nCOUNT\n`);
  using silent = await kv.connect();
  using half = await kv.connect();
  await half.send("*2\r\n$4\r\nAUTH\r\n");
  using busy = await kv.connect();
  assert.equal(await busy.ask("AUTH", "wrong"), WRONGPASS);
  for (const client of [silent, half, busy]) assert.equal(await endOf(client), "");
  assert.equal(
    await inside.ask("SET", "a", "1"),
    "+OK\r\n",
    "a client that is logged in has no deadline",
  );
  await line.send("QUIT\n");
  assert.equal(await line.rest(), "OK\nVALUE 0\nOK\n");
  assert.equal(await inside.ask("RESET"), "+RESET\r\n");
  assert.equal(await endOf(inside), "", "RESET starts a new deadline");
});

Deno.test("login: ioredis and node-redis log in with a password, and are refused with a wrong one", async () => {
  await using kv = await startGuarded();
  for (const protocol of [2, 3] as const) {
    const options = { port: kv.port, host: "127.0.0.1", protocol, retryStrategy: () => null };
    const io = new Redis({ ...options, password: TOKEN });
    const node = createClient({
      RESP: protocol,
      url: `redis://:${TOKEN}@127.0.0.1:${kv.port}`,
      socket: { reconnectStrategy: false },
    });
    try {
      assert.equal(await within(DEADLINE_MS, "ioredis", io.set("a", protocol)), "OK");
      await within(DEADLINE_MS, "node-redis", node.connect());
      assert.equal(await within(DEADLINE_MS, "GET", node.get("a")), String(protocol));
    } finally {
      io.disconnect();
      node.destroy();
    }
  }
  const stranger = createClient({
    url: `redis://:wrong@127.0.0.1:${kv.port}`,
    socket: { reconnectStrategy: false },
  });
  stranger.on("error", () => {});
  await assert.rejects(within(DEADLINE_MS, "refusal", stranger.connect()), /WRONGPASS/);
});

/** Everything up to the end of the connection; a reset counts as an end. */
async function endOf(client: RawClient): Promise<string> {
  try {
    return await client.rest();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) return "";
    throw error;
  }
}
