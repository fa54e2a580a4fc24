/**
 * No client stops the others: everything that can take long takes turns. Here every turn is over
 * as soon as it begins, so that the number of turns is known and does not depend on the machine.
 *
 * @module
 */

import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { TestClient } from "../support/client.ts";
import { ControlledTurns } from "../support/controlled_turns.ts";
import { TestKv } from "./support.ts";

/** Registers a test in which every turn is over as soon as it begins. */
function turnTest(name: string, run: (turns: ControlledTurns) => Promise<void>): void {
  Deno.test(name, async () => {
    // A timer takes a millisecond even if it is to fire at once, and there are many thousands of turns.
    const { setTimeout: startTimer } = globalThis;
    globalThis.setTimeout = ((call: () => void, ms?: number) =>
      ms === 0 ? setImmediate(call) : startTimer(call, ms)) as typeof setTimeout;
    using turns = new ControlledTurns(() =>
      true
    );
    try {
      await run(turns);
    } finally {
      globalThis.setTimeout = startTimer;
    }
  });
}

const KEYS = 3000;

/** Arguments made of numbers. */
function numbered(count: number, make: (number: number) => string[]): string[] {
  return Array.from({ length: count }, (_, number) => make(number)).flat();
}

const NAMES = numbered(KEYS, (number) => [`k${number}`]);
const PAIRS = numbered(KEYS, (number) => [`k${number}`, `v${number}`]);

for (const storage of ["memory:", "sqlite:kv.db"]) {
  turnTest(`kv: commands on very many keys take turns, on ${storage}`, async (turns) => {
    await using kv = await TestKv.start({}, storage);
    using client = await kv.connect();
    async function expect(reply: string, atLeast: number, ...args: string[]) {
      const taken = await turns.during(async () => assert.equal(await client.ask(...args), reply));
      assert.ok(taken >= atLeast, `${args[0]}: ${taken} turns`);
    }
    await expect("+OK\r\n", KEYS, "MSET", ...PAIRS);
    const values = NAMES.map((name) => `$${name.length}\r\nv${name.slice(1)}\r\n`).join("");
    await expect(`*${KEYS}\r\n${values}`, 3, "MGET", ...NAMES);
    await expect(`:${KEYS}\r\n`, 3, "EXISTS", ...NAMES);
    await expect(`:${KEYS}\r\n`, 3, "TOUCH", ...NAMES);
    await expect(":0\r\n", 1, "MSETNX", ...PAIRS.map((word) => `x${word}`), "k1", "v");
    await expect(":0\r\n", 3, "EXISTS", ...NAMES.map((name) => `x${name}`));
    await expect(`:${KEYS}\r\n`, 3, "DEL", ...NAMES, "none");
    await expect(":1\r\n", KEYS, "MSETNX", ...PAIRS);
    await expect(`:${KEYS}\r\n`, 3, "UNLINK", ...NAMES);
    await expect("-ERR wrong number of arguments for 'mset' command\r\n", 0, "MSET", ...PAIRS, "k");
  });

  turnTest(
    `kv: a request with very many keys stays in order in a pipeline, on ${storage}`,
    async (turns) => {
      await using kv = await TestKv.start({}, storage);
      using client = await kv.connect();
      const last = NAMES.at(-1)!;
      const requests = [
        ["SET", last, "a"],
        ["MSET", ...PAIRS],
        ["GET", last],
        ["DEL", ...NAMES],
        ["GET", last],
        ["SET", last, "b"],
        ["EXISTS", ...NAMES],
      ];
      // The first part of a request ends a turn, and the connection behind it goes on.
      let asked = 0;
      turns.isOver = () => asked++ % 2 === 0;
      try {
        const sent = client.send(requests.map(requestText).join(""));
        for (const reply of ["+OK", "+OK", "$5\r\nv2999", `:${KEYS}`, "$-1", "+OK", ":1"]) {
          assert.equal(await client.reply(), `${reply}\r\n`);
        }
        await sent;
      } finally {
        turns.isOver = () => true;
      }
    },
  );
}

for (const storage of ["memory:", "sqlite:kv.db"]) {
  turnTest(
    `kv: EXEC of a long queue takes turns and stays one transaction, on ${storage}`,
    async (turns) => {
      await using kv = await TestKv.start({}, storage);
      using client = await kv.connect();
      using other = await kv.connect();
      const sets = NAMES.slice(0, 1500).map((name) => ["SET", name, "x"]);
      const queue = [...sets, ["MGET", ...NAMES], ["DEL", ...NAMES], ["LCS", "a", "b", "LEN"], [
        "PING",
      ]];
      const packet = [["MULTI"], ...queue, ["EXEC"], ["GET", "k1"]].map(requestText).join("");
      const sent = client.send(packet);
      let reply = "";
      const taken = await turns.during(async () => {
        for (let left = queue.length + 1; left > 0; left--) await client.reply();
        reply = await client.reply();
        // Never half done: the queue sets the key and deletes it.
        assert.equal(await other.ask("GET", "k1"), "$-1\r\n");
      });
      assert.ok(taken >= 1500, `${taken} turns`);
      assert.ok(reply.startsWith(`*${queue.length}\r\n+OK\r\n`), reply.slice(0, 100));
      assert.ok(reply.endsWith(":1500\r\n:0\r\n+PONG\r\n"), reply.slice(-100));
      assert.equal(await client.reply(), "$-1\r\n");
      await sent;
    },
  );
}

turnTest("kv: EXEC of few commands that take long is begun again, in turns", async (turns) => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const queue = [["INCR", "n"], ["INCR", "n"], ["SET", "s", "v"], ["INCR", "s"], ["GET", "n"]];
  await client.send([["MULTI"], ...queue].map(requestText).join(""));
  for (let left = queue.length + 1; left > 0; left--) await client.reply();
  const taken = await turns.during(async () => {
    const error = "-ERR value is not an integer or out of range\r\n";
    assert.equal(await client.ask("EXEC"), `*5\r\n:1\r\n:2\r\n+OK\r\n${error}$1\r\n2\r\n`);
  });
  assert.ok(taken >= queue.length, `${taken} turns`);
});

turnTest("kv: MSET of few long values takes turns", async (turns) => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const pairs = numbered(20, (number) => [`k${number}`, "v".repeat(30_000)]);
  const taken = await turns.during(async () =>
    assert.equal(await client.ask("MSET", ...pairs), "+OK\r\n")
  );
  assert.ok(taken >= 20, `${taken} turns`);
});

turnTest("kv: WATCH of very many keys takes turns", async (turns) => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  using other = await kv.connect();
  const taken = await turns.during(() => client.ask("WATCH", ...NAMES));
  assert.ok(taken >= 2, `${taken} turns`);
  await other.ask("SET", NAMES.at(-1)!, "changed");
  await client.ask("MULTI");
  await client.ask("PING");
  assert.equal(await client.ask("EXEC"), "*-1\r\n");
});

turnTest("kv: scans of very many keys take turns", async (turns) => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.ask("MSET", ...PAIRS);
  const scans = [["KEYS", "k*"], ["SCAN", "0", "COUNT", "3000"], [
    "SCAN",
    "0",
    "COUNT",
    "3000",
    "MATCH",
    "*x",
  ]];
  for (const args of scans) {
    const taken = await turns.during(() => client.ask(...args));
    assert.ok(taken >= 90, `${args.join(" ")}: ${taken} turns`);
  }
  using text = await TestClient.connect(kv.address);
  const taken = await turns.during(async () => {
    await text.send("LIST\n");
    const line = await text.line();
    assert.equal(line.split(",").length, KEYS);
  });
  assert.ok(taken >= 100, `LIST: ${taken} turns`);
});

turnTest("kv: LCS of long values takes turns, in its own order", async (turns) => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  await client.ask("MSET", "a", "ab".repeat(300), "b", "ba".repeat(300));
  const taken = await turns.during(async () =>
    assert.equal(await client.ask("LCS", "a", "b", "LEN"), ":599\r\n")
  );
  assert.ok(taken >= 5, `${taken} turns`);
  await client.send(requestText(["LCS", "a", "b", "LEN"]) + requestText(["SET", "a", "x"]));
  assert.equal(await client.reply(), ":599\r\n");
  assert.equal(await client.reply(), "+OK\r\n");
});

turnTest("kv: CLIENT LIST takes turns", async (turns) => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  using other = await kv.connect();
  await other.ask("PING");
  const taken = await turns.during(async () => {
    assert.equal((await client.ask("CLIENT", "LIST")).match(/\bid=/g)?.length, 2);
  });
  assert.ok(taken >= 2, `${taken} turns`);
});

turnTest(
  "kv: requests with far too many options, and patterns that are too long, are refused",
  async () => {
    await using kv = await TestKv.start();
    using client = await kv.connect();
    const options = Array<string>(100).fill("NX");
    for (const args of [["SET", "k", "v"], ["EXPIRE", "k", "1"], ["COPY", "a", "b"]]) {
      assert.equal(await client.ask(...args, ...options), "-ERR syntax error\r\n");
    }
    const ids = Array<string>(2000).fill("1");
    assert.equal(await client.ask("CLIENT", "LIST", "ID", ...ids), "-ERR too many arguments\r\n");
    assert.match(await client.ask("KEYS", "a".repeat(70_000)), /^-ERR the pattern is too long/);
  },
);

/** A request, with one character per byte. */
function requestText(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("")}`;
}
