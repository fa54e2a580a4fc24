/** The NATS port with a client of NATS, as it comes from the registry. */

import assert from "node:assert/strict";
import {
  connect,
  type ConnectionOptions,
  createInbox,
  headers,
  type NatsConnection,
} from "@nats-io/transport-node";
import { FailureCounter, Guard } from "../../../lib/auth.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { TestClient } from "../../support/client.ts";
import { within } from "../../support/within.ts";
import { startNats } from "./support.ts";

/** Connects a client; disposing it closes it. */
async function join(port: number, options: ConnectionOptions = {}) {
  const nc = await connect({ servers: `127.0.0.1:${port}`, timeout: 10_000, ...options });
  return Object.assign(nc, { [Symbol.asyncDispose]: () => nc.close() });
}

/** Collects the next messages of a subscription, as texts. */
async function texts(nc: NatsConnection, subject: string, options: { max: number }) {
  const received: string[] = [];
  for await (const message of nc.subscribe(subject, options)) {
    received.push(`${message.subject}: ${message.string()}`);
  }
  return received;
}

/** A guard with one token. */
function guarded(token: string) {
  const guard = new Guard([token], new FailureCounter(100, 60_000));
  return { guard: () => guard };
}

/** Waits for a status of a client. */
async function status(nc: NatsConnection, type: string): Promise<void> {
  for await (const event of nc.status()) if (event.type === type) return;
  throw new Error(`The client ended without the status ${type}`);
}

Deno.test("NATS clients share the bus with each other and with lines", async () => {
  await using echo = await startNats();
  await using a = await join(echo.port);
  await using b = await join(echo.port);
  using lines = await TestClient.connect(echo.lines);
  const heard = texts(a, ">", { max: 3 });
  await a.flush();
  b.publish("echo", "two\nlines");
  assert.equal(await lines.line(), "two\n");
  assert.equal(await lines.line(), "lines\n");
  await lines.send("from a line\r\n");
  assert.equal(await lines.line(), "from a line\r\n");
  b.publish("other.subject", "not for lines");
  assert.deepEqual(await within(60_000, "three messages", heard), [
    "echo: two\nlines",
    "echo: from a line",
    "other.subject: not for lines",
  ]);
});

Deno.test("NATS clients: a queue group gets each message once, other subscriptions get all", async () => {
  await using echo = await startNats();
  await using nc = await join(echo.port);
  await using other = await join(echo.port);
  const counts = [0, 0, 0];
  const sum = (...indices: number[]) => indices.reduce((sum, i) => sum + counts[i]!, 0);
  nc.subscribe("job.*", { queue: "workers", callback: () => void counts[0]!++ });
  other.subscribe("job.*", { queue: "workers", callback: () => void counts[1]!++ });
  other.subscribe("job.*", { callback: () => void counts[2]!++ });
  await Promise.all([nc.flush(), other.flush()]);
  for (let i = 0; i < 1000; i++) nc.publish(`job.${i % 7}`, `${i}`);
  await nc.flush();
  await other.flush();
  assert.equal(sum(0, 1), 1000);
  assert.equal(counts[2], 1000);
  assert.ok(counts[0]! > 0 && counts[1]! > 0, "both workers have work");
});

Deno.test("NATS clients: requests get replies, several replies, or the answer that nobody hears them", async () => {
  await using echo = await startNats();
  await using nc = await join(echo.port);
  await using service = await join(echo.port, { noEcho: true });
  service.subscribe("double", {
    callback: (_, message) => void message.respond(`${2 * Number(message.string())}`),
  });
  service.subscribe("three", {
    callback: (_, message) => {
      for (const text of ["a", "b", "c"]) message.respond(text);
    },
  });
  await service.flush();
  const replies = await Promise.all(
    Array.from({ length: 100 }, (_, i) => nc.request("double", `${i}`, { timeout: 10_000 })),
  );
  assert.deepEqual(replies.map((reply) => reply.string()), replies.map((_, i) => `${2 * i}`));
  const many: string[] = [];
  for await (
    const reply of await nc.requestMany("three", "", {
      strategy: "count",
      maxMessages: 3,
      maxWait: 10_000,
    })
  ) {
    many.push(reply.string());
  }
  assert.deepEqual(many, ["a", "b", "c"]);
  const mux = { timeout: 10_000 };
  await assert.rejects(nc.request("nobody", "", mux), /no responders/);
  const own = { timeout: 10_000, noMux: true, reply: createInbox() };
  await assert.rejects(nc.request("nobody", "", own), /no responders/);
  // With echo off, its own subscription does not hear it.
  await assert.rejects(service.request("double", "", mux), /no responders/);
});

Deno.test("NATS clients: headers arrive, also with replies", async () => {
  await using echo = await startNats();
  await using nc = await join(echo.port);
  nc.subscribe("header", {
    callback: (_, message) => {
      const answer = headers(200, "fine");
      answer.append("Seen", message.headers?.get("Key") ?? "none");
      answer.append("Seen", "twice");
      message.respond("body", { headers: answer });
    },
  });
  const question = headers();
  question.set("Key", "välue");
  const reply = await nc.request("header", "", { headers: question, timeout: 10_000 });
  assert.equal(reply.string(), "body");
  assert.equal(reply.headers?.code, 200);
  assert.deepEqual(reply.headers?.values("Seen"), ["välue", "twice"]);
});

Deno.test("NATS clients: a subscription ends after its maximum, and drain loses nothing", async () => {
  await using echo = await startNats();
  await using nc = await join(echo.port);
  const draining = await connect({ servers: `127.0.0.1:${echo.port}` });
  const two = texts(nc, "some", { max: 2 });
  let drained = 0;
  draining.subscribe("some", { callback: () => void drained++ });
  await Promise.all([nc.flush(), draining.flush()]);
  for (let i = 0; i < 500; i++) nc.publish("some", `${i}`);
  await nc.flush();
  await within(60_000, "the drain", draining.drain());
  assert.equal(drained, 500);
  assert.deepEqual(await two, ["some: 0", "some: 1"]);
});

Deno.test("NATS clients: messages up to max_payload arrive whole, longer ones are refused", async () => {
  await using echo = await startNats({ max_payload: "2MiB" });
  await using nc = await join(echo.port);
  assert.equal(nc.info?.max_payload, 2 * 1024 * 1024);
  const payload = new Uint8Array(2 * 1024 * 1024).map((_, i) => i * 7);
  const [message] = await Promise.all([
    (async () => {
      for await (const message of nc.subscribe("large", { max: 1 })) return message.data;
    })(),
    nc.publish("large", payload),
  ]);
  assert.deepEqual(message, payload);
  assert.throws(() => nc.publish("large", new Uint8Array(payload.length + 1)), /max_payload/);
});

Deno.test("NATS clients: subjects of the daemon cannot be published to", async () => {
  await using echo = await startNats();
  await using nc = await join(echo.port);
  const failure = (async () => {
    for await (const event of nc.status()) if (event.type === "error") return event.error.message;
  })();
  nc.publish("task.mail.done", "{}");
  assert.match(
    await within(60_000, "the error", failure) ?? "",
    /Permissions Violation for Publish to "task\.mail\.done"/,
  );
  await nc.flush();
});

Deno.test("NATS clients: the token is a token or a password", async () => {
  await using echo = await startNats({}, guarded("a-token-of-echo"));
  for (
    const options of [
      { token: "a-token-of-echo" },
      { user: "anybody", pass: "a-token-of-echo" },
    ]
  ) {
    await using nc = await join(echo.port, options);
    assert.equal(nc.info?.auth_required, true);
    await nc.flush();
  }
  for (const options of [{ token: "wrong-token" }, { user: "a-token-of-echo", pass: "x" }, {}]) {
    await assert.rejects(join(echo.port, options), /Authorization Violation/);
  }
});

Deno.test("NATS clients: TLS begins after the INFO or at once", async () => {
  await using files = await makeCertificates();
  for (const handshakeFirst of [false, true]) {
    // On a busy machine a client may begin later than by default.
    const wait = handshakeFirst ? { handshake_first: "10s" } : {};
    await using echo = await startNats({ tls: files.server, ...wait });
    const servers = `localhost:${echo.port}`;
    await using nc = await join(echo.port, { servers, tls: { ca: files.ca, handshakeFirst } });
    assert.equal(nc.info?.tls_required, true);
    const heard = texts(nc, "secret", { max: 1 });
    nc.publish("secret", "message");
    assert.deepEqual(await within(60_000, "a message", heard), ["secret: message"]);
  }
});

Deno.test("NATS clients hear that the server stops, and find it again when it has started", async () => {
  let echo = await startNats();
  const { port } = echo;
  await using nc = await join(port, { reconnectTimeWait: 20, maxReconnectAttempts: -1 });
  const heard = texts(nc, "news", { max: 1 });
  await nc.flush();
  const lameDuck = status(nc, "ldm");
  const again = status(nc, "reconnect");
  await echo[Symbol.asyncDispose]();
  await within(60_000, "the announcement", lameDuck);
  echo = await startNats({ nats: `127.0.0.1:${port}` });
  await within(60_000, "the next connection", again);
  nc.publish("news", "back");
  assert.deepEqual(await within(60_000, "a message", heard), ["news: back"]);
  await nc.close();
  await echo[Symbol.asyncDispose]();
});
