/**
 * The text protocol over a socket.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { TestClient } from "../support/client.ts";
import { until } from "../support/within.ts";
import { assertTimeLeft, latin1Text, TestKv } from "./support.ts";

const BAD_WORD =
  "in a key, a backslash stands before \\, n, r, s, a comma, an equals sign or xHH; " +
  "the empty key is \\e";

/** The time to live in seconds of a key that was set to expire in a thousand years. */
const THOUSAND_YEARS = /^VALUE 31535999\d\d\d\n$/;

/** Sends requests and checks their replies. */
async function converse(
  client: TestClient,
  exchanges: [request: string, reply: string | RegExp][],
): Promise<void> {
  for (const [request, reply] of exchanges) {
    await client.send(`${request}\n`);
    if (reply instanceof RegExp) {
      assert.match(await client.line(), reply, request);
      continue;
    }
    for (const line of reply.split("\n")) {
      assert.equal(await client.line(), `${line}\n`, request);
    }
  }
}

for (const storage of ["memory:", "sqlite:kv.db"]) {
  Deno.test(`text protocol on ${storage}: one line per request, one line per reply`, async () => {
    await using kv = await TestKv.start({}, storage);
    using client = await TestClient.connect(kv.address);
    await converse(client, [
      ["GET a", "NOT_FOUND"],
      ["PUT a hello, world", "OK"],
      ["GET a", "VALUE hello, world"],
      ["get a\r", "VALUE hello, world"],
      ["PUT b x\\ny\\\\z=1,2", "OK"],
      ["GET b", "VALUE x\\ny\\\\z=1,2"],
      ["LIST", "a=hello\\, world,b=x\\ny\\\\z\\=1\\,2"],
      ["LIST b", "b=x\\ny\\\\z\\=1\\,2"],
      ["LIST AFTER a", "b=x\\ny\\\\z\\=1\\,2"],
      ["LIST LIMIT 1", "a=hello\\, world"],
      ["LIST LIMIT 0", ""],
      ["LIST nothing", ""],
      ["COUNT", "VALUE 2"],
      ["DELETE b", "OK"],
      ["DELETE b", "NOT_FOUND"],
      ["EXISTS a", "OK"],
      ["EXISTS b", "NOT_FOUND"],
      ["INCR n", "VALUE 1"],
      ["INCR n 41", "VALUE 42"],
      ["INCR n -43", "VALUE -1"],
      ["INCR a", "ERR the value is not a whole number of 64 bits"],
      ["PUT n 9223372036854775807", "OK"],
      ["INCR n", "ERR the sum does not fit into 64 bits"],
      ["CAS c old new", "NOT_FOUND"],
      ["PUT c old", "OK"],
      ["CAS c wrong new", "CONFLICT"],
      ["CAS c old new value", "OK"],
      ["GET c", "VALUE new value"],
      ["PUTEX e 100 v", "OK"],
      ["GET e", "VALUE v"],
      ["PUT f ", "OK"],
      ["GET f", "VALUE "],
      ["", "ERR empty request, try HELP"],
      ["NOPE", "ERR unknown command, try HELP"],
      ["putnx a other", "EXISTS"],
      ["PUTNX x new value", "OK"],
      ["GET x", "VALUE new value"],
      ["TTL x", "NO_TTL"],
      ["TTL missing", "NOT_FOUND"],
      ["EXPIRE missing 10", "NOT_FOUND"],
      ["PERSIST missing", "NOT_FOUND"],
      ["PERSIST x", "NO_TTL"],
      ["EXPIRE x 31535999999", "OK"],
      ["TTL x", THOUSAND_YEARS],
      ["PERSIST x", "OK"],
      ["TTL x", "NO_TTL"],
      ["GET x", "VALUE new value"],
      ["DELETEIF missing v", "NOT_FOUND"],
      ["DELETEIF x new", "CONFLICT"],
      ["DELETEIF x new value", "OK"],
      ["GET x", "NOT_FOUND"],
      ["PUTEX i 31535999999 5", "OK"],
      ["INCREX i 2 10", "VALUE 7"],
      ["TTL i", THOUSAND_YEARS],
      ["INCREX a 2 10", "ERR the value is not a whole number of 64 bits"],
      ["INCREX n 1 10", "ERR the sum does not fit into 64 bits"],
      ["TTL n", "NO_TTL"],
      ["MGET x", "NOT_FOUND"],
      ["MGET x a x\\sy i", "NOT_FOUND\nVALUE hello, world\nNOT_FOUND\nVALUE 7"],
      ["PUT \\e nothing", "OK"],
      ["PUT \\e\\e x", `ERR ${BAD_WORD}`],
      ["MGET \\e", "VALUE nothing"],
      ["LIST LIMIT 1", "\\e=nothing"],
      ["LIST AFTER \\e LIMIT 1", "a=hello\\, world"],
      ["CAS \\e nothing ", "OK"],
      ["CAS \\e \\e more", "OK"],
    ]);
    await client.send("QUIT\nPUT a b\n");
    assert.equal(await client.rest(), "OK\n");
  });
}

Deno.test("text protocol: HELP lists every command on one line", async () => {
  await using kv = await TestKv.start();
  using client = await TestClient.connect(kv.address);
  await client.send("HELP\n");
  assert.match(await client.line(), /^COMMANDS PUT key value \| GET key \| .*QUIT\n$/);
});

Deno.test("text protocol: a line that is too long is refused, and the connection stays usable", async () => {
  await using kv = await TestKv.start({ max_line: "100B" });
  using client = await TestClient.connect(kv.address);
  await converse(client, [
    [`PUT a ${"x".repeat(94)}`, "OK"],
    [`PUT a ${"x".repeat(95)}`, "ERR line too long (limit 100 bytes)"],
    [`PUT a ${"x".repeat(1_000_000)}`, "ERR line too long (limit 100 bytes)"],
    ["COUNT", "VALUE 1"],
  ]);
});

Deno.test("text protocol: requests in one packet are answered in order", async () => {
  for (const storage of ["memory:", "sqlite:kv.db"]) {
    await using kv = await TestKv.start({}, storage);
    using client = await TestClient.connect(kv.address);
    await client.send("PUT a 1\nINCR a\nGET a\nCOUNT\nPUT b 2\nLIST\nDELETE a\nLIST\nnonsense\n");
    for (
      const reply of [
        "OK",
        "VALUE 2",
        "VALUE 2",
        "VALUE 1",
        "OK",
        "a=2,b=2",
        "OK",
        "b=2",
        "ERR unknown command, try HELP",
      ]
    ) assert.equal(await client.line(), `${reply}\n`);
  }
});

Deno.test("text protocol: it reads exactly the bytes that Redis clients write", async () => {
  await using kv = await TestKv.start();
  using redis = await kv.connect();
  using client = await TestClient.connect(kv.address);
  await redis.ask("SET", "k", "\r\n\\");
  await converse(client, [["GET k", "VALUE \\r\\n\\\\"], ["PUT k a\\nb", "OK"]]);
  assert.equal(await redis.ask("GET", "k"), "$3\r\na\nb\r\n");
});

Deno.test("text protocol: LIST of many pages returns every pair once, in order", async () => {
  await using kv = await TestKv.start();
  using redis = await kv.connect();
  const keys = Array.from({ length: 5000 }, (_, index) => `k${String(index).padStart(5, "0")}`);
  await redis.ask("MSET", ...keys.flatMap((key) => [key, `value of ${key}`]));
  using client = await TestClient.connect(kv.address);
  await client.send("LIST\n");
  const pairs = (await client.line()).trimEnd().split(",");
  assert.deepEqual(pairs, keys.map((key) => `${key}=value of ${key}`));
  await client.send("LIST k AFTER k00009 LIMIT 3\n");
  assert.equal(
    await client.line(),
    "k00010=value of k00010,k00011=value of k00011,k00012=value of k00012\n",
  );
});

Deno.test("text protocol: a value of many megabytes comes back intact", async () => {
  await using kv = await TestKv.start({ max_line: "16MiB" });
  using client = await TestClient.connect(kv.address);
  const value = "0123456789\\\\".repeat(500_000);
  await client.send(`PUT a ${value}\n`);
  assert.equal(await client.line(), "OK\n");
  await client.send("GET a\nLIST\nGET b\n");
  assert.equal(await client.line(), `VALUE ${value}\n`);
  assert.equal(await client.line(), `a=${value}\n`);
  assert.equal(await client.line(), "NOT_FOUND\n");
});

Deno.test("text protocol: TTL is rounded to the nearest second", async () => {
  await using kv = await TestKv.start();
  using client = await TestClient.connect(kv.address);
  const startMs = performance.now();
  await converse(client, [["PUTEX a 1000 x", "OK"]]);
  // Ask until some milliseconds have passed, so that there is something to round.
  do {
    await client.send("TTL a\n");
    const [, seconds] = /^VALUE (\d+)\n$/.exec(await client.line())!;
    assertTimeLeft(Number(seconds), { seconds: 1000, startMs });
  } while (performance.now() - startMs < 10);
});

Deno.test("text protocol: INCREX counts the time from the first increment", async () => {
  await using kv = await TestKv.start();
  using client = await TestClient.connect(kv.address);
  using redis = await kv.connect();
  await converse(client, [["INCREX n 1 31536000000", "VALUE 1"]]);
  const expiry = await redis.ask("PEXPIRETIME", "n");
  await converse(client, [["INCREX n 5 1", "VALUE 6"]]);
  assert.equal(await redis.ask("PEXPIRETIME", "n"), expiry);
  // A counter without a time to live would never end, so it gets one.
  await converse(client, [
    ["PERSIST n", "OK"],
    ["INCREX n 1 31535999999", "VALUE 7"],
    ["TTL n", THOUSAND_YEARS],
  ]);
});

Deno.test("text protocol: EXPIRE and INCREX make keys vanish", async () => {
  await using kv = await TestKv.start();
  using client = await TestClient.connect(kv.address);
  await converse(client, [
    ["PUT a x", "OK"],
    ["EXPIRE a 1", "OK"],
    ["INCREX b 1 1", "VALUE 1"],
  ]);
  await until("both have expired", async () => {
    await client.send("COUNT\n");
    return await client.line() === "VALUE 0\n";
  });
});

Deno.test("text protocol: MGET of long values keeps its order among other replies", async () => {
  await using kv = await TestKv.start({ max_line: "1MiB" });
  using client = await TestClient.connect(kv.address);
  const long = "x\\\\".repeat(60_000);
  await client.send(`PUT a ${long}\nPUT b short\nGET b\nMGET a b c a\nGET b\n`);
  for (
    const line of [
      "OK",
      "OK",
      "VALUE short",
      `VALUE ${long}`,
      "VALUE short",
      "NOT_FOUND",
      `VALUE ${long}`,
      "VALUE short",
    ]
  ) assert.equal(await client.line(), `${line}\n`);
});

Deno.test("text protocol: a Redis command gets an error that names both languages", async () => {
  await using kv = await TestKv.start();
  for (
    const [first, reply, word] of [
      ["mget a", "NOT_FOUND", "mget"],
      ["TTL a", "NOT_FOUND", "TTL"],
      ["EXPIRE a 1", "NOT_FOUND", "EXPIRE"],
      ["PERSIST a", "NOT_FOUND", "PERSIST"],
      [`${"\x07".repeat(40)} x`, "ERR unknown command, try HELP", "?".repeat(32)],
    ] as const
  ) {
    using client = await TestClient.connect(kv.address);
    await converse(client, [
      [first, reply],
      [
        "set a b",
        "ERR SET is a command of the Redis protocol, but this connection speaks the text " +
        `protocol, because its first word was "${word}"`,
      ],
      ["GET a", "NOT_FOUND"],
    ]);
  }
});

const keyOfBytes = fc.uint8Array({ maxLength: 40 }).map(latin1Text);

Deno.test("text protocol: any key of LIST can be sent back, in AFTER and in GET", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  using redis = await kv.connect();
  const property = fc.asyncProperty(fc.uniqueArray(keyOfBytes, { maxLength: 8 }), async (keys) => {
    await redis.ask("FLUSHALL");
    for (const [index, key] of keys.entries()) await redis.ask("SET", key, String(index));
    const found: string[] = [];
    let after = "";
    for (;;) {
      const pair = /^((?:\\.|[^\\])*?)=(.*)$/.exec(await client.askLine(`LIST${after} LIMIT 1`));
      if (pair === null) break;
      const [, key, value] = pair as unknown as [string, string, string];
      found.push(value);
      assert.equal(await client.askLine(`GET ${key}`), `VALUE ${value}`);
      after = ` AFTER ${key}`;
    }
    const sorted = [...keys.entries()].sort(([, a], [, b]) => a < b ? -1 : 1);
    assert.deepEqual(found, sorted.map(([index]) => String(index)));
  });
  await fc.assert(property, { numRuns: 40 });
});
