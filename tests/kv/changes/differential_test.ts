/**
 * Sends the same commands to quartet and to Redis, and compares the events of keys.
 *
 * @module
 */

import assert from "node:assert/strict";
import { HAS_REDIS, TestRedis } from "../redis_server.ts";
import { RawClient, TestKv } from "../support.ts";

const FAR = "33177117420";

/** Commands that are sent one after the other; the events of each are compared. */
const COMMANDS = [
  "SET a 1",
  "SET a 2",
  "SET a 3 EX 100",
  "SET a 4 KEEPTTL",
  "SET a 5 NX",
  "SET b 1 XX",
  "SET b 1 NX",
  "SET b 2 GET",
  "SET nokey 2 XX GET",
  `SET c 1 PXAT ${FAR}000`,
  "GET nokey",
  "GET a",
  "MGET a nokey nokey2",
  "EXISTS a nokey",
  "TOUCH nokey",
  "TYPE nokey",
  "STRLEN nokey",
  "TTL nokey",
  "PTTL nokey",
  "EXPIRETIME nokey",
  "GETRANGE nokey 0 1",
  "SUBSTR nokey 0 1",
  "GETBIT nokey 1",
  "BITCOUNT nokey",
  "BITPOS nokey 1",
  "GETEX nokey",
  "GETDEL nokey",
  "OBJECT ENCODING nokey",
  "SETNX d 1",
  "SETNX d 2",
  "SETEX d 100 3",
  "PSETEX d 100000 3",
  "GETSET d 4",
  "GETSET new 4",
  "GETDEL new",
  "GETEX d EX 50",
  "GETEX d PERSIST",
  "GETEX d PERSIST",
  "GETEX d",
  "GETEX d EXAT 1",
  "MSET e 1 f 2 e 3",
  "MSETNX e 1 g 2",
  "MSETNX g 1 h 2",
  "APPEND e x",
  "APPEND newer x",
  "SETRANGE e 1 yy",
  "SETRANGE e 1 ''",
  "SETRANGE nokey 0 ''",
  "SETRANGE i 2 z",
  "INCR n",
  "INCRBY n 5",
  "DECR n",
  "DECRBY n 2",
  "INCRBYFLOAT n 1.5",
  "INCRBYFLOAT fl 1.5",
  "INCR e",
  "SETBIT bits 3 1",
  "SETBIT bits 3 1",
  "BITFIELD bits SET u8 0 200 INCRBY u8 0 1",
  "BITFIELD bits GET u8 0",
  "BITFIELD newbits SET u8 0 1",
  "BITOP AND dest bits newbits",
  "BITOP AND dest nokey",
  "BITOP AND dest nokey",
  "BITOP NOT dest bits",
  "EXPIRE a 100",
  "EXPIRE a 100 NX",
  "EXPIRE nokey 100",
  "PEXPIRE a 100000",
  `EXPIREAT a ${FAR}`,
  `PEXPIREAT a ${FAR}000`,
  "PERSIST a",
  "PERSIST a",
  "EXPIRE a -1",
  "EXPIRE a 100",
  "SET a 1",
  "RENAME a a2",
  "RENAME a2 a2",
  "RENAME nokey a2",
  "RENAMENX a2 b",
  "RENAMENX a2 a3",
  "RENAME a3 b",
  "COPY b b2",
  "COPY b b2",
  "COPY b b2 REPLACE",
  "COPY b b3 DB 3",
  "COPY nokey b4",
  "COPY nokey b REPLACE",
  "MOVE b2 2",
  "MOVE nokey 2",
  "DEL b nokey b3",
  "UNLINK c",
  "DEL nokey",
  "MULTI; SET x 1; INCR y; DEL x; APPEND y 1; EXEC",
  "MULTI; SET x 1; DISCARD",
  "EVAL redis.call('set','lua',1)redis.call('expire','lua',9)redis.call('del','lua','y') 0",
  "SELECT 1",
  "SET other 1",
  "RENAME other another",
  "MOVE another 0",
  "SELECT 0",
  "SET binary\xff\x00key v",
  "SWAPDB 0 1",
  "FLUSHDB",
  "FLUSHALL",
];

/** A server, the client that changes keys, and the one that hears of it. */
interface Parts {
  changing: RawClient;
  hearing: RawClient;
}

async function connect(open: () => Promise<RawClient>): Promise<Parts> {
  const changing = await open(), hearing = await open();
  await hearing.ask("PSUBSCRIBE", "__key*");
  await hearing.ask("SUBSCRIBE", "mark");
  return { changing, hearing };
}

/** Sends commands; returns the events, as words. */
async function eventsOf({ changing, hearing }: Parts, commands: string): Promise<string[]> {
  for (const command of commands.split("; ")) {
    const words = command.split(" ").map((word) => word === "''" ? "" : word);
    await changing.ask(...words);
  }
  await changing.ask("PUBLISH", "mark", "x");
  const events: string[] = [];
  for (;;) {
    const event = await hearing.reply();
    if (event.includes("mark")) return events;
    events.push(event.split("\r\n").filter((_, index) => index > 4 && index % 2 === 0).join(" "));
  }
}

Deno.test({
  name: "kv fires the events that Redis fires",
  ignore: !HAS_REDIS,
  async fn(t) {
    await using redis = await TestRedis.start();
    await using ours = await TestKv.start();
    const path = redis.path;
    const their = await connect(() => RawClient.connect({ transport: "unix", path }));
    const our = await connect(() => ours.connect());
    const parts = [their, our];
    try {
      for (const classes of ["KEA", "Kg$", "E$n", "KEm", "KEAmn", "K", "A", "", "Eg"]) {
        await t.step(`notify-keyspace-events ${classes}`, async () => {
          for (const { changing } of parts) {
            await changing.ask("FLUSHALL");
            await changing.ask("CONFIG", "SET", "notify-keyspace-events", classes);
          }
          for (const command of COMMANDS) {
            assert.deepEqual(await eventsOf(our, command), await eventsOf(their, command), command);
          }
        });
      }
      // Redis 7.0 does not show the letter n.
      for (const letters of ["KEA", "AKE", "xE", "g$lshzxetdK", "KEmA", "q", "K E", "", "KEe"]) {
        await t.step(`the setting "${letters}"`, async () => {
          const replies = [];
          for (const { changing } of [our, their]) {
            const set = await changing.ask("CONFIG", "SET", "notify-keyspace-events", letters);
            replies.push([set, await changing.ask("CONFIG", "GET", "notify-keyspace-events")]);
          }
          assert.deepEqual(replies[0], replies[1]);
        });
      }
    } finally {
      for (const { changing, hearing } of parts) {
        changing.close();
        hearing.close();
      }
    }
  },
});
