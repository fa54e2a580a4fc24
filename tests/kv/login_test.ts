/**
 * Clients of a service that a token opens.
 *
 * @module
 */

import assert from "node:assert/strict";
import { FailureCounter, Guard } from "../../lib/auth.ts";
import { TestClient } from "../support/client.ts";
import { encodeRequest, TestKv } from "./support.ts";

const TOKEN = "a-token-of-kv";
const NOAUTH = "-NOAUTH Authentication required.\r\n";
const WRONGPASS = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

function startGuarded(maxFailures = 10): Promise<TestKv> {
  return TestKv.start({}, "memory:", new Guard([TOKEN], new FailureCounter(maxFailures, 60_000)));
}

Deno.test("login: a Redis client may do nothing before it has shown a token", async () => {
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
});

Deno.test("login: HELLO can show the token", async () => {
  await using kv = await startGuarded();
  using client = await kv.connect();
  assert.equal(await client.ask("HELLO", "3", "AUTH", "default", "wrong"), WRONGPASS);
  assert.match(await client.ask("HELLO", "3", "AUTH", "default", TOKEN), /^%7\r\n/);
  assert.equal(await client.ask("GET", "a"), "_\r\n");
});

Deno.test("login: who has shown no token cannot send much", async () => {
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
  using client = await kv.connect();
  await client.ask("AUTH", TOKEN);
  assert.equal(await client.ask("SET", "a", "x".repeat(100_000)), "+OK\r\n");
});

Deno.test("login: a line of AUTH and a token comes before either language", async () => {
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

Deno.test("login: lines without a token, or with a wrong one, end the connection", async () => {
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

Deno.test("login: after too many failures the right token does not help either", async () => {
  await using kv = await startGuarded(2);
  using client = await kv.connect();
  await client.ask("AUTH", "wrong");
  await client.ask("AUTH", "wrong");
  assert.equal(await client.ask("AUTH", TOKEN), "-ERR too many failures, come back later\r\n");
  assert.equal(await client.rest(), "");
  using text = await TestClient.connect(kv.address);
  await text.send(`AUTH ${TOKEN}\n`);
  assert.equal(await text.rest(), "ERR too many failures, come back later\n");
});
