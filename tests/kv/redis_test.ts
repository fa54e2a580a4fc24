/**
 * Redis' protocol over a socket, as transcripts: what is asked, and what comes back to the byte.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type RawClient, TestKv } from "./support.ts";

/** A request as words, and its reply without the last line end. */
type Exchange = [request: string, reply: string];

/** Asks for each thing in turn. Words are separated by blanks; `''` stands for an empty one. */
async function converse(client: RawClient, exchanges: readonly Exchange[]): Promise<void> {
  for (const [request, reply] of exchanges) {
    const words = request.split(" ").map((word) => word === "''" ? "" : word);
    assert.equal(await client.ask(...words), `${reply}\r\n`, request);
  }
}

const bulk = (text: string) => `$${text.length}\r\n${text}`;
const OK = "+OK", NIL = "$-1", ONE = ":1", ZERO = ":0";
const SYNTAX = "-ERR syntax error";
const NOT_INTEGER = "-ERR value is not an integer or out of range";

const TRANSCRIPTS: Record<string, Exchange[]> = {
  "SET and GET": [
    ["GET a", NIL],
    ["SET a foo", OK],
    ["GET a", bulk("foo")],
    ["SET a bar NX", NIL],
    ["SET a bar XX", OK],
    ["SET b bar XX", NIL],
    ["SET a baz GET", bulk("bar")],
    ["SET c x GET", NIL],
    ["SET a y NX GET", bulk("baz")],
    ["SET a v NX XX", SYNTAX],
    ["SET a v EX 10 PX 10", SYNTAX],
    ["SET a v KEEPTTL EX 10", SYNTAX],
    ["SET a v EX", SYNTAX],
    ["SET a v EX x", NOT_INTEGER],
    ["SET a v EX 0", "-ERR invalid expire time in 'set' command"],
    ["SET a v PX -1", "-ERR invalid expire time in 'set' command"],
    ["SET a v EX 9223372036854775807", "-ERR invalid expire time in 'set' command"],
    ["SET a v ex 100", OK],
    ["TTL a", ":100"],
    ["SET a w KEEPTTL", OK],
    ["TTL a", ":100"],
    ["SET a w", OK],
    ["TTL a", ":-1"],
  ],
  "SET with IFEQ, and DELIFEQ": [
    ["SET a v IFEQ x", NIL],
    ["EXISTS a", ZERO],
    ["SET a old", OK],
    ["SET a new IFEQ other", NIL],
    ["SET a new IFEQ old", OK],
    ["SET a newer IFEQ new GET", bulk("new")],
    ["SET a x IFEQ wrong GET", bulk("newer")],
    ["SET a x IFEQ newer NX", SYNTAX],
    ["SET a x XX IFEQ newer", SYNTAX],
    ["SET a x IFEQ", SYNTAX],
    ["DELIFEQ a wrong", ZERO],
    ["DELIFEQ a newer", ONE],
    ["DELIFEQ a newer", ZERO],
  ],
  "SETNX, SETEX, PSETEX, GETSET, GETDEL, GETEX": [
    ["SETNX a 1", ONE],
    ["SETNX a 2", ZERO],
    ["SETEX a 50 x", OK],
    ["TTL a", ":50"],
    ["SETEX a 0 x", "-ERR invalid expire time in 'setex' command"],
    ["PSETEX a 50000 y", OK],
    ["TTL a", ":50"],
    ["PSETEX a -1 y", "-ERR invalid expire time in 'psetex' command"],
    ["GETSET a z", bulk("y")],
    ["TTL a", ":-1"],
    ["GETSET b z", NIL],
    ["GETEX a EX 100", bulk("z")],
    ["TTL a", ":100"],
    ["GETEX a", bulk("z")],
    ["TTL a", ":100"],
    ["GETEX a PERSIST", bulk("z")],
    ["TTL a", ":-1"],
    ["GETEX a EXAT 1", bulk("z")],
    ["GETEX a", NIL],
    ["GETEX nokey EX 0", NIL],
    ["GETEX b EX 0", "-ERR invalid expire time in 'getex' command"],
    ["GETEX b PERSIST EX 10", SYNTAX],
    ["GETDEL b", bulk("z")],
    ["GETDEL b", NIL],
  ],
  "MGET, MSET, MSETNX": [
    ["MSET a 1 b 2", OK],
    ["MGET a x b", "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2"],
    ["MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"],
    ["MSETNX c 1 a 2", ZERO],
    ["EXISTS c", ZERO],
    ["MSETNX c 1 d 2 c 3", ONE],
    ["MGET c d", "*2\r\n$1\r\n3\r\n$1\r\n2"],
  ],
  "INCR and its kin": [
    ["INCR n", ONE],
    ["INCRBY n 41", ":42"],
    ["DECR n", ":41"],
    ["DECRBY n 50", ":-9"],
    ["INCRBY n x", NOT_INTEGER],
    ["SET n 9223372036854775807", OK],
    ["INCR n", "-ERR increment or decrement would overflow"],
    ["DECRBY n -9223372036854775808", "-ERR decrement would overflow"],
    ["SET n 01", OK],
    ["INCR n", NOT_INTEGER],
    ["SET n abc", OK],
    ["INCR n", NOT_INTEGER],
    ["SETEX n 100 5", OK],
    ["INCR n", ":6"],
    ["TTL n", ":100"],
    ["INCRBYFLOAT f 10.5", bulk("10.5")],
    ["INCRBYFLOAT f 0.1", bulk("10.6")],
    ["INCRBYFLOAT f 5.0e3", bulk("5010.60000000000000009")],
    ["INCRBYFLOAT f x", "-ERR value is not a valid float"],
    ["INCRBYFLOAT f inf", "-ERR increment would produce NaN or Infinity"],
  ],
  "APPEND, STRLEN, GETRANGE, SETRANGE, LCS": [
    ["APPEND a Hello", ":5"],
    ["APPEND a ,World", ":11"],
    ["STRLEN a", ":11"],
    ["STRLEN nokey", ZERO],
    ["GETRANGE a 0 4", bulk("Hello")],
    ["SUBSTR a -5 -1", bulk("World")],
    ["GETRANGE a 5 100", bulk(",World")],
    ["GETRANGE a 3 1", "$0\r\n"],
    ["GETRANGE a 0 9223372036854775807", bulk("Hello,World")],
    ["GETRANGE a x 1", NOT_INTEGER],
    ["SETRANGE a 6 Redis", ":11"],
    ["GET a", bulk("Hello,Redis")],
    ["SETRANGE b 3 x", ":4"],
    ["GET b", bulk("\0\0\0x")],
    ["SETRANGE c 5 ''", ZERO],
    ["EXISTS c", ZERO],
    ["SETRANGE a -1 x", "-ERR offset is out of range"],
    ["SETRANGE a 536870912 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"],
    [
      "SETRANGE a 9223372036854775807 x",
      "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
    ],
    ["MSET x ohmytext y mynewtext", OK],
    ["LCS x y", bulk("mytext")],
    ["LCS x y LEN", ":6"],
    [
      "LCS x y IDX MINMATCHLEN 3 WITHMATCHLEN",
      "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:6",
    ],
    ["LCS x y IDX LEN", "-ERR If you want both the length and indexes, please just use IDX."],
  ],
  "keys come and go": [
    ["MSET a 1 b 2", OK],
    ["EXISTS a b c a", ":3"],
    ["TOUCH a c", ONE],
    ["TYPE a", "+string"],
    ["TYPE c", "+none"],
    ["RENAME a c", OK],
    ["RENAME a c", "-ERR no such key"],
    ["RENAMENX c b", ZERO],
    ["RENAMENX c d", ONE],
    ["RENAME d d", OK],
    ["COPY d e", ONE],
    ["COPY d b", ZERO],
    ["COPY d b REPLACE", ONE],
    ["GET b", bulk("1")],
    ["COPY d d", "-ERR source and destination objects are the same"],
    ["COPY d x DB 16", "-ERR DB index is out of range"],
    ["COPY d x DB y", NOT_INTEGER],
    ["DEL b d e x", ":3"],
    ["UNLINK b", ZERO],
    ["DBSIZE", ZERO],
    ["RANDOMKEY", NIL],
    ["SET a 1", OK],
    ["RANDOMKEY", bulk("a")],
    ["OBJECT ENCODING a", bulk("int")],
    ["OBJECT ENCODING nokey", NIL],
    ["OBJECT REFCOUNT a", ONE],
  ],
  "databases": [
    ["SET a zero", OK],
    ["SELECT 15", OK],
    ["GET a", NIL],
    ["SET a fifteen", OK],
    ["SELECT 16", "-ERR DB index is out of range"],
    ["SELECT x", NOT_INTEGER],
    ["MOVE a 0", ZERO],
    ["MOVE a 1", ONE],
    ["MOVE a 15", "-ERR source and destination objects are the same"],
    ["MOVE a 16", "-ERR DB index is out of range"],
    ["SWAPDB 1 0", OK],
    ["SELECT 0", OK],
    ["GET a", bulk("fifteen")],
    ["SWAPDB x 1", "-ERR invalid first DB index"],
    ["SWAPDB 1 x", "-ERR invalid second DB index"],
    ["SWAPDB 1 16", "-ERR DB index is out of range"],
    ["FLUSHDB", OK],
    ["DBSIZE", ZERO],
    ["SELECT 1", OK],
    ["DBSIZE", ONE],
    ["FLUSHALL SYNC", OK],
    ["FLUSHALL NOW", SYNTAX],
    ["DBSIZE", ZERO],
  ],
  "expiry": [
    ["EXPIRE a 10", ZERO],
    ["SET a v", OK],
    ["EXPIRE a 100 XX", ZERO],
    ["EXPIRE a 100 NX", ONE],
    ["EXPIRE a 100 NX", ZERO],
    ["EXPIRE a 50 GT", ZERO],
    ["EXPIRE a 200 GT", ONE],
    ["EXPIRE a 300 LT", ZERO],
    ["EXPIRE a 100 LT", ONE],
    ["TTL a", ":100"],
    ["EXPIRE a 100 AB", "-ERR Unsupported option AB"],
    ["EXPIRE a 1 GT LT", "-ERR GT and LT options at the same time are not compatible"],
    ["EXPIRE a 1 NX GT", "-ERR NX and XX, GT or LT options at the same time are not compatible"],
    ["EXPIRE a 9223372036854776", "-ERR invalid expire time in 'expire' command"],
    ["PEXPIRE a 9223372036854775807", "-ERR invalid expire time in 'pexpire' command"],
    ["PERSIST a", ONE],
    ["PERSIST a", ZERO],
    ["TTL a", ":-1"],
    ["PTTL nokey", ":-2"],
    ["EXPIREAT a 33177117420", ONE],
    ["EXPIRETIME a", ":33177117420"],
    ["PEXPIRETIME a", ":33177117420000"],
    ["PEXPIREAT a 33177117420500", ONE],
    ["EXPIRETIME a", ":33177117421"],
    ["EXPIRE a -1", ONE],
    ["EXISTS a", ZERO],
  ],
  "SCAN and KEYS": [
    ["SCAN 0", "*2\r\n$1\r\n0\r\n*0"],
    ["MSET key:1 a key:2 b other c", OK],
    ["SCAN 0", "*2\r\n$1\r\n0\r\n*3\r\n$5\r\nkey:1\r\n$5\r\nkey:2\r\n$5\r\nother"],
    ["SCAN 0 MATCH key:* COUNT 100", "*2\r\n$1\r\n0\r\n*2\r\n$5\r\nkey:1\r\n$5\r\nkey:2"],
    ["SCAN 0 TYPE list", "*2\r\n$1\r\n0\r\n*0"],
    ["SCAN 0 TYPE string MATCH o*", "*2\r\n$1\r\n0\r\n*1\r\n$5\r\nother"],
    ["SCAN x", "-ERR invalid cursor"],
    ["SCAN 99999999999999999999", "-ERR invalid cursor"],
    ["SCAN 0 COUNT 0", SYNTAX],
    ["SCAN 0 COUNT x", NOT_INTEGER],
    ["SCAN 0 MATCH", SYNTAX],
    ["KEYS key:?", "*2\r\n$5\r\nkey:1\r\n$5\r\nkey:2"],
    ["KEYS nothing", "*0"],
  ],
  "MULTI": [
    ["EXEC", "-ERR EXEC without MULTI"],
    ["DISCARD", "-ERR DISCARD without MULTI"],
    ["MULTI", OK],
    ["SET a 1", "+QUEUED"],
    ["INCR a", "+QUEUED"],
    ["SET a x", "+QUEUED"],
    ["INCR a", "+QUEUED"],
    ["PING", "+QUEUED"],
    ["EXEC", `*5\r\n+OK\r\n:2\r\n+OK\r\n${NOT_INTEGER}\r\n+PONG`],
    ["MULTI", OK],
    ["SET a 2", "+QUEUED"],
    ["DISCARD", OK],
    ["GET a", bulk("x")],
    ["MULTI", OK],
    ["EXEC", "*0"],
    ["MULTI", OK],
    ["NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: "],
    ["SET a", "-ERR wrong number of arguments for 'set' command"],
    ["EXEC", "-EXECABORT Transaction discarded because of previous errors."],
    ["MULTI", OK],
    ["MULTI", "-ERR MULTI calls can not be nested"],
    ["EXEC", "-EXECABORT Transaction discarded because of previous errors."],
    ["MULTI", OK],
    ["WATCH a", "-ERR WATCH inside MULTI is not allowed"],
    ["DISCARD", OK],
    ["MULTI", OK],
    ["SELECT 3", "+QUEUED"],
    ["SET b 3", "+QUEUED"],
    ["SELECT 99", "+QUEUED"],
    ["GET b", "+QUEUED"],
    ["EXEC", "*4\r\n+OK\r\n+OK\r\n-ERR DB index is out of range\r\n$1\r\n3"],
    ["DBSIZE", ONE],
    ["MULTI", OK],
    ["SET c 1", "+QUEUED"],
    ["DBSIZE", "+QUEUED"],
    ["INCR c", "+QUEUED"],
    ["KEYS *", "+QUEUED"],
    ["DEL c", "+QUEUED"],
    ["FLUSHDB", "+QUEUED"],
    ["DBSIZE", "+QUEUED"],
    ["EXEC", "*7\r\n+OK\r\n:2\r\n:2\r\n*2\r\n$1\r\nb\r\n$1\r\nc\r\n:1\r\n+OK\r\n:0"],
  ],
  "the connection": [
    ["PING", "+PONG"],
    ["PING hello", bulk("hello")],
    ["PING a b", "-ERR wrong number of arguments for 'ping' command"],
    ["ECHO x", bulk("x")],
    ["CLIENT GETNAME", NIL],
    ["CLIENT SETNAME me", OK],
    ["CLIENT GETNAME", bulk("me")],
    ["CLIENT SETINFO LIB-NAME lib", OK],
    ["CLIENT SETINFO foo bar", "-ERR Unrecognized option 'foo'"],
    ["CLIENT NO-EVICT on", OK],
    ["CLIENT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."],
    ["CLIENT ID 1", "-ERR wrong number of arguments for 'client|id' command"],
    ["CLIENT KILL ID 0", "-ERR client-id should be greater than 0"],
    ["CLIENT KILL 1.2.3.4:5", "-ERR No such client"],
    ["CLIENT KILL USER nobody", "-ERR No such user 'nobody'"],
    ["HELLO 4", "-NOPROTO unsupported protocol version"],
    ["HELLO x", "-ERR Protocol version is not an integer or out of range"],
    ["AUTH default x", OK],
    ["AUTH nobody x", "-WRONGPASS invalid username-password pair or user is disabled."],
    ["RESET", "+RESET"],
    ["CLIENT GETNAME", NIL],
  ],
  "the server": [
    ["CONFIG GET appendonly", "*2\r\n$10\r\nappendonly\r\n$2\r\nno"],
    ["CONFIG GET nosuch", "*0"],
    ["CONFIG SET save 100", OK],
    ["CONFIG GET save", "*2\r\n$4\r\nsave\r\n$3\r\n100"],
    [
      "CONFIG SET maxmemory x",
      "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - " +
      "argument must be a memory value",
    ],
    ["CONFIG SET nosuch 1", "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"],
    ["FUNCTION FLUSH", OK],
    ["COMMAND GETKEYS MSET a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb"],
    ["COMMAND LIST FILTERBY PATTERN getr*", "*1\r\n$8\r\ngetrange"],
    ["COMMAND INFO nosuch", "*1\r\n$-1"],
    [
      "COMMAND INFO get",
      "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n" +
      "*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n*0\r\n*0",
    ],
    [
      "LPUSH list x",
      "-ERR unknown command 'LPUSH', with args beginning with: 'list' 'x' ",
    ],
    ["DEBUG SLEEP 0", "-ERR DEBUG command not allowed."],
  ],
};

for (const [name, exchanges] of Object.entries(TRANSCRIPTS)) {
  Deno.test(`redis protocol: ${name}`, async () => {
    await using kv = await TestKv.start();
    using client = await kv.connect();
    await converse(client, exchanges);
  });
}

Deno.test("redis protocol: RESP3 has nulls, maps and texts of its own", async () => {
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

Deno.test("redis protocol: WATCH lets EXEC do nothing if a key has changed", async () => {
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
    // Afterwards nothing is watched any more.
    await other.ask(...change.split(" "));
    await converse(client, [["MULTI", OK], ["EXEC", "*0"]]);
  }
});

Deno.test("redis protocol: a watched key that expires has changed, one that had expired has not", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await converse(client, [["PSETEX a 30 v", OK], ["WATCH a", OK]]);
  while (await client.ask("EXISTS", "a") === ":1\r\n");
  await converse(client, [["MULTI", OK], ["EXEC", "*-1"]]);
  await converse(client, [["WATCH a", OK], ["MULTI", OK], ["EXEC", "*0"]]);
});

Deno.test("redis protocol: UNWATCH, DISCARD and RESET forget what is watched", async () => {
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

Deno.test("redis protocol: nothing behind QUIT is done", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.send("SET a 1\r\nQUIT\r\nSET a 2\r\n" + "SET b 2\r\n".repeat(10_000));
  assert.equal(await client.rest(), "+OK\r\n+OK\r\n");
  using other = await kv.connect();
  await converse(other, [["GET a", bulk("1")], ["EXISTS b", ZERO]]);
});

Deno.test("redis protocol: an error in the protocol is answered, and ends the connection", async () => {
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

Deno.test("redis protocol: a browser is hung up on", async () => {
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

Deno.test("redis protocol: CLIENT LIST and KILL know all connections", async () => {
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

Deno.test("redis protocol: CLIENT REPLY says which replies are sent", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.send(
    "CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nCLIENT REPLY SKIP\r\nPING\r\nPING last\r\n",
  );
  assert.equal(await client.reply(), "+OK\r\n");
  assert.equal(await client.reply(), "$4\r\nlast\r\n");
});

Deno.test("redis protocol: INFO has the fields that clients look at", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.ask("MSET", "a", "1", "b", "2");
  await client.ask("EXPIRE", "a", "100");
  const info = await client.ask("INFO");
  for (const field of ["redis_version:7.2.4", "connected_clients:1", "role:master", "loading:0"]) {
    assert.ok(info.includes(`\r\n${field}\r\n`), field);
  }
  assert.ok(info.includes("\r\ndb0:keys=2,expires=1,avg_ttl=0\r\n"));
  assert.ok(!info.includes("db1:") && !info.includes("cmdstat_"));
  assert.match(await client.ask("INFO", "commandSTATS"), /cmdstat_mset:calls=1,/);
  assert.equal(await client.ask("INFO", "nosuch"), "$0\r\n\r\n");
});

Deno.test("redis protocol: COMMAND describes every command that there is", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const count = Number((await client.ask("COMMAND", "COUNT")).slice(1));
  assert.ok(count > 60);
  assert.ok((await client.ask("COMMAND")).startsWith(`*${count}\r\n`));
  assert.ok((await client.ask("COMMAND", "DOCS")).startsWith(`*${2 * count}\r\n`));
  const list = await client.ask("COMMAND", "LIST");
  assert.ok(list.includes("\r\nset\r\n") && list.includes("\r\nclient|list\r\n"));
});

Deno.test("SCAN returns every key that is there all the time, while others come and go", async () => {
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

Deno.test("SCAN refuses a cursor that it does not know, and takes one twice", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.ask("MSET", "a", "1", "b", "2", "c", "3");
  assert.equal(await client.ask("SCAN", "12345"), "-ERR invalid cursor\r\n");
  const cursor = (await client.ask("SCAN", "0", "COUNT", "1")).split("\r\n")[2]!;
  const second = await client.ask("SCAN", cursor, "COUNT", "5");
  assert.equal(await client.ask("SCAN", cursor, "COUNT", "5"), second);
});
