/**
 * The Redis protocol over a socket.
 *
 * @module
 */

import assert from "node:assert/strict";
import { PostgresServer } from "../support/postgres.ts";
import { TestKv } from "./support.ts";
import { TRANSCRIPTS } from "./transcripts/all.ts";
import { bulk, converse, OK, ZERO } from "./transcripts/exchange.ts";

for (const storage of ["memory:", "sqlite:kv.db"]) {
  for (const [name, exchanges] of Object.entries(TRANSCRIPTS)) {
    Deno.test(`redis protocol on ${storage}: ${name}`, async () => {
      await using kv = await TestKv.start({}, storage);
      using client = await kv.connect();
      await converse(client, exchanges);
    });
  }
}

Deno.test("redis protocol on PostgreSQL: all transcripts", async () => {
  await using postgres = await PostgresServer.start({ fsync: false });
  await using kv = await TestKv.start({}, await postgres.createDatabase());
  for (const exchanges of Object.values(TRANSCRIPTS)) {
    using client = await kv.connect();
    await converse(client, [["FLUSHALL", OK], ...exchanges]);
  }
});

Deno.test("redis protocol: RESP3 has its own nulls, maps and verbatim strings", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const hello = await client.ask("HELLO", "3", "SETNAME", "me");
  assert.match(hello, /^%7\r\n\$6\r\nserver\r\n\$5\r\nredis\r\n.*\$5\r\nproto\r\n:3\r\n/s);
  await converse(client, [
    ["GET a", "_"],
    ["CLIENT GETNAME", bulk("me")],
    ["CONFIG GET databases", "%1\r\n$9\r\ndatabases\r\n$2\r\n16"],
    ["WATCH a", OK],
  ]);
  using other = await kv.connect();
  await converse(other, [["SET a 1", OK]]);
  await converse(client, [["MULTI", OK], ["EXEC", "_"]]);
  assert.match(await client.ask("INFO", "server"), /^=\d+\r\ntxt:# Server\r\n/);
  assert.match(await client.ask("CLIENT", "INFO"), /^=\d+\r\ntxt:id=\d+ addr=127/);
});

Deno.test("redis protocol: EXEC does nothing if a watched key has changed", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  using other = await kv.connect();
  const changes: [change: string, aborts: boolean][] = [
    ["SET a 2", true],
    ["SET a 1", true],
    ["SET b 1", false],
    ["EXPIRE a 100", true],
    ["DEL a", true],
    ["FLUSHDB", true],
    ["SWAPDB 0 1", true],
    ["GET a", false],
    ["RENAME a b", true],
  ];
  for (const [change, aborts] of changes) {
    await converse(client, [["FLUSHALL", OK], ["SET a 1", OK], ["WATCH a", OK]]);
    await other.ask(...change.split(" "));
    await converse(client, [
      ["MULTI", OK],
      ["SET c done", "+QUEUED"],
      ["EXEC", aborts ? "*-1" : "*1\r\n+OK"],
    ]);
    // After EXEC, nothing is watched.
    await other.ask(...change.split(" "));
    await converse(client, [["MULTI", OK], ["EXEC", "*0"]]);
  }
});

Deno.test("redis protocol: a watched key that expires has changed, one that expired before has not", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  // In one packet, so that the key cannot expire before it is watched.
  await client.send("PSETEX a 200 v\r\nWATCH a\r\n");
  for (let count = 0; count < 2; count++) assert.equal(await client.reply(), `${OK}\r\n`);
  while (await client.ask("EXISTS", "a") === ":1\r\n");
  await converse(client, [["MULTI", OK], ["EXEC", "*-1"]]);
  await converse(client, [["WATCH a", OK], ["MULTI", OK], ["EXEC", "*0"]]);
});

Deno.test("redis protocol: UNWATCH, DISCARD and RESET forget the watched keys", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  for (const forget of [["UNWATCH"], ["MULTI", "DISCARD"], ["RESET"]]) {
    await converse(client, [["WATCH a", OK], ["SET a 1", OK]]);
    for (const word of forget) await client.ask(word);
    await converse(client, [["MULTI", OK], ["EXEC", "*0"]]);
  }
});

Deno.test("redis protocol: requests in one packet are answered in order", async () => {
  for (const storage of ["memory:", "sqlite:kv.db"]) {
    await using kv = await TestKv.start({}, storage);
    using client = await kv.connect();
    await client.send(
      "SET a 1\r\nINCR a\r\nMULTI\r\nINCR a\r\nGET a\r\nEXEC\r\nDBSIZE\r\nSET b 2\r\n" +
        "KEYS *\r\nWATCH a\r\nSET a 9\r\nMULTI\r\nPING\r\nEXEC\r\nFLUSHALL\r\nGET a\r\nPING\r\n",
    );
    const replies = [
      "+OK",
      ":2",
      "+OK",
      "+QUEUED",
      "+QUEUED",
      "*2\r\n:3\r\n$1\r\n3",
      ":1",
      "+OK",
      "*2\r\n$1\r\na\r\n$1\r\nb",
      "+OK",
      "+OK",
      "+OK",
      "+QUEUED",
      "*-1",
      "+OK",
      "$-1",
      "+PONG",
    ];
    for (const reply of replies) assert.equal(await client.reply(), `${reply}\r\n`);
  }
});

Deno.test("redis protocol: requests after QUIT are ignored", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.send("SET a 1\r\nQUIT\r\nSET a 2\r\n" + "SET b 2\r\n".repeat(10_000));
  assert.equal(await client.rest(), "+OK\r\n+OK\r\n");
  using other = await kv.connect();
  await converse(other, [["GET a", bulk("1")], ["EXISTS b", ZERO]]);
});

Deno.test("redis protocol: a protocol error is reported, and ends the connection", async () => {
  await using kv = await TestKv.start();
  const inputs: [input: string, reply: string][] = [
    ["*3000000000\r\n", "-ERR Protocol error: invalid multibulk length\r\n"],
    ["*1\r\nfoo\r\n", "-ERR Protocol error: expected '$', got 'f'\r\n"],
    ["PING\r\n*1\r\n$-1\r\n", "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"],
    ['PING "\r\n', "-ERR Protocol error: unbalanced quotes in request\r\n"],
    ["\0" + "payload".repeat(10_000), "-ERR Protocol error: too big inline request\r\n"],
  ];
  for (const [input, reply] of inputs) {
    using client = await kv.connect();
    await client.send(input);
    assert.equal(await client.rest(), reply);
  }
});

Deno.test("redis protocol: a browser is disconnected", async () => {
  await using kv = await TestKv.start();
  for (
    const input of [
      "POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a 1\r\n",
      "PING\r\nHost: x\r\nSET a 1\r\n",
    ]
  ) {
    using client = await kv.connect();
    await client.send(input);
    assert.ok(["", "+PONG\r\n"].includes(await client.rest()));
  }
  using client = await kv.connect();
  await converse(client, [["EXISTS a", ZERO]]);
});

Deno.test("redis protocol: CLIENT LIST and KILL cover all connections", async () => {
  await using kv = await TestKv.start();
  using a = await kv.connect();
  using b = await kv.connect();
  await b.ask("CLIENT", "SETNAME", "victim");
  const list = await a.ask("CLIENT", "LIST");
  assert.match(
    list,
    /^\$\d+\r\nid=\d+ addr=127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:\d+ fd=-?\d+ name= /,
  );
  assert.match(list, / name=victim age=\d+ idle=\d+ flags=N db=0 .* multi=-1 qbuf=0 /);
  assert.match(list, / qbuf=26 .* cmd=client\|list user=default redir=-1 resp=2/);
  assert.equal(await a.ask("CLIENT", "KILL", "SKIPME", "yes"), ":1\r\n");
  await assert.rejects(b.ask("PING"));
  assert.equal(await a.ask("CLIENT", "KILL", "SKIPME", "no"), ":1\r\n");
  assert.equal(await a.rest(), "");
});

Deno.test("redis protocol: CLIENT REPLY controls which replies are sent", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.send(
    "CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nCLIENT REPLY SKIP\r\nPING\r\nPING last\r\n",
  );
  assert.equal(await client.reply(), "+OK\r\n");
  assert.equal(await client.reply(), "$4\r\nlast\r\n");
});

Deno.test("redis protocol: INFO has the fields that clients read", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.ask("MSET", "a", "1", "b", "2");
  await client.ask("EXPIRE", "a", "100");
  const info = await client.ask("INFO");
  for (const field of ["redis_version:7.2.4", "connected_clients:1", "role:master", "loading:0"]) {
    assert.ok(info.includes(`\r\n${field}\r\n`), field);
  }
  const ttlMs = Number(/\r\ndb0:keys=2,expires=1,avg_ttl=(\d+)\r\n/.exec(info)?.[1]);
  assert.ok(ttlMs > 10_000 && ttlMs <= 100_000, `${ttlMs}`);
  assert.ok(!info.includes("db1:") && !info.includes("cmdstat_"));
  assert.match(await client.ask("INFO", "commandSTATS"), /cmdstat_mset:calls=1,/);
  assert.equal(await client.ask("INFO", "nosuch"), "$0\r\n\r\n");
  await client.ask("nosuch");
  await client.ask("INCRBY", "a", "x");
  await client.ask("MULTI");
  await client.ask("nosuch");
  await client.ask("EXEC");
  const errors = await client.ask("INFO", "stats", "errorstats");
  assert.match(errors, /\r\ntotal_error_replies:4\r\n/);
  assert.match(errors, /\r\nerrorstat_ERR:count=3\r\nerrorstat_EXECABORT:count=1\r\n/);
  await client.ask("CONFIG", "RESETSTAT");
  assert.match(await client.ask("INFO", "stats"), /\r\ntotal_error_replies:0\r\n/);
});

Deno.test("redis protocol: COMMAND describes every command", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const count = Number((await client.ask("COMMAND", "COUNT")).slice(1));
  assert.ok(count > 60);
  assert.ok((await client.ask("COMMAND")).startsWith(`*${count}\r\n`));
  assert.ok((await client.ask("COMMAND", "DOCS")).startsWith(`*${2 * count}\r\n`));
  const list = await client.ask("COMMAND", "LIST");
  assert.ok(list.includes("\r\nset\r\n") && list.includes("\r\nclient|list\r\n"));
});

Deno.test("SCAN returns every key that exists throughout exactly once, while others come and go", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const stable = Array.from({ length: 300 }, (_, index) => `stable:${index}`);
  for (const key of stable) await client.ask("SET", key, "v");
  await client.ask("SET", "", "the empty key");
  const seen: string[] = [];
  let cursor = "0", round = 0;
  do {
    const reply = await client.ask("SCAN", cursor, "COUNT", "7");
    const lines = reply.split("\r\n");
    cursor = lines[2]!;
    seen.push(...lines.filter((_, index) => index >= 5 && index % 2 === 1));
    round++;
    await client.ask("SET", `stable:${round}x`, "new");
    await client.ask("DEL", `stable:${round - 5}x`);
    if (round % 10 === 0) await client.ask("SET", `a${round}`, "before all others");
  } while (cursor !== "0");
  for (const key of stable) assert.equal(seen.filter((other) => other === key).length, 1, key);
});

Deno.test("SCAN rejects an unknown cursor, and accepts the same cursor twice", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.ask("MSET", "a", "1", "b", "2", "c", "3");
  assert.equal(await client.ask("SCAN", "12345"), "-ERR invalid cursor\r\n");
  const cursor = (await client.ask("SCAN", "0", "COUNT", "1")).split("\r\n")[2]!;
  const second = await client.ask("SCAN", cursor, "COUNT", "5");
  assert.equal(await client.ask("SCAN", cursor, "COUNT", "5"), second);
});
