import assert from "node:assert/strict";
import * as v from "valibot";
import { Batch } from "../../lib/bus/batch.ts";
import { Bus } from "../../lib/bus/bus.ts";
import { echoConfigSchema } from "../../lib/echo/config.ts";
import { TestClient } from "../support/client.ts";
import { until } from "../support/within.ts";
import { startEcho } from "./support.ts";

/** The next line, without its newline. */
async function lineOf(client: TestClient): Promise<string> {
  const line = await client.line();
  return line.replace(/\n$/, "");
}

const LISTEN = "127.0.0.1:0";

Deno.test("echo: each room has its own messages, and ports with one subject are one room", async () => {
  await using echo = await startEcho({
    subject: "a",
    room: [{ listen: LISTEN, subject: "b" }, { listen: LISTEN, subject: "a" }],
  });
  const [a, b, alsoA] = await Promise.all(
    echo.running.addresses.map((at) => TestClient.connect(at)),
  );
  using _a = a!;
  using _b = b!;
  using _alsoA = alsoA!;
  await until("all are in", () => echo.bus.subscriptions === 3);
  await a!.send("one\n");
  await b!.send("two\n");
  await alsoA!.send("three\n");
  assert.deepEqual(new Set([await lineOf(a!), await lineOf(a!)]), new Set(["one", "three"]));
  assert.deepEqual(
    new Set([await lineOf(alsoA!), await lineOf(alsoA!)]),
    new Set(["one", "three"]),
  );
  assert.equal(await lineOf(b!), "two");
  await b!.send("end\n");
  assert.equal(await lineOf(b!), "end");
  assert.equal(echo.metric("echo_messages_total"), 4);
});

Deno.test("echo: a late client receives the last messages of its room first", async () => {
  await using echo = await startEcho({
    history: 300,
    queue: 10,
    room: [{ listen: LISTEN, subject: "b" }],
  });
  const [main, other] = echo.running.addresses;
  using early = await TestClient.connect(main!);
  const lines = Array.from({ length: 500 }, (_, i) => `line ${i}`);
  await early.send(`${lines.join("\n")}\n`);
  for (const line of lines) assert.equal(await lineOf(early), line);
  using late = await TestClient.connect(main!);
  for (const line of lines.slice(200)) assert.equal(await lineOf(late), line);
  await early.send("new\n");
  assert.equal(await lineOf(late), "new");
  using elsewhere = await TestClient.connect(other!);
  await elsewhere.send("first\n");
  assert.equal(await lineOf(elsewhere), "first");
});

Deno.test("echo: the first client receives what others have published before", async () => {
  await using echo = await startEcho({ history: 2 });
  for (const text of ["one", "two", "three"]) {
    await echo.bus.publish(Batch.ofPayload("echo", new TextEncoder().encode(text)));
  }
  using client = await TestClient.connect(echo.running.addresses[0]!);
  assert.equal(await lineOf(client), "two");
  assert.equal(await lineOf(client), "three");
});

Deno.test("echo: a client for whom the bus has no room is told so and forgotten", async () => {
  const bus = new Bus({ maxSubscriptions: 1 });
  const echo = await startEcho({}, { bus });
  const [address] = echo.running.addresses;
  try {
    using first = await TestClient.connect(address!);
    await until("it is in", () => bus.subscriptions === 1);
    using second = await TestClient.connect(address!);
    assert.equal(await lineOf(second), "ERR server full");
    assert.equal(await second.rest(), "");
    await first.send("still here\n");
    assert.equal(await lineOf(first), "still here");
  } finally {
    await echo[Symbol.asyncDispose]();
  }
  assert.match(echo.log.matching("Echo stopped")[0]!, / clients=0 /);
});

Deno.test("echo: without a history a late client receives nothing old", async () => {
  await using echo = await startEcho();
  using early = await TestClient.connect(echo.running.addresses[0]!);
  await early.send("old\n");
  assert.equal(await lineOf(early), "old");
  using late = await TestClient.connect(echo.running.addresses[0]!);
  await until("it is in", () => echo.bus.subscriptions === 2);
  await early.send("new\n");
  assert.equal(await lineOf(late), "new");
});

Deno.test("echo: a room that cannot listen leaves no other port open", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const room = [{ listen: LISTEN, subject: "b" }, { listen: `127.0.0.1:${port}`, subject: "c" }];
  await assert.rejects(
    startEcho({ room, history: 1 }),
    /the address is taken/,
  );
});

Deno.test("echo: subjects are checked", () => {
  for (
    const subject of ["a b", "a..b", "a.*", ">", "", "task.default.done", "__keyevent@0__:set"]
  ) {
    assert.throws(() => v.parse(echoConfigSchema, { subject }), /a subject/, subject);
  }
  const room = Array(1001).fill({ listen: LISTEN, subject: "a" });
  assert.throws(() => v.parse(echoConfigSchema, { room }), /at most 1000 rooms/);
});
