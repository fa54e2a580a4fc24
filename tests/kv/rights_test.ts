/**
 * Clients of kv whose token has limited rights.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ALL_COMMANDS } from "../../lib/kv/commands/all.ts";
import { MAX_CHECKED_NAMES } from "../../lib/kv/commands/denial.ts";
import { NEEDS } from "../../lib/kv/commands/needs.ts";
import { CommandTable, type TableEntry } from "../../lib/kv/commands/table.ts";
import { kvRights } from "../../lib/kv/rights.ts";
import { scriptCommands } from "../../lib/kv/script/commands.ts";
import { FORMS } from "../../lib/kv/text/parser.ts";
import { FULL_TOKEN, guardWithRights, LIMITED_TOKEN } from "../support/rights.ts";
import { type RawClient, TestKv } from "./support.ts";

const OWN = { read: ["app:*"], write: ["app:*"], publish: ["app:*"], subscribe: ["app:*"] };
const NO_KEY = "-NOPERM No permissions to access a key\r\n";
const NO_CHANNEL = "-NOPERM No permissions to access a channel\r\n";

/** Starts kv with a client of either token. */
async function start(rights: unknown, config: Record<string, unknown> = {}) {
  const kv = await TestKv.start(config, "memory:", guardWithRights(kvRights, rights));
  const operator = await kv.connect(), client = await kv.connect();
  assert.equal(await operator.ask("AUTH", FULL_TOKEN), "+OK\r\n");
  assert.equal(await client.ask("AUTH", LIMITED_TOKEN), "+OK\r\n");
  return {
    kv,
    operator,
    client,
    async [Symbol.asyncDispose]() {
      operator.close();
      client.close();
      await kv[Symbol.asyncDispose]();
    },
  };
}

function isRefused(reply: string): boolean {
  return reply.startsWith("-NOPERM");
}

/** A request for a command, with the fewest arguments, all of which are one word. */
function requestFor({ fullName, command: { arity } }: TableEntry, word: string): string[] {
  const names = fullName.split("|");
  const count = Math.max(Math.abs(arity), names.length);
  return [...names, ...Array(count - names.length).fill(word)];
}

/** All keys with their values. */
async function dump(client: RawClient): Promise<string[]> {
  const found = [];
  for (const key of ["app:1", "secret"]) found.push(await client.ask("GET", key));
  return [...found, await client.ask("DBSIZE")];
}

Deno.test("rights: every Redis command says what it needs, and is refused without", async () => {
  const table = new CommandTable([...ALL_COMMANDS, ...scriptCommands({} as never)]);
  assert.deepEqual([...NEEDS.keys()].sort(), table.all.map(({ fullName }) => fullName).sort());
  await using server = await start(OWN);
  const { operator, client, kv } = server;
  for (const key of ["app:1", "secret"]) await operator.ask("SET", key, "1");
  const before = await dump(operator);
  const refusable = table.all.filter(({ fullName }) => NEEDS.get(fullName) !== "nothing");
  for (const entry of refusable) {
    const reply = await client.ask(...requestFor(entry, "secret"));
    assert.ok(isRefused(reply), `${entry.fullName}: ${reply}`);
  }
  assert.deepEqual(await dump(operator), before);
  // The others get a reply of their own, and on its own keys the client is not refused anything.
  const onKeys = refusable.filter(({ command }) => command.keys !== undefined);
  for (const entry of onKeys) {
    const reply = await client.ask(...requestFor(entry, "app:2"));
    if (!entry.fullName.includes("subscribe")) {
      assert.ok(!isRefused(reply), `${entry.fullName}: ${reply}`);
    }
    // Whatever it has subscribed to.
    if (entry.fullName === "ssubscribe") await client.ask("SUNSUBSCRIBE");
  }
  assert.equal(await operator.ask("GET", "secret"), "$1\r\n1\r\n");
  assert.equal(kv.log.matching("Token lacks the right").length, 1, "one episode");
});

Deno.test("rights: reading and writing are told apart, on each key of a command", async () => {
  const reads = "GET app:1|MGET app:1 app:2|EXISTS app:1|TTL app:1|LCS app:1 app:2|WATCH app:1";
  const writes = "SET app:1 5|APPEND app:1 5|MSET app:1 5 app:2 5|EXPIRE app:1 100|DEL app:2";
  const both =
    "SET app:1 5 GET|SET app:1 5 IFEQ 5|INCR app:1|GETSET app:1 5|GETDEL app:1|GETEX app:1|SETBIT app:1 1 1|" +
    "BITFIELD app:1 GET u4 0|RENAME app:1 app:2|COPY app:2 app:1 REPLACE|BITOP NOT app:1 app:2|" +
    "DELIFEQ app:1 5|MOVE app:1 1";
  const cases: [rights: unknown, allowed: string[], refused: string[]][] = [
    [{ read: ["app:*"] }, [reads], [writes, both]],
    [{ write: ["app:*"] }, [writes], [reads, both]],
    [{ read: ["app:*"], write: ["app:*"] }, [reads, writes, both], [
      "MGET app:1 secret|MSET app:1 5 secret 5|COPY app:1 secret|COPY secret app:1|DEL app:1 secret",
      "RENAME app:1 secret|RENAME secret app:1|BITOP NOT secret app:1|BITOP NOT app:1 secret",
      "KEYS app:*|SCAN 0 MATCH app:*|RANDOMKEY|DBSIZE|FLUSHALL|CONFIG GET *|INFO|MONITOR",
    ]],
    [{ read: ["*"] }, [reads, "KEYS *|SCAN 0|RANDOMKEY|DBSIZE|GET secret"], [
      writes,
      "FLUSHALL|FLUSHDB|SWAPDB 0 1|CONFIG GET *|INFO|CLIENT LIST",
    ]],
    [{ write: ["*"] }, ["SWAPDB 0 1|FLUSHALL"], [reads, "DBSIZE|INFO|CONFIG GET *"]],
    [
      { read: ["*"], write: ["*"] },
      [reads, writes, both, "FLUSHALL|CONFIG GET *|INFO|CLIENT LIST"],
      [
        "PUBLISH a b|SUBSCRIBE a|PUBSUB CHANNELS",
      ],
    ],
    // What two patterns select together is not enough for a command about all keys.
    [{ read: ["a*", "[^a]*"] }, [reads], ["KEYS *"]],
    [{ read: ["app:1", "app:2"] }, [reads], ["GET app:3"]],
  ];
  await Promise.all(cases.map(async ([rights, allowed, refused]) => {
    await using server = await start(rights);
    const { client, operator } = server;
    for (const [requests, expected] of [[allowed, false], [refused, true]] as const) {
      for (const request of requests.flatMap((some) => some.split("|"))) {
        await operator.ask("MSET", "app:1", "5", "app:2", "5", "secret", "5");
        const reply = await client.ask(...request.split(" "));
        assert.equal(isRefused(reply), expected, `${JSON.stringify(rights)} ${request}: ${reply}`);
      }
    }
  }));
});

Deno.test("rights: transactions and scripts are checked at each command", async () => {
  await using server = await start({ read: ["app:*"], write: ["app:*"] });
  const { client, operator } = server;
  await operator.ask("SET", "secret", "1");
  await client.ask("MULTI");
  assert.equal(await client.ask("SET", "app:1", "1"), "+QUEUED\r\n");
  assert.equal(await client.ask("GET", "secret"), NO_KEY);
  assert.match(await client.ask("EXEC"), /^-EXECABORT/);
  assert.equal(await client.ask("GET", "app:1"), "$-1\r\n", "nothing of it was done");

  const inScript = "-NOPERM ACL failure in script: No permissions to access a key";
  for (const keys of [["1", "secret"], ["0"]]) {
    const call = "return redis.pcall('get', 'secret')";
    assert.ok((await client.ask("EVAL", call, ...keys)).startsWith(inScript));
  }
  const write = "redis.call('set', 'app:1', 'x'); return redis.call('set', 'secret', 'x')";
  assert.match(await client.ask("EVAL", write, "0"), /^-NOPERM ACL failure in script/);
  const all = "return redis.pcall('keys', '*')";
  assert.match(await client.ask("EVAL", all, "0"), /run the 'keys' command/);
  const dry = "return {redis.acl_check_cmd('get', 'secret'), redis.acl_check_cmd('get', 'app:1')}";
  assert.equal(await client.ask("EVAL", dry, "0"), "*2\r\n$-1\r\n:1\r\n");
  // In a transaction too.
  await client.ask("MULTI");
  await client.ask("EVAL", "return redis.pcall('get', 'secret')", "0");
  assert.ok((await client.ask("EXEC")).startsWith(`*1\r\n${inScript}`));
  assert.match(await client.ask("EVAL", "return redis.call('get', 'app:2')", "0"), /^\$-1/);
  assert.equal(await operator.ask("GET", "secret"), "$1\r\n1\r\n");
});

Deno.test("rights: another login brings other rights, and RESET takes them", async () => {
  await using server = await start({ read: ["app:*"] });
  const { client } = server;
  assert.equal(await client.ask("GET", "secret"), NO_KEY);
  assert.equal(await client.ask("AUTH", FULL_TOKEN), "+OK\r\n");
  assert.equal(await client.ask("SET", "secret", "1"), "+OK\r\n");
  assert.equal(await client.ask("AUTH", LIMITED_TOKEN), "+OK\r\n");
  assert.equal(await client.ask("GET", "secret"), NO_KEY);
  await client.ask("RESET");
  assert.match(await client.ask("GET", "app:1"), /^-NOAUTH/);
});

Deno.test("rights: a client with limited rights can name only so many keys at once", async () => {
  await using server = await start({ read: ["app:*"] });
  const keys = (count: number) => Array.from({ length: count }, () => "app:1");
  const { client } = server;
  assert.match(await client.ask("EXISTS", ...keys(MAX_CHECKED_NAMES - 1)), /^:0/);
  assert.match(
    await client.ask("EXISTS", ...keys(MAX_CHECKED_NAMES)),
    /^-ERR a client with limited rights can send at most 4096 arguments/,
  );
});

Deno.test("rights: channels, and the events of keys that the client may read", async () => {
  await using server = await start(
    { ...OWN, read: ["app:*"], subscribe: ["app:*", "*.news"] },
    { notify_keyspace_events: "KEA" },
  );
  const { client, operator, kv } = server;
  const allowed = [
    ["SUBSCRIBE", "app:a"],
    ["PSUBSCRIBE", "app:x*"],
    ["PSUBSCRIBE", "*.news"],
    ["PSUBSCRIBE", "app:y"],
    ["SUBSCRIBE", "__keyspace@0__:app:1"],
    ["PSUBSCRIBE", "__keyspace@*__:app:*"],
  ];
  const refused = [
    ["SUBSCRIBE", "app:a", "b"],
    ["SSUBSCRIBE", "b"],
    ["PSUBSCRIBE", "*"],
    ["PSUBSCRIBE", "a*"],
    ["PSUBSCRIBE", "b.news", "x.*"],
    ["SUBSCRIBE", "__keyspace@0__:secret"],
    ["PSUBSCRIBE", "__keyspace@0__:*"],
    ["SUBSCRIBE", "__keyevent@0__:set"],
    ["PSUBSCRIBE", "__keyevent@0__:*"],
    ["PUBLISH", "b", "x"],
    ["SPUBLISH", "b", "x"],
    ["PUBSUB", "CHANNELS"],
  ];
  await client.ask("HELLO", "3");
  for (const request of refused) {
    const reply = await client.ask(...request);
    if (request[0] !== "PUBSUB") assert.equal(reply, NO_CHANNEL, `${request}`);
    assert.ok(isRefused(reply), `${request}`);
  }
  for (const request of allowed) assert.match(await client.ask(...request), /^>3/, `${request}`);
  assert.match(await client.ask("PUBLISH", "app:a", "x"), /^>3\r\n\$7\r\nmessage/);
  assert.equal(await client.reply(), ":1\r\n");

  // A pattern that covers more than it seems: the events of other keys do not come.
  for (const key of ["secret__:app:1", "a b__:app:1", "app:2"]) await operator.ask("SET", key, "1");
  assert.match(await client.reply(), /__keyspace@0__:app:2\r\n\$3\r\nset/);
  using listener = await kv.connect();
  await listener.ask("AUTH", FULL_TOKEN);
  await listener.ask("PSUBSCRIBE", "__keyspace@0__:*");
  await operator.ask("SET", "a b", "1");
  assert.match(await listener.reply(), /a b\r\n\$3\r\nset/);
});

Deno.test("rights: who may subscribe to everything hears only the events of readable keys", async () => {
  const rights = { read: ["app:*"], subscribe: ["*"] };
  await using server = await start(rights, { notify_keyspace_events: "KEA" });
  const { client, operator } = server;
  await client.ask("PSUBSCRIBE", "*");
  for (const key of ["secret", "a secret with blanks", "app:1"]) {
    await operator.ask("SET", key, "1");
  }
  await operator.ask("PUBLISH", "any", "x");
  assert.match(await client.reply(), /__keyspace@0__:app:1\r\n\$3\r\nset/);
  assert.match(await client.reply(), /any\r\n\$1\r\nx/);
});

Deno.test("rights: every command of the text protocol is refused without", async () => {
  await using server = await start({ read: ["read:*", "b\\*:*"], write: ["write:*"] });
  const { kv, operator } = server;
  await operator.ask("MSET", "secret", "1", "read:1", "1", "write:1", "1");
  using client = await kv.connect();
  assert.equal(await client.askLine(`AUTH ${LIMITED_TOKEN}`), "OK");
  const noRead = "ERR no right to read this key", noWrite = "ERR no right to write this key";
  const cases: Record<keyof typeof FORMS, [line: string, reply: string][]> = {
    put: [["PUT secret 2", noWrite], ["PUT read:1 2", noWrite], ["PUT write:1 2", "OK"]],
    get: [["GET secret", noRead], ["GET write:1", noRead], ["GET read:1", "VALUE 1"]],
    delete: [["DELETE secret", noWrite], ["DELETE read:1", noWrite], [
      "DELETE write:2",
      "NOT_FOUND",
    ]],
    list: [
      ["LIST", "ERR no right to read all keys with this prefix"],
      ["LIST rea", "ERR no right to read all keys with this prefix"],
      ["LIST b*:", ""],
      ["LIST bx:", "ERR no right to read all keys with this prefix"],
      ["LIST read:", "read:1=1"],
    ],
    exists: [["EXISTS secret", noRead], ["EXISTS read:1", "OK"]],
    incr: [["INCR write:1", noRead], ["INCR read:1", noWrite]],
    cas: [["CAS write:1 1 2", noRead], ["CAS read:1 1 2", noWrite]],
    putex: [["PUTEX read:1 10 2", noWrite], ["PUTEX write:1 1000 1", "OK"]],
    putnx: [["PUTNX read:1 2", noWrite], ["PUTNX write:1 2", "EXISTS"]],
    deleteif: [["DELETEIF write:1 1", noRead], ["DELETEIF read:1 1", noWrite]],
    mget: [["MGET read:1 secret", noRead], ["MGET read:1", "VALUE 1"]],
    increx: [["INCREX write:1 1 10", noRead], ["INCREX read:1 1 10", noWrite]],
    ttl: [["TTL write:1", noRead], ["TTL read:1", "NO_TTL"]],
    expire: [["EXPIRE read:1 10", noWrite], ["EXPIRE write:1 1000", "OK"]],
    persist: [["PERSIST read:1", noWrite], ["PERSIST write:1", "OK"]],
    count: [["COUNT", "ERR no right to read all keys"]],
    follow: [
      ["FOLLOW", "ERR no right to read all keys with this prefix"],
      ["FOLLOW secret", "ERR no right to read all keys with this prefix"],
    ],
    help: [["HELP", `COMMANDS ${Object.values(FORMS).join(" | ")}`]],
    quit: [["QUIT", "OK"]],
  };
  assert.deepEqual(Object.keys(cases).sort(), Object.keys(FORMS).sort());
  for (const [line, reply] of Object.values(cases).flat()) {
    assert.equal(await client.askLine(line), reply, line);
  }
  assert.match(await operator.ask("MGET", "secret", "read:1"), /^\*2\r\n\$1\r\n1\r\n\$1\r\n1\r\n/);
});
