/**
 * Commands on the bits of long values, which run in steps.
 *
 * @module
 */

import assert from "node:assert/strict";
import { encodeRequest, TestKv } from "./support.ts";

const MIB = 1024 * 1024;

Deno.test("kv: commands on long bit strings keep the order of a pipeline", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const requests: [string[], string][] = [
    [["SET", "a", "\x0f".repeat(3 * MIB)], "+OK\r\n"],
    [["SET", "b", "\xff".repeat(2 * MIB)], "+OK\r\n"],
    [["BITCOUNT", "a"], `:${12 * MIB}\r\n`],
    [["BITCOUNT", "a", "-9", "-1", "BIT"], ":5\r\n"],
    [["BITPOS", "b", "0"], `:${16 * MIB}\r\n`],
    [["BITPOS", "b", "0", "0", "-1"], ":-1\r\n"],
    [["SETBIT", "b", String(16 * MIB - 1), "0"], ":1\r\n"],
    [["BITPOS", "b", "0"], `:${16 * MIB - 1}\r\n`],
    [["BITOP", "XOR", "c", "a", "b", "nothing"], `:${3 * MIB}\r\n`],
    [["GETRANGE", "c", String(2 * MIB - 2), String(2 * MIB + 1)], "$4\r\n\xf0\xf1\x0f\x0f\r\n"],
    [["BITOP", "AND", "c", "c", "b"], `:${3 * MIB}\r\n`],
    [["BITCOUNT", "c"], `:${8 * MIB}\r\n`],
    [["BITOP", "NOT", "c", "b"], `:${2 * MIB}\r\n`],
    [["BITCOUNT", "c"], ":1\r\n"],
    [["MULTI"], "+OK\r\n"],
    [["BITOP", "OR", "d", "a", "b"], "+QUEUED\r\n"],
    [["BITCOUNT", "d"], "+QUEUED\r\n"],
    [["EXEC"], `*2\r\n:${3 * MIB}\r\n:${20 * MIB}\r\n`],
  ];
  const sent = (async () => {
    for (const [request] of requests) await client.send(encodeRequest(request));
  })();
  for (const [request, reply] of requests) {
    assert.equal(await client.reply(), reply, request.map((word) => word.slice(0, 20)).join(" "));
  }
  await sent;
});

Deno.test("kv: bits and fields beyond max_value are refused", async () => {
  await using kv = await TestKv.start({ max_value: "1KiB" });
  using client = await kv.connect();
  const outside = "-ERR bit offset is not an integer or out of range\r\n";
  assert.equal(await client.ask("SETBIT", "a", "8191", "1"), ":0\r\n");
  assert.equal(await client.ask("SETBIT", "a", "8192", "1"), outside);
  assert.equal(await client.ask("GETBIT", "a", "8192"), outside);
  assert.equal(await client.ask("BITFIELD", "a", "SET", "u8", "8192", "1"), outside);
  assert.equal(await client.ask("BITFIELD", "a", "SET", "u8", "#1023", "1"), "*1\r\n:1\r\n");
  assert.equal(await client.ask("BITFIELD", "a", "SET", "u8", "#1024", "1"), outside);
  assert.equal(
    await client.ask("BITFIELD", "a", "SET", "u8", "8191", "1"),
    "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n",
  );
  const many = Array.from({ length: 4097 }, () => ["GET", "u8", "0"]).flat();
  assert.match(await client.ask("BITFIELD", "a", ...many.slice(3)), /^\*4096\r\n/);
  assert.match(await client.ask("BITFIELD", "a", ...many), /^-ERR BITFIELD takes at most 4096/);
});
