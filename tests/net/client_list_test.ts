import assert from "node:assert/strict";
import { ClientList, type ClientsJson, MAX_SORTED_CLIENTS } from "../../lib/net/client_list.ts";
import { Connection } from "../../lib/net/connection.ts";
import { TestClient } from "../support/client.ts";
import { echoLines, startListener } from "../support/listener.ts";
import { TestLog } from "../support/log.ts";
import { until } from "../support/within.ts";

/** Asks a list, as the page does. */
function ask(list: ClientList, fields: Record<string, unknown> = {}): Promise<ClientsJson> {
  return list.queries.clients(fields);
}

/** A list of connections that exist only on paper. */
function madeUp(count: number): { list: ClientList; connections: Connection[] } {
  const list = new ClientList(new TestLog().log);
  const socket = {
    read: () => Promise.resolve(null),
    write: () => Promise.resolve(0),
    closeWrite: () => Promise.resolve(),
    close: () => {},
  };
  const connections = Array.from({ length: count }, () => {
    const id = list.nextId();
    return new Connection(socket, id, `10.0.0.${id % 250}:${id}`);
  });
  list.add({ address: { transport: "tcp", hostname: "127.0.0.1", port: 7000 }, connections });
  return { list, connections };
}

Deno.test("ClientList numbers the clients of all ports, and says what each does", async () => {
  const log = new TestLog();
  const clients = new ClientList(log.log);
  const answer = Promise.withResolvers<void>();
  await using first = await startListener({ clients });
  await using second = await startListener({
    clients,
    handle: async (connection) => {
      connection.client = { describe: () => ({ protocol: "slow", name: "worker 7" }) };
      await connection.read(new Uint8Array(8));
      await answer.promise;
    },
  });
  using idle = await TestClient.connect(first.listener.address);
  using begun = await TestClient.connect(first.listener.address);
  using asking = await TestClient.connect(second.listener.address);
  await idle.send("hello\n");
  assert.equal(await idle.line(), "hello\n");
  await begun.send("hel");
  await asking.send("a");
  await until("all have read", async () => {
    const { clients: all } = await ask(clients);
    return all.length === 3 && all.reduce((sum, one) => sum + one.receivedBytes, 0) === 10;
  });
  const { clients: all, total, unsorted } = await ask(clients, { order: "id" });
  assert.deepEqual([total, unsorted], [3, false]);
  assert.equal(new Set(all.map(({ id }) => id)).size, 3);
  const byPort = (port: number) => all.filter((one) => one.port === `127.0.0.1:${port}`);
  assert.deepEqual(
    byPort(first.port).map(({ state, receivedBytes, sentBytes }) => ({
      ...{ state, receivedBytes, sentBytes },
    })).sort((a, b) => a.receivedBytes - b.receivedBytes),
    [
      { state: "sends a request", receivedBytes: 3, sentBytes: 0 },
      { state: "idle", receivedBytes: 6, sentBytes: 6 },
    ],
  );
  const [slow] = byPort(second.port);
  assert.deepEqual([slow?.protocol, slow?.name, slow?.state], [
    "slow",
    "worker 7",
    "waits for a reply",
  ]);
  assert.ok(slow!.ageMs >= 0 && slow!.ageMs < 60_000, `${slow!.ageMs} ms`);
  const { clients: matching } = await ask(clients, { match: "WORKER" });
  assert.deepEqual(matching.map(({ id }) => id), [slow!.id]);

  const said = await clients.actions.disconnect({ client: slow!.id });
  assert.equal(said, `Client ${slow!.id} (${slow!.address}) is disconnected.`);
  answer.resolve();
  assert.equal(await asking.rest(), "");
  await until("it has left the list", async () => (await ask(clients)).total === 2);
  assert.equal(log.matching("Client disconnected by hand").length, 1);
  await assert.rejects(clients.actions.disconnect({ client: slow!.id }), RangeError);
});

Deno.test("ClientList: a client that does not read is seen, and can be disconnected", async () => {
  const clients = new ClientList(new TestLog().log);
  await using server = await startListener({
    clients,
    handle: (connection) => connection.write(new Uint8Array(16 * 1024 * 1024)),
  });
  using _client = await TestClient.connect(server.listener.address);
  const [stuck] = (await ask(clients)).clients;
  await until("it is stuck", async () => {
    return (await ask(clients)).clients[0]?.state === "does not read";
  });
  await clients.actions.disconnect({ client: stuck?.id ?? 1 });
  await until("it is gone", async () => (await ask(clients)).total === 0);
});

Deno.test("ClientList pages and sorts ten thousand clients", async () => {
  const { list, connections } = madeUp(MAX_SORTED_CLIENTS);
  for (const [i, connection] of connections.entries()) {
    connection.bytesReceived = (i * 7919) % MAX_SORTED_CLIENTS;
    connection.bytesSent = MAX_SORTED_CLIENTS - i;
  }
  const received = await ask(list, { order: "received", from: 100, count: 50 });
  assert.equal(received.total, MAX_SORTED_CLIENTS);
  assert.deepEqual(
    received.clients.map(({ receivedBytes }) => receivedBytes),
    Array.from({ length: 50 }, (_, i) => MAX_SORTED_CLIENTS - 1 - 100 - i),
  );
  assert.equal((await ask(list, { order: "sent" })).clients[0]!.id, 1);
  assert.equal((await ask(list)).clients[0]!.id, MAX_SORTED_CLIENTS);
  assert.equal((await ask(list)).clients.length, 100);
  assert.equal((await ask(list, { match: "10.0.0.7:" })).total, 40);
  assert.deepEqual((await ask(list, { from: 1_000_000 })).clients, []);
  await assert.rejects(list.actions.disconnect({ client: 0 }), /There is no client 0/);
});

Deno.test("ClientList: more clients are listed unsorted, and wrong fields are refused", async () => {
  const { list } = madeUp(MAX_SORTED_CLIENTS + 1);
  const { clients, unsorted } = await ask(list, { order: "id", count: 2 });
  assert.deepEqual([clients.map(({ id }) => id), unsorted], [[1, 2], true]);
  for (
    const fields of [
      { from: -1 },
      { count: 101 },
      { count: 1.5 },
      { order: "age" },
      { match: 5 },
      { match: "x".repeat(201) },
    ]
  ) {
    await assert.rejects(ask(list, fields), RangeError, JSON.stringify(fields));
  }
  await assert.rejects(list.actions.disconnect({}), RangeError);
});

Deno.test("Listener: without a list of clients, it numbers its connections itself", async () => {
  const ids: number[] = [];
  await using server = await startListener({
    handle: async (connection) => {
      ids.push(connection.id);
      await echoLines(connection);
    },
  });
  for (let i = 0; i < 2; i++) {
    using client = await TestClient.connect(server.listener.address);
    await client.send("x\n");
    await client.line();
  }
  assert.deepEqual(ids, [1, 2]);
});
