import assert from "node:assert/strict";
import { FailureCounter, Guard } from "../../../lib/auth.ts";
import { Bus } from "../../../lib/bus/bus.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { TestClient } from "../../support/client.ts";
import { until, untilAtRest } from "../../support/within.ts";
import { startNats, WireClient } from "./support.ts";

const QUIET = 'CONNECT {"verbose":false,"pedantic":false}\r\n';
const TOKEN = "a-token-of-echo";
const MIB = 1024 * 1024;

function guarded(loginTimeoutMs = 60_000) {
  const guard = new Guard([TOKEN], new FailureCounter(100, 60_000), loginTimeoutMs);
  return { guard: () => guard };
}

Deno.test("NATS: the INFO describes the server and the client", async () => {
  await using echo = await startNats({ max_payload: "64KiB" });
  using first = await WireClient.connect(echo.port);
  using second = await WireClient.connect(echo.port);
  const { server_id, server_name, quartet, client_id, ...rest } = first.info;
  assert.deepEqual(rest, {
    version: "2.9.0",
    proto: 1,
    host: "127.0.0.1",
    port: echo.port,
    headers: true,
    max_payload: 65_536,
    client_ip: "127.0.0.1",
  });
  assert.match(`${server_id} ${server_name} ${quartet}`, /^[0-9A-F]{32} quartet-[0-9A-F]{8} \d/);
  assert.equal(second.info.server_id, server_id);
  assert.notEqual(second.info.client_id, client_id);
});

Deno.test("NATS: without its token, a client can do nothing but show it", async () => {
  await using echo = await startNats({}, guarded());
  const answers: [operations: string, answer: string][] = [
    [`CONNECT {"verbose":false,"auth_token":"${TOKEN}"}\r\nSUB a 1\r\n`, ""],
    [`CONNECT {"pass":"${TOKEN}","user":"x"}\r\n`, "+OK\r\n"],
    [`CONNECT {"auth_token":"${TOKEN}"}\r\nCONNECT {}\r\n`, "+OK\r\n+OK\r\n"],
    ['CONNECT {"auth_token":"wrong"}\r\n', "-ERR 'Authorization Violation'\r\n…closed"],
    ["CONNECT {}\r\n", "-ERR 'Authorization Violation'\r\n…closed"],
    ["SUB > 1\r\n", "-ERR 'Authorization Violation'\r\n…closed"],
    ["PUB a 1000000\r\n", "-ERR 'Authorization Violation'\r\n…closed"],
    ["", "-ERR 'Authorization Violation'\r\n…closed"],
    [
      `CONNECT {"auth_token":"${TOKEN}","verbose":false}\r\nCONNECT {"auth_token":"x"}\r\nSUB a 1\r\n`,
      "-ERR 'Authorization Violation'\r\n…closed",
    ],
  ];
  for (const [operations, answer] of answers) {
    using client = await WireClient.connect(echo.port);
    assert.equal(client.info.auth_required, true);
    assert.equal(await client.ask(operations), answer, operations);
  }
});

Deno.test("NATS: a client that shows no token in time is told so", async () => {
  await using echo = await startNats({}, guarded(20));
  using client = await WireClient.connect(echo.port);
  assert.equal(await client.rest(), "-ERR 'Authentication Timeout'\r\n");
});

Deno.test("NATS: a client whose token is withdrawn is told so", async () => {
  const guard = new Guard([TOKEN], new FailureCounter(10, 60_000));
  await using echo = await startNats({}, { guard: () => guard });
  using client = await WireClient.connect(echo.port);
  assert.equal(await client.ask(`CONNECT {"auth_token":"${TOKEN}"}\r\n`), "+OK\r\n");
  guard.logins.revise(new Guard(["another-token"], new FailureCounter(10, 60_000)));
  assert.equal(await client.rest(), "-ERR 'User Authentication Revoked'\r\n");
});

Deno.test("NATS: a silent client is sent pings, and closed if it does not answer", async () => {
  await using echo = await startNats({ ping_interval: "20ms" });
  using silent = await WireClient.connect(echo.port);
  assert.equal(await silent.rest(), "PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
  using answering = await WireClient.connect(echo.port);
  for (let pings = 0; pings < 5; pings++) {
    assert.equal(await answering.line(), "PING\r\n");
    await answering.send("PONG\r\n");
  }
});

Deno.test("NATS: a client beyond max_clients is told so after the INFO", async () => {
  await using echo = await startNats({ max_clients: 1 });
  using first = await WireClient.connect(echo.port);
  using second = await WireClient.connect(echo.port);
  assert.equal(await second.rest(), "-ERR 'maximum connections exceeded'\r\n");
  assert.equal(await first.ask(), "");
});

Deno.test("NATS: a subscription beyond the maximum is refused, and the client stays", async () => {
  await using echo = await startNats({}, { bus: new Bus({ maxClientSubscriptions: 2 }) });
  using client = await WireClient.connect(echo.port);
  const full = "-ERR 'maximum subscriptions exceeded'\r\n";
  const operations = "SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nUNSUB 1\r\nSUB c 3\r\n";
  assert.equal(await client.ask(QUIET + operations), full);
});

Deno.test("NATS: subscriptions of a client that leaves are gone", async () => {
  const bus = new Bus();
  await using echo = await startNats({}, { bus });
  const before = bus.subscriptions;
  using client = await WireClient.connect(echo.port);
  const names = Array.from({ length: 5000 }, (_, i) => `SUB inbox.${i % 1000} ${i}\r\n`);
  await client.ask(QUIET + names.join("") + "UNSUB 1\r\nSUB once 5001\r\nUNSUB 5001 1\r\n");
  assert.equal(bus.subscriptions - before, 5000);
  assert.equal(await client.ask("PUB once 1\r\nx\r\n"), "MSG once 5001 1\r\nx\r\n");
  assert.equal(bus.subscriptions - before, 4999);
  client[Symbol.dispose]();
  await until("the subscriptions are gone", () => bus.subscriptions === before);
});

Deno.test("NATS: only clients that may hear a service hear its events", async () => {
  const bus = new Bus();
  const services: string[] = [];
  let admitted = false;
  const admits = (service: string) => {
    services.push(service);
    return admitted;
  };
  await using echo = await startNats({}, { bus, admits });
  using client = await WireClient.connect(echo.port);
  await client.ask(`${QUIET}SUB > 1\r\n`);
  const { Batch } = await import("../../../lib/bus/batch.ts");
  const event = () => Batch.ofPayload("task.mail.done", new TextEncoder().encode("{}"));
  bus.announce(event());
  assert.equal(await client.ask(), "");
  admitted = true;
  bus.announce(event());
  assert.equal(await client.ask(), "MSG task.mail.done 1 2\r\n{}\r\n");
  assert.deepEqual(services, ["task", "task"]);
  assert.equal(
    await client.ask("PUB task.mail.done 2\r\n{}\r\n"),
    "-ERR 'Permissions Violation for Publish to \"task.mail.done\"'\r\n",
  );
});

Deno.test("NATS: replies keep their place among messages that wait for a slow reader", async () => {
  await using echo = await startNats({ queue: 10, slow_after: "60s", max_payload: "4MiB" });
  using slow = await WireClient.connect(echo.port);
  await slow.ask(`${QUIET}SUB big 1\r\n`);
  using client = await WireClient.connect(echo.port);
  await client.ask(`${QUIET}SUB small 1\r\n`);
  // More than the sockets hold, so that messages wait in the queue of the slow client.
  const big = `PUB big ${MIB}\r\n${"x".repeat(MIB)}\r\n`;
  for (let i = 0; i < 10; i++) await client.send(big);
  await client.send("PUB small 1\r\na\r\nUNSUB 1\r\nPUB small 1\r\nb\r\nPING\r\n");
  for (let i = 0; i < 10; i++) {
    assert.equal(await slow.line(), `MSG big 1 ${MIB}\r\n`);
    assert.equal((await slow.line()).length, MIB + 2);
  }
  assert.equal(await client.line(), "MSG small 1 1\r\n");
  assert.equal(await client.line(), "a\r\n");
  assert.equal(await client.line(), "PONG\r\n");
});

Deno.test("NATS: a slow client loses messages and hears the later ones", async () => {
  await using echo = await startNats({ queue: 10, slow_after: "20ms" });
  using slow = await WireClient.connect(echo.port);
  await slow.ask(`${QUIET}SUB big 1\r\n`);
  using client = await WireClient.connect(echo.port);
  await client.ask(QUIET);
  const big = `PUB big ${MIB}\r\n${"x".repeat(MIB)}\r\n`;
  for (let i = 0; i < 30; i++) await client.send(big);
  assert.equal(await client.ask(), "");
  await until("messages are lost", () => echo.metric("echo_dropped_messages_total") > 0);
  await slow.send("PING\r\n");
  let messages = 0;
  for (let line = await slow.line(); line !== "PONG\r\n"; line = await slow.line()) {
    if (line.startsWith("MSG ")) messages++;
  }
  assert.ok(messages >= 10 && messages < 30, `${messages} messages`);
  await client.ask("PUB big 1\r\ny\r\n");
  assert.equal(await slow.line(), "MSG big 1 1\r\n");
});

Deno.test("NATS: a client that never reads its replies is not read either", async () => {
  await using echo = await startNats();
  using client = await WireClient.connect(echo.port);
  const pings = new TextEncoder().encode("PING\r\n".repeat(10_000));
  const WRITES = 1000;
  const sending = (async () => {
    for (let sent = 0; sent < WRITES; sent++) await client.send(pings);
  })();
  const received = await untilAtRest(
    "the number of bytes read",
    () => echo.metric("received_bytes_total"),
  );
  assert.ok(received < WRITES * pings.length / 2, `${received} bytes were read`);
  client[Symbol.dispose]();
  await sending;
});

Deno.test("NATS: a client that neither reads its replies nor sends anything more is closed", async () => {
  await using echo = await startNats({ ping_interval: "300ms" });
  using client = await WireClient.connect(echo.port);
  const pings = new TextEncoder().encode("PING\r\n".repeat(10_000));
  // It ends when the server resets the connection.
  const sending = (async () => {
    for (let sent = 0; sent < 2000; sent++) await client.send(pings);
  })();
  await until("the server has closed the connection", () => echo.metric("connections") === 0);
  await sending;
});

Deno.test("NATS: a mistake behind messages that wait is answered once, after them", async () => {
  await using echo = await startNats({ queue: 10, slow_after: "60s", max_payload: "4MiB" });
  using slow = await WireClient.connect(echo.port);
  await slow.ask(`${QUIET}SUB big 1\r\n`);
  using client = await WireClient.connect(echo.port);
  await client.ask(`${QUIET}SUB small 1\r\n`);
  const big = `PUB big ${MIB}\r\n${"x".repeat(MIB)}\r\n`;
  for (let i = 0; i < 10; i++) await client.send(big);
  await client.send("PUB small 1\r\na\r\nNONSENSE\r\n");
  for (let i = 0; i < 20; i++) await slow.line();
  assert.equal(
    await client.rest(),
    "MSG small 1 1\r\na\r\n-ERR 'Unknown Protocol Operation'\r\n",
  );
});

Deno.test("NATS: the INFO of a stopping server says so, to clients that take it", async () => {
  const echo = await startNats();
  using old = await WireClient.connect(echo.port);
  await old.ask('CONNECT {"verbose":false,"protocol":0}\r\n');
  using client = await WireClient.connect(echo.port);
  await client.ask('CONNECT {"verbose":false,"protocol":1}\r\n');
  const stopped = echo[Symbol.asyncDispose]();
  const info = JSON.parse((await client.line()).replace("INFO ", ""));
  assert.equal(info.ldm, true);
  assert.equal(info.client_id, client.info.client_id);
  assert.equal(await client.rest(), "");
  assert.equal(await old.rest(), "");
  await stopped;
});

Deno.test("NATS: with TLS, the INFO comes first in plain text, or after the handshake", async () => {
  await using files = await makeCertificates();
  await using echo = await startNats({ tls: files.server, handshake_first: "off" });
  const options = { hostname: "localhost", caCerts: [files.ca] };
  const plain = await Deno.connect({ hostname: "127.0.0.1", port: echo.port });
  const start = new Uint8Array(4096);
  const info = new TextDecoder().decode(start.subarray(0, await plain.read(start) ?? 0));
  assert.match(info, /^INFO \{.*"tls_required":true.*\} \r\n$/);
  using secure = TestClient.of(await Deno.startTls(plain, options));
  await secure.send("PING\r\n");
  assert.equal(await secure.line(), "PONG\r\n", "the INFO is not repeated");
});
