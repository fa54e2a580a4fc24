/**
 * The text protocol over a socket.
 *
 * @module
 */

import assert from "node:assert/strict";
import { TestClient } from "../support/client.ts";
import { TestKv } from "./support.ts";

/** Sends requests and checks their replies. */
async function converse(
  client: TestClient,
  exchanges: [request: string, reply: string][],
): Promise<void> {
  for (const [request, reply] of exchanges) {
    await client.send(`${request}\n`);
    assert.equal(await client.line(), `${reply}\n`, request);
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
      ["SET a b", "ERR unknown command, try HELP"],
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
