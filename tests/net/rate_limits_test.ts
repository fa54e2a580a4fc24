import assert from "node:assert/strict";
import { ClientList, type ClientsJson } from "../../lib/net/client_list.ts";
import { type RatedClient, RateLimits, type Rates } from "../../lib/net/rate_limits.ts";
import { TestClient } from "../support/client.ts";
import { startListener, type TestListenerOptions } from "../support/listener.ts";
import { TestLog } from "../support/log.ts";
import { until, within } from "../support/within.ts";

/** So slow that nothing is read again unless something else happens. */
const NEVER = { intervalMs: 86_400_000, burst: 2 };

/** Limits on a clock that stands still unless it is moved. */
function setUp(rates: Rates) {
  const clock = { nowMs: 1000 };
  const log = new TestLog();
  const limits = new RateLimits(log.log, rates, () => clock.nowMs);
  /** Whether a client is held back after some more requests. */
  const holds = (client: RatedClient, requests: number) => {
    Object.assign(client, { requestCount: client.requestCount + requests });
    const hold = limits.hold(client);
    hold?.end();
    return hold !== undefined;
  };
  return { clock, log, limits, holds };
}

function client(remote: string, tokenName?: string): RatedClient {
  const host = remote.replace(/:\d+$/, "");
  return { id: 1, remote, host, tokenName, requestCount: 0, pace: undefined };
}

Deno.test("RateLimits: a burst is free, a debt is paid with time, and a rest refills the burst", () => {
  const { clock, holds } = setUp({ address: { intervalMs: 10, burst: 5 }, token: null });
  const one = client("10.0.0.1:1");
  assert.equal(holds(one, 0), false, "a new client has its burst");
  assert.equal(holds(one, 4), false);
  assert.equal(holds(one, 1), true, "the burst is used up");
  clock.nowMs += 10;
  assert.equal(holds(one, 0), false);
  assert.equal(holds(one, 500), true, "one read may bring many");
  clock.nowMs += 4990;
  assert.equal(holds(one, 0), true, "each of them counts");
  clock.nowMs += 10;
  assert.equal(holds(one, 0), false);
  clock.nowMs += 1_000_000;
  assert.equal(holds(one, 5), true, "a long rest is worth one burst");
});

Deno.test("RateLimits: connections of one address share a bucket, and so do those of one token", () => {
  const rate = { intervalMs: 10, burst: 5 };
  const { holds } = setUp({ address: rate, token: null });
  assert.equal(holds(client("[2001:db8::1]:1"), 0), false);
  const first = client("[2001:db8::1]:1");
  holds(first, 0);
  assert.equal(holds(first, 5), true);
  assert.equal(holds(client("[2001:db8::ffff:2]:9"), 0), true, "a /64 is one address");
  assert.equal(holds(client("[2001:db8:0:1::1]:1"), 0), false);
  assert.equal(holds(client("unix"), 0), false);
  const local = client("unix");
  holds(local, 0);
  assert.equal(holds(local, 50), false, "clients of a unix socket have no address");

  const tokens = setUp({ address: null, token: rate });
  const anonymous = client("10.0.0.1:1"), reports = client("10.0.0.1:2", "reports");
  for (const one of [anonymous, reports]) tokens.holds(one, 0);
  assert.equal(tokens.holds(anonymous, 50), false);
  assert.equal(tokens.holds(reports, 5), true);
  assert.equal(tokens.holds(client("10.0.0.2:1", "reports"), 0), true);
  assert.equal(tokens.holds(client("10.0.0.2:1", "app"), 0), false);
  Object.assign(anonymous, { tokenName: "reports" });
  assert.equal(tokens.holds(anonymous, 0), true, "a login counts from then on");
});

Deno.test("RateLimits: the longer of two waits counts, and each limit has its metric and its log line", () => {
  const { clock, log, limits, holds } = setUp({
    address: { intervalMs: 10, burst: 1 },
    token: { intervalMs: 1000, burst: 1 },
  });
  const one = client("10.0.0.1:1", "app"), other = client("10.0.0.1:2");
  holds(one, 0);
  for (let i = 0; i < 3; i++) assert.equal(holds(one, i === 0 ? 1 : 0), true);
  assert.equal(holds(other, 0), true);
  clock.nowMs += 10;
  assert.equal(holds(other, 0), false);
  assert.equal(holds(one, 0), true);
  const lines = log.matching("is over its rate limit");
  assert.equal(lines.length, 2, "one for each episode");
  assert.match(lines[0]!, /client=1 address=10\.0\.0\.1:1 token=app limit=token_rate_limit/);
  assert.match(lines[1]!, /client=1 address=10\.0\.0\.1:2 limit=rate_limit/);
  const [total] = limits.metrics("kv");
  assert.deepEqual(total!.samples.map((sample) => Object.values(sample)), [
    [{ service: "kv", limit: "address" }, 1],
    [{ service: "kv", limit: "token" }, 4],
  ]);
});

Deno.test("RateLimits: of two waits at once, the longer one counts", () => {
  const { log, holds } = setUp({
    address: { intervalMs: 1000, burst: 1 },
    token: { intervalMs: 10, burst: 1 },
  });
  const one = client("10.0.0.1:1", "app");
  holds(one, 0);
  assert.equal(holds(one, 1), true);
  assert.match(log.lines[0]!, / limit=rate_limit\n$/);
});

Deno.test("RateLimits: of two connections that wait for one token, one goes on", async () => {
  const { clock, limits } = setUp({ address: { intervalMs: 10, burst: 1 }, token: null });
  const clients = [client("10.0.0.1:1"), client("10.0.0.1:2")];
  for (const one of clients) limits.enter(one);
  Object.assign(clients[0]!, { requestCount: 1 });
  let over = 0;
  const holds = clients.map((one) => limits.hold(one)!);
  for (const hold of holds) hold.over.then(() => over++);
  clock.nowMs += 10;
  // Their timers have the same delay and began before this one.
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(over, 1);
  for (const hold of holds) hold.end();
});

Deno.test("RateLimits remembers a bounded number of addresses; open connections keep their buckets", () => {
  const { holds } = setUp({ address: NEVER, token: null });
  const first = client("10.0.0.1:1");
  holds(first, 0);
  assert.equal(holds(first, 2), true);
  assert.equal(holds(client("10.0.0.1:2"), 0), true);
  const other = (i: number) => client(`10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}:1`);
  for (let i = 0; i < 9_999; i++) holds(other(i), 0);
  assert.equal(holds(client("10.0.0.1:2"), 0), true, "10,000 are remembered");
  for (let i = 0; i < 10_000; i++) holds(other(100_000 + i), 0);
  assert.equal(holds(client("10.0.0.1:3"), 0), false, "it has been displaced");
  assert.equal(holds(first, 0), true);
});

/** A listener whose clients are limited by address. */
async function limited(rate: Rates["address"], options: TestListenerOptions = {}) {
  const log = new TestLog();
  const clients = new ClientList(log.log, { address: rate, token: null });
  const server = await startListener({ clients, log, ...options });
  const states = async () => {
    const list = await clients.queries.clients({}) as ClientsJson;
    return list.clients.map(({ state }) => state);
  };
  const isHeld = async () => (await states()).includes("is over its rate limit");
  const { address } = server.listener;
  const dispose = () => server[Symbol.asyncDispose]();
  return { ...server, clients, address, isHeld, [Symbol.asyncDispose]: dispose };
}

const TWO_LINES = "a\nb\n";

async function sendTwoLines(client: TestClient): Promise<void> {
  await client.send(TWO_LINES);
  assert.equal(await client.line() + await client.line(), TWO_LINES);
}

Deno.test("rate limit: what came in one read is answered, and the next read waits for its debt", async () => {
  await using server = await limited({ intervalMs: 20, burst: 5 });
  using client = await TestClient.connect(server.address);
  const startMs = performance.now();
  await client.send("x\n".repeat(20));
  for (let i = 0; i < 20; i++) await client.line();
  await client.send("late\n");
  assert.equal(await client.line(), "late\n");
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs >= 15 * 20, `${tookMs} ms`);
});

Deno.test("rate limit: connections that wait for the same token go on one at a time", async () => {
  const intervalMs = 50;
  await using server = await limited({ intervalMs, burst: 1 });
  const clients = [];
  for (let i = 0; i < 6; i++) clients.push(await TestClient.connect(server.address));
  const startMs = performance.now();
  const answered = clients.map(async (client) => {
    await client.send("a\n");
    await client.line();
    await client.send("b\n");
    return await client.line();
  });
  assert.deepEqual(await within(60_000, "all", Promise.all(answered)), Array(6).fill("b\n"));
  const tookMs = performance.now() - startMs;
  // Six reads had begun before the first request; the others take a token each.
  assert.ok(tookMs >= 11 * intervalMs, `${tookMs} ms`);
  for (const client of clients) client.close();
});

Deno.test("rate limit: a client that is held back sends no more, and the time limits spare it", async () => {
  const options = { idleTimeoutMs: 50, requestTimeoutMs: 50 };
  await using server = await limited(NEVER, options);
  using client = await TestClient.connect(server.address);
  await client.send(`${TWO_LINES}half a li`);
  await until("it is held back", server.isHeld);
  const received = server.listener.metrics().receivedBytes;
  const flood = new Uint8Array(64 * 1024).fill(97);
  let written = 0, stuck = false;
  for (let i = 0; i < 1000 && !stuck; i++) {
    const write = client.conn.write(flood);
    const late = new Promise<"late">((resolve) => setTimeout(() => resolve("late"), 300));
    stuck = await Promise.race([write, late]) === "late";
    if (stuck) write.catch(() => {});
    else written += flood.length;
  }
  assert.ok(stuck, `${written} bytes were taken`);
  assert.equal(server.listener.metrics().receivedBytes, received);
  assert.ok(await server.isHeld(), "neither limit has closed it");
});

Deno.test("rate limit: one that is held back can be disconnected, goes on with new limits, and drains", async () => {
  await using server = await limited(NEVER);
  using first = await TestClient.connect(server.address);
  await sendTwoLines(first);
  await until("it is held back", server.isHeld);
  const list = await server.clients.queries.clients({}) as ClientsJson;
  await server.clients.actions.disconnect({ client: list.clients[0]!.id });
  assert.equal(await first.rest(), "");

  using second = await TestClient.connect(server.address);
  await second.send("c\n");
  await until("a new connection is held back too", server.isHeld);
  assert.equal(server.listener.metrics().receivedBytes, TWO_LINES.length);
  server.clients.rateLimits.setRates({ address: null, token: null });
  assert.equal(await second.line(), "c\n");
  server.clients.rateLimits.setRates({ address: NEVER, token: null });
  await second.send("d\n");
  await second.line();
  await sendTwoLines(second);
  await until("it is held back", server.isHeld);
  const startMs = performance.now();
  await Promise.all([server.listener.drain(AbortSignal.timeout(60_000)), second.rest()]);
  assert.ok(performance.now() - startMs < 20_000, "the drain does not wait for the limit");
  const [, held] = server.clients.rateLimits.metrics("x");
  assert.deepEqual(held!.samples, [{ labels: { service: "x" }, value: 0 }]);
});
