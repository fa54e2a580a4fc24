/**
 * Sends the same random commands to quartet and to Redis, and compares the replies.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { HAS_REDIS, TestRedis } from "./redis_server.ts";
import { RawClient, TestKv } from "./support.ts";

const key = fc.constantFrom("a", "b", "c", "", "\xff\x00k");
const someInteger = fc.oneof(
  fc.integer({ min: -20, max: 20 }).map(String),
  fc.constantFrom(
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-9223372036854775809",
    "4294967296",
    "536870912",
    "+1",
    "01",
    "-0",
    " 1",
    "1 ",
    "",
    "1.5",
    "abc",
    "99999999999999999999999",
  ),
);
const someFloat = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e20, max: 1e20 }).map(String),
  fc.constantFrom(
    "0.1",
    "10.5",
    "-1.1",
    "3.0e3",
    "1e400",
    "1e4931",
    "1e4932",
    "1e5000",
    "-1e-4950",
    "1e-4951",
    "1e-5000",
    "0x1p3",
    "0x.8p-1",
    "1e",
    "inf",
    "-inf",
    "nan",
    " 1",
    "1 ",
    "",
    ".5",
    "5.",
    ".",
    "1_0",
    "17179869184",
    "17179869185.0123",
  ),
  someInteger,
);
const value = fc.oneof(
  fc.uint8Array({ maxLength: 12 }).map((bytes) => String.fromCharCode(...bytes)),
  someInteger,
  someFloat,
  fc.constantFrom("foo", "\r\n", "\x00\xff", "x".repeat(2000)),
);
const offset = fc.oneof(fc.integer({ min: -30, max: 30 }).map(String), someInteger);
/** Times far from now, so that a slow machine makes no difference. */
const unixSeconds = fc.constantFrom(
  "0",
  "-1",
  "1",
  "33177117420",
  "33177117421",
  "9223372036854775",
  "9223372036854776",
  "-9223372036854776",
  "x",
);
const unixMilliseconds = fc.constantFrom("0", "-5", "1", "33177117420000", "33177117420500", "1x");
const expiry = fc.oneof(
  // No expiry in the past: Redis counts such a key until it notices that it has expired.
  fc.tuple(fc.constantFrom("EXAT", "exat"), unixSeconds.filter((at) => at !== "1")),
  fc.tuple(fc.constant("PXAT"), unixMilliseconds.filter((at) => at !== "1")),
  fc.tuple(fc.constantFrom("EX", "PX"), fc.constantFrom("0", "-1", "9223372036854775807", "y")),
  fc.tuple(fc.constantFrom("EX", "EXAT", "KEEPTTL")),
).map((words): readonly string[] => words);
const words = (...arbitraries: fc.Arbitrary<string>[]): fc.Arbitrary<readonly string[]> =>
  fc.tuple(...arbitraries);
const option = (...names: string[]) => fc.constantFrom(...names).map((name) => [name]);
const options = (...arbitraries: fc.Arbitrary<readonly string[]>[]) =>
  fc.array(fc.oneof(...arbitraries), { maxLength: 3 }).map((all) => all.flat());

/** Offsets of bits: near the start, or beyond the largest value. Others would make long values. */
const bitOffset = fc.oneof(
  fc.integer({ min: 0, max: 200 }).map(String),
  fc.constantFrom("-1", "4294967296", "9223372036854775807", "x", "", "+1", "01"),
);
const fieldType = fc.oneof(
  fc.tuple(fc.constantFrom("u", "i"), fc.integer({ min: 1, max: 64 })).map((all) => all.join("")),
  fc.constantFrom("u8", "i8", "u0", "i65", "x8", "u", "", "u08", "I8"),
);
const fieldOffset = fc.oneof(
  bitOffset,
  fc.integer({ min: 0, max: 20 }).map((count) => `#${count}`),
  fc.constantFrom("#-1", "#", "#x", "#9223372036854775807"),
);
const bits = fc.oneof(
  words(fc.constant("SETBIT"), key, bitOffset, fc.constantFrom("0", "1", "1", "2", "x")),
  words(fc.constant("GETBIT"), key, bitOffset),
  fc.tuple(
    fc.constantFrom(["BITCOUNT"], ["BITPOS", "0"], ["BITPOS", "1"], ["BITPOS", "2"], [
      "BITPOS",
      "",
    ]),
    key,
    fc.array(offset, { maxLength: 3 }),
    fc.constantFrom([], [], ["BIT"], ["byte"], ["x"]),
  ).map(([[name, ...bit], k, ends, unit]) => [name!, k, ...bit, ...ends, ...unit]),
  fc.tuple(fc.constantFrom("AND", "or", "XOR", "NOT", "x"), fc.array(key, { maxLength: 4 }))
    .map(([operation, keys]) => ["BITOP", operation, ...keys]),
  fc.tuple(
    fc.constantFrom("BITFIELD", "BITFIELD", "BITFIELD_RO"),
    key,
    options(
      words(fc.constant("GET"), fieldType, fieldOffset),
      words(fc.constantFrom("SET", "incrby"), fieldType, fieldOffset, someInteger),
      words(fc.constant("OVERFLOW"), fc.constantFrom("WRAP", "sat", "FAIL", "x")),
      option("GET", "SET", "x"),
    ),
  ).map(([name, k, operations]) => [name, k, ...operations]),
);

/** A command with arguments that are valid, or nearly so. */
const sensible: fc.Arbitrary<readonly string[]> = fc.oneof(
  words(fc.constantFrom("GET", "get", "STRLEN", "GETDEL", "TYPE", "INCR", "DECR"), key),
  words(fc.constantFrom("EXPIRETIME", "PEXPIRETIME", "PERSIST"), key),
  fc.tuple(key, value, options(option("NX", "xx", "GET", "KEEPTTL"), expiry))
    .map(([k, v, more]) => ["SET", k, v, ...more]),
  fc.tuple(key, options(option("PERSIST", "NX", "KEEPTTL"), expiry))
    .map(([k, more]) => ["GETEX", k, ...more]),
  words(fc.constantFrom("SETNX", "GETSET", "APPEND"), key, value),
  words(
    fc.constantFrom("SETEX", "PSETEX"),
    key,
    fc.constantFrom("0", "-1", "9223372036854775807", "z"),
    value,
  ),
  words(fc.constantFrom("INCRBY", "DECRBY"), key, someInteger),
  words(fc.constant("INCRBYFLOAT"), key, someFloat),
  words(fc.constantFrom("GETRANGE", "SUBSTR"), key, offset, offset),
  words(fc.constant("SETRANGE"), key, offset, fc.constantFrom("", "x", "hello")),
  fc.array(key, { maxLength: 4 }).chain((keys) =>
    fc.constantFrom("DEL", "UNLINK", "EXISTS", "TOUCH", "MGET").map((name) => [name, ...keys])
  ),
  fc.array(fc.oneof(key, value), { maxLength: 5 }).chain((all) =>
    fc.constantFrom("MSET", "MSETNX").map((name) => [name, ...all])
  ),
  bits,
  bits,
  words(fc.constantFrom("RENAME", "RENAMENX"), key, key),
  fc.tuple(key, key, options(option("REPLACE", "x", "DB"), words(fc.constant("DB"), someInteger)))
    .map(([a, b, more]) => ["COPY", a, b, ...more]),
  words(fc.constant("MOVE"), key, someInteger),
  fc.tuple(
    fc.constantFrom("EXPIREAT", "PEXPIREAT", "EXPIRE", "PEXPIRE"),
    key,
    options(option("NX", "XX", "gt", "LT", "QQ")),
  ).chain(([name, k, more]) =>
    (name === "EXPIREAT" ? unixSeconds : name === "PEXPIREAT" ? unixMilliseconds : fc.constantFrom(
      "-1",
      "0",
      "9223372036854775807",
      "-9223372036854775808",
      "9223372036854776",
      "-9223372036854776",
      "u",
    )).map((when) => [name, k, when, ...more])
  ),
  fc.tuple(
    key,
    key,
    options(
      option("LEN", "IDX", "WITHMATCHLEN", "MINMATCHLEN"),
      words(fc.constant("MINMATCHLEN"), someInteger),
    ),
  ).map(([a, b, more]) => ["LCS", a, b, ...more]),
  words(
    fc.constant("SELECT"),
    fc.constantFrom("0", "0", "1", "15", "16", "-1", "x", "99999999999"),
  ),
  words(fc.constant("SWAPDB"), someInteger, someInteger),
  fc.constantFrom(["DBSIZE"], ["FLUSHDB"], ["FLUSHALL", "ASYNC"], ["FLUSHALL", "x"], [
    "FLUSHDB",
    "a",
    "b",
  ]),
  fc.constantFrom(["MULTI"], ["EXEC"], ["DISCARD"], ["UNWATCH"], ["EXEC"]),
  words(fc.constant("WATCH"), key),
  fc.constantFrom(["PING"], ["PING", "x"], ["ECHO", "y"], ["PING", "1", "2"], ["TYPE"], ["GET"]),
  fc.constant(["RESET"]),
  fc.constantFrom(
    ["HELLO", "4"],
    ["HELLO", "x"],
    ["HELLO", "2", "AUTH", "a"],
    ["AUTH", "x"],
    ["AUTH", "default", "x"],
    ["AUTH", "nobody", "x"],
    ["AUTH", "a", "b", "c"],
  ),
  fc.constantFrom(
    ["CLIENT", "SETNAME", "a b"],
    ["CLIENT", "SETNAME", "ab"],
    ["CLIENT", "GETNAME"],
    ["CLIENT", "PAUSE", "x", "foo"],
    ["CLIENT", "PAUSE", "x"],
    ["CLIENT", "PAUSE", "-1"],
    ["CLIENT", "PAUSE", "1", "all", "x"],
    ["CLIENT", "UNPAUSE"],
    ["CLIENT", "TRACKING", "x"],
    ["CLIENT", "TRACKING", "off"],
    ["CLIENT", "TRACKINGINFO"],
    ["CLIENT", "GETREDIR"],
    ["CLIENT", "CACHING", "yes"],
    ["CLIENT", "UNBLOCK", "999999"],
    ["CLIENT", "UNBLOCK", "1", "x"],
    ["CLIENT", "UNBLOCK", "x"],
    ["CLIENT", "NO-EVICT", "x"],
    ["CLIENT", "NO-EVICT", "on"],
    ["CLIENT"],
    ["CLIENT", "ID", "x"],
    ["CLIENT", "nonsense"],
    ["CONFIG", "nonsense"],
    ["OBJECT", "REFCOUNT", "nokey"],
    ["SCAN", "x"],
    ["SCAN", "0", "COUNT", "0"],
    ["SCAN", "0", "COUNT", "x"],
    ["SCAN", "0", "MATCH"],
    ["SCAN", "0", "NOPE", "1"],
    ["COMMAND", "LIST", "FILTERBY", "x"],
    ["COMMAND", "GETKEYS", "MSET", "a", "b", "c", "d"],
    ["COMMAND", "GETKEYS", "PING", "x"],
    ["COMMAND", "GETKEYS", "nonsense"],
    ["COMMAND", "INFO", "nonsense"],
    ["CONFIG"],
    ["CONFIG", "SET", "slowlog-max-len", "x"],
    ["CONFIG", "SET", "slowlog-max-len", "-1"],
    ["SLOWLOG"],
    ["SLOWLOG", "RESET"],
    ["SLOWLOG", "GET", "-2"],
    ["SLOWLOG", "GET", "x"],
    ["SLOWLOG", "GET", "1", "x"],
  ),
  words(
    fc.constantFrom("WAIT"),
    fc.constantFrom("0", "x", "-1", "99999999999999999999"),
    fc.constantFrom("0", "-1", "x"),
  ),
  words(fc.constant("OBJECT"), fc.constantFrom("FREQ", "x"), key),
  fc.constantFrom(
    ["ROLE"],
    ["ROLE", "x"],
    ["WAIT", "1"],
    ["BGSAVE", "x"],
    ["LASTSAVE", "x"],
    ["MEMORY"],
    ["MEMORY", "x"],
    ["MEMORY", "PURGE"],
    ["MEMORY", "USAGE"],
    ["MEMORY", "USAGE", "nokey"],
    ["MEMORY", "USAGE", "nokey", "SAMPLES", "0"],
    ["MEMORY", "USAGE", "a", "SAMPLES", "-1"],
    ["MEMORY", "USAGE", "a", "SAMPLES", "x"],
    ["MEMORY", "USAGE", "a", "x"],
    ["OBJECT"],
    ["OBJECT", "ENCODING"],
    ["CLUSTER"],
    ["CLUSTER", "INFO"],
    ["CLUSTER", "HELP"],
    ["CLUSTER", "KEYSLOT", "a"],
    ["CLUSTER", "SLOTS", "x"],
    ["CLUSTER", "nonsense"],
    ["READONLY"],
    ["ASKING"],
    ["ACL"],
    ["ACL", "WHOAMI"],
    ["ACL", "USERS"],
    ["ACL", "LIST"],
    ["ACL", "CAT", "x\0y"],
    ["ACL", "GETUSER", "default"],
    ["ACL", "GETUSER", "x"],
    ["LATENCY", "LATEST"],
    ["LATENCY", "HISTORY", "x"],
    ["LATENCY", "RESET"],
    ["LATENCY", "GRAPH", "x"],
    ["LATENCY", "HISTOGRAM", "nonsense"],
  ),
);

/** A command name, known or not, with arbitrary arguments. */
const nonsense: fc.Arbitrary<readonly string[]> = fc.tuple(
  fc.constantFrom("SET", "GETEX", "EXPIRE", "LCS", "COPY", "foo", "GET\n", "", "x".repeat(200)),
  fc.array(fc.oneof(value.filter(({ length }) => length < 200), fc.constant("y".repeat(150))), {
    maxLength: 5,
  }),
).map(([name, rest]) => [name, ...rest]);

const command = fc.oneof({ weight: 12, arbitrary: sensible }, { weight: 1, arbitrary: nonsense });

/** Leaves out MULTI and WATCH inside MULTI. After those, EXEC deliberately fails in quartet only. */
function tamed(commands: (readonly string[])[]): (readonly string[])[] {
  let open = false;
  return commands.filter(([name]) => {
    if (open && (name === "MULTI" || name === "WATCH")) return false;
    if (name === "MULTI") open = true;
    if (name === "EXEC" || name === "DISCARD" || name === "RESET") open = false;
    return true;
  });
}

Deno.test({
  name: "kv sends the same replies as Redis to random commands",
  ignore: !HAS_REDIS,
  async fn() {
    await using redis = await TestRedis.start();
    // The limits on values differ by 25 bytes only, since they also limit the offsets of bits.
    await using ours = await TestKv.start({ max_value: "536870887B" });
    using a = await RawClient.connect({ transport: "unix", path: redis.path });
    using b = await ours.connect();
    const numRuns = Number(Deno.env.get("QUARTET_TEST_RUNS") ?? 150);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("2", "3"),
        fc.array(command, { minLength: 1, maxLength: 40 }),
        async (protocol, commands) => {
          for (const client of [a, b]) {
            await client.ask("RESET");
            await client.ask("FLUSHALL");
            await client.ask("HELLO", protocol);
          }
          const trail: (readonly string[])[] = [];
          for (const args of tamed(commands)) {
            trail.push(args);
            const [theirs, our] = [await a.ask(...args), await b.ask(...args)];
            assert.equal(our, theirs, JSON.stringify(trail));
          }
        },
      ),
      { numRuns },
    );
  },
});
