/**
 * APPEND, SETRANGE, SETBIT and BITFIELD change a long value in place, in transactions and scripts
 * too.
 *
 * @module
 */

import assert from "node:assert/strict";
import { encodeRequest, type RawClient, TestKv } from "./support.ts";

const LONG_BYTES = 4 * 1024 * 1024;

/** Runs commands as a transaction; returns the reply to EXEC. */
async function execute(client: RawClient, commands: string[][]): Promise<string> {
  const requests = [["MULTI"], ...commands, ["EXEC"]].map((words) => encodeRequest(words));
  for (const request of requests) await client.send(request);
  for (let queued = 0; queued <= commands.length; queued++) await client.reply();
  return await client.reply();
}

for (const storage of ["memory:", "sqlite:kv.db"]) {
  // A copy per command would be 800 MiB, far beyond the limit on memory.
  Deno.test(`kv on ${storage}: EXEC changes a long value in place`, async () => {
    await using kv = await TestKv.start({ max_memory: "16MiB" }, storage);
    using client = await kv.connect();
    await client.ask("SET", "long", "x".repeat(LONG_BYTES));
    const appends = Array.from({ length: 100 }, () => ["APPEND", "long", "ab"]);
    const ranges = Array.from({ length: 100 }, (_, at) => ["SETRANGE", "long", String(at), "y"]);
    const bits = Array.from(
      { length: 100 },
      (_, at) => ["SETBIT", "long", String(8000 + 8 * at), "1"],
    );
    const add = ["INCRBY", "u8", "#2000", "1", "GET", "u8", "#2001"];
    const fields = Array.from({ length: 100 }, () => ["BITFIELD", "long", ...add]);
    const end = LONG_BYTES + 200;
    const replies = [
      ...appends.map((_, at) => `:${LONG_BYTES + 2 * (at + 1)}\r\n`),
      ...ranges.map(() => `:${end}\r\n`),
      ...bits.map(() => ":0\r\n"),
      ...fields.map((_, at) => `*2\r\n:${121 + at}\r\n:120\r\n`),
    ];
    const commands = [...appends, ...ranges, ...bits, ...fields];
    assert.equal(await execute(client, commands), `*400\r\n${replies.join("")}`);
    assert.equal(await client.ask("GETRANGE", "long", "999", "1001"), "$3\r\nx\xf8\xf8\r\n");
    assert.equal(await client.ask("GETRANGE", "long", "1999", "2001"), "$3\r\nx\xdcx\r\n");
    assert.equal(await client.ask("STRLEN", "long"), `:${end}\r\n`);
    assert.equal(await client.ask("GETRANGE", "long", "98", "101"), "$4\r\nyyxx\r\n");
    assert.equal(await client.ask("GETRANGE", "long", "-3", "-1"), "$3\r\nbab\r\n");
  });

  Deno.test(`kv on ${storage}: what EXEC changed in place is undone`, async () => {
    await using kv = await TestKv.start({ max_memory: "16MiB" }, storage);
    using client = await kv.connect();
    await client.ask("SET", "long", "x".repeat(LONG_BYTES));
    const reply = await execute(client, [
      ["APPEND", "long", "abc"],
      ["SETRANGE", "long", "1", "yy"],
      ["SETRANGE", "long", "2", "zz"],
      ["SETBIT", "long", "4", "0"],
      ["BITFIELD", "long", "SET", "u16", "#1", "7"],
      ["SET", "more", "x".repeat(4 * LONG_BYTES)],
    ]);
    assert.match(reply, /^-EXECABORT/);
    assert.equal(await client.ask("STRLEN", "long"), `:${LONG_BYTES}\r\n`);
    assert.equal(await client.ask("GETRANGE", "long", "0", "4"), "$5\r\nxxxxx\r\n");
  });

  Deno.test(`kv on ${storage}: EXEC appends to short, absent and expired values`, async () => {
    await using kv = await TestKv.start({}, storage);
    using client = await kv.connect();
    await client.ask("SET", "short", "a");
    await client.ask("SET", "late", "a", "PXAT", "1");
    const reply = await execute(client, [
      ["APPEND", "short", "b"],
      ["SETRANGE", "short", "4", "c"],
      ["APPEND", "absent", "b"],
      ["APPEND", "late", "b"],
      ["SETRANGE", "none", "2", ""],
      ["GET", "short"],
    ]);
    assert.equal(reply, "*6\r\n:2\r\n:5\r\n:1\r\n:1\r\n:0\r\n$5\r\nab\0\0c\r\n");
    assert.equal(await client.ask("EXISTS", "none"), ":0\r\n");
    const script = "redis.call('APPEND', KEYS[1], 'd') return redis.call('GET', KEYS[1])";
    assert.equal(await client.ask("EVAL", script, "1", "short"), "$6\r\nab\0\0cd\r\n");
  });
}
