/**
 * EXEC with commands that fail half-way, that change the connection, and on keys that expire.
 *
 * @module
 */

import assert from "node:assert/strict";
import { until } from "../../support/within.ts";
import { encodeRequest, type RawClient, TestKv } from "../support.ts";

/** An engine that replies immediately, and one that waits for the disk. */
const STORAGES = ["memory:", "sqlite:kv.db"];

const OOM = "OOM command not allowed when used memory > 'maxmemory'.";

/** Queues commands and runs them; the reply to EXEC. */
async function transact(client: RawClient, commands: string[][]): Promise<string> {
  assert.equal(await client.ask("MULTI"), "+OK\r\n");
  for (const command of commands) assert.equal(await client.ask(...command), "+QUEUED\r\n");
  return await client.ask("EXEC");
}

for (const storage of STORAGES) {
  Deno.test(`kv: EXEC beyond max_memory changes nothing, on ${storage}`, async () => {
    await using kv = await TestKv.start({ max_memory: "1KiB" }, storage);
    using client = await kv.connect();
    await client.ask("SET", "k", "x".repeat(1022));
    const refused = `-EXECABORT Transaction discarded because of: ${OOM}\r\n`;
    const long = "x".repeat(600);
    for (const also of [["PING"], ["DBSIZE"]]) {
      assert.equal(await transact(client, [["RENAME", "k", "longer"], also]), refused);
      assert.equal(await client.ask("STRLEN", "k"), ":1022\r\n");
      const twice = [["DEL", "k"], ["MSET", "a", long, "b", long], ["SET", "c", "1"], also];
      assert.equal(await transact(client, twice), refused);
      assert.equal(await client.ask("EXISTS", "k", "a", "b", "c"), ":1\r\n");
    }
    assert.match(await transact(client, [["DEL", "k"], ["SET", "a", long]]), /^\*2\r\n:1\r\n\+OK/);
  });

  Deno.test(`kv: an error of one command is its element of the reply to EXEC, on ${storage}`, async () => {
    await using kv = await TestKv.start({}, storage);
    using client = await kv.connect();
    const name = ["CLIENT", "SETNAME", "two words"], kill = ["CLIENT", "KILL", "ID", "0"];
    const error = "Client names cannot contain spaces, newlines or special characters.";
    assert.equal(
      await transact(client, [["SET", "a", "1"], name, ["INCR", "a"], kill]),
      `*4\r\n+OK\r\n-ERR ${error}\r\n:2\r\n-ERR client-id should be greater than 0\r\n`,
    );
  });

  Deno.test(`kv: commands after EXEC see its changes to the connection, on ${storage}`, async () => {
    await using kv = await TestKv.start({}, storage);
    using client = await kv.connect();
    const commands = [["MULTI"], ["SET", "a", "1"], ["SELECT", "5"], ["HELLO", "3"], ["EXEC"]];
    const behind = [["SET", "b", "2"], ["GET", "none"], ["SELECT", "0"], ["GET", "b"]];
    const batch = [...commands, ...behind].map((args) => [...encodeRequest(args)]).flat();
    await client.send(new Uint8Array(batch));
    for (const expected of ["+OK", "+QUEUED", "+QUEUED", "+QUEUED"]) {
      assert.equal(await client.reply(), `${expected}\r\n`);
    }
    assert.match(await client.reply(), /^\*3\r\n\+OK\r\n\+OK\r\n%7\r\n/);
    for (const expected of ["+OK", "_", "+OK", "_"]) {
      assert.equal(await client.reply(), `${expected}\r\n`);
    }
  });

  Deno.test(`kv: EXEC that closes its own connection gets its reply first, on ${storage}`, async () => {
    await using kv = await TestKv.start({}, storage);
    using client = await kv.connect();
    const id = (await client.ask("CLIENT", "ID")).slice(1, -2);
    const kill = ["CLIENT", "KILL", "ID", id, "SKIPME", "no"];
    assert.equal(await transact(client, [["SET", "a", "1"], kill]), "*2\r\n+OK\r\n:1\r\n");
    assert.equal(await client.rest(), "");
  });

  Deno.test(`kv: EXEC does not see a key that expired after MULTI, on ${storage}`, async () => {
    await using kv = await TestKv.start({}, storage);
    using client = await kv.connect();
    using other = await kv.connect();
    for (const also of ["PING", "DBSIZE"]) {
      await client.ask("PSETEX", "a", "30", "v");
      assert.equal(await client.ask("MULTI"), "+OK\r\n");
      for (const command of [["GET", "a"], ["SETNX", "a", "new"], ["GETDEL", "a"], [also]]) {
        assert.equal(await client.ask(...command), "+QUEUED\r\n");
      }
      await until("the key has expired", async () => await other.ask("EXISTS", "a") === ":0\r\n");
      assert.match(await client.ask("EXEC"), /^\*4\r\n\$-1\r\n:1\r\n\$3\r\nnew\r\n/);
    }
  });

  Deno.test(`kv: EXEC can list a database that it has emptied and refilled, on ${storage}`, async () => {
    await using kv = await TestKv.start({}, storage);
    using client = await kv.connect();
    const keys = Array.from({ length: 2500 }, (_, index) => `k${index}`);
    const fill = ["MSET", ...keys.flatMap((key) => [key, "v"])];
    const swap = ["SWAPDB", "0", "1"];
    const commands = [["FLUSHALL"], fill, ["RANDOMKEY"], swap, fill, ["SCAN", "0"], ["DBSIZE"]];
    for (let round = 0; round < 2; round++) {
      assert.match(
        await transact(client, commands),
        /^\*7\r\n\+OK\r\n\+OK\r\n\$\d\r\nk\d+\r\n\+OK\r\n\+OK\r\n\*2\r\n.*:2500\r\n$/s,
      );
    }
  });
}
