import assert from "node:assert/strict";
import { ResultWaiter } from "../../lib/cli/result_waiter.ts";
import { BeanstalkClient } from "../../lib/task/beanstalk/client.ts";
import { until, within } from "../support/within.ts";
import { put, reserve, spec } from "../task/queue_suite.ts";
import { startServer } from "../task/support.ts";

async function connect(port: number): Promise<BeanstalkClient> {
  return new BeanstalkClient(await Deno.connect({ hostname: "127.0.0.1", port }));
}

Deno.test("ResultWaiter: all waits resume on one new connection after a loss", async () => {
  await using server = await startServer();
  let connects = 0;
  const again = () => {
    connects++;
    return connect(server.port);
  };
  const waiter = new ResultWaiter(await connect(server.port), again, 1);
  const client = server.queue.connect();
  const ids = [await put(client, spec("a")), await put(client, spec("b"))];
  const waits = Promise.all(ids.map((id) => waiter.wait(String(id))));
  // In case the test fails before it awaits them.
  waits.catch(() => {});
  await until("it waits", () => server.listener.metrics().receivedBytes > 0);
  for (const connection of server.listener.connections) connection.close();
  await until("it is there again", () => server.listener.metrics().accepted === 2);
  for (let count = 0; count < 2; count++) {
    const { id, body } = await reserve(client);
    await client.done(id, `done with ${body}`);
  }
  const replies = await within(60_000, "the results", waits);
  const texts = replies.map(({ body }) => new TextDecoder().decode(body));
  assert.deepEqual(texts, ["done with a", "done with b"]);
  assert.equal(connects, 1);
  await waiter.close();
});

Deno.test("ResultWaiter: passes on what a worker says about its progress, and goes on waiting", async () => {
  await using server = await startServer();
  const waiter = new ResultWaiter(await connect(server.port), () => connect(server.port));
  const client = server.queue.connect();
  const id = await put(client, spec("x"));
  const texts: string[] = [];
  const waiting = waiter.wait(String(id), (bytes) => texts.push(new TextDecoder().decode(bytes)));
  await reserve(client);
  for (const text of ["1 of 2", "2 of 2"]) {
    await client.touch(id, text);
    await until("it is passed on", () => texts.includes(text));
  }
  await client.done(id, "result");
  const { words, body } = await within(60_000, "the result", waiting);
  assert.deepEqual([words[2], new TextDecoder().decode(body)], ["done", "result"]);
  assert.deepEqual(texts, ["1 of 2", "2 of 2"]);
  await waiter.close();
});

Deno.test("ResultWaiter: gives up on a server that closes every connection", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  let accepted = 0;
  const serving = (async () => {
    for await (const conn of listener) {
      accepted++;
      conn.close();
    }
  })();
  const waiter = new ResultWaiter(await connect(port), () => connect(port), 1);
  await assert.rejects(within(60_000, "the end", waiter.wait("1")), /Connection lost/);
  await waiter.close();
  listener.close();
  await serving;
  assert.equal(accepted, 21);
});

Deno.test("ResultWaiter: every wait fails if connecting again does", async () => {
  await using server = await startServer();
  const again = () => Promise.reject(new RangeError("nothing listens there"));
  const waiter = new ResultWaiter(await connect(server.port), again, 1);
  const id = await put(server.queue.connect(), spec("a"));
  const waits = [waiter.wait(String(id)), waiter.wait(String(id))];
  for (const wait of waits) wait.catch(() => {});
  await until("it waits", () => server.listener.metrics().receivedBytes > 0);
  for (const connection of server.listener.connections) connection.close();
  for (const wait of waits) await assert.rejects(within(60_000, "the end", wait), RangeError);
  await waiter.close();
});
