/**
 * Keys of `[echo]` that change while clients are connected.
 *
 * @module
 */

import assert from "node:assert/strict";
import * as v from "valibot";
import { type EchoConfig, echoConfigSchema } from "../../lib/echo/config.ts";
import { makeCertificates } from "../support/certificates.ts";
import { TestClient } from "../support/client.ts";
import { until, within } from "../support/within.ts";
import { startNats, WireClient } from "./nats/support.ts";
import { startEcho, type TestEcho } from "./support.ts";
import { TestSocket, webSocketPort } from "./websocket/support.ts";

const WAIT_MS = 20_000;

/** Changes the section of a running service, as a reload does. */
function adjust(echo: Pick<TestEcho, "running">, keys: Partial<Record<keyof EchoConfig, unknown>>) {
  const listen = "127.0.0.1:0";
  echo.running.adjust!(v.parse(echoConfigSchema, { listen, ...keys }));
}

/** Waits until the service has read this much in all. */
async function hasRead(echo: TestEcho, bytes: number): Promise<void> {
  await until(`${bytes} bytes are read`, () => echo.metric("received_bytes_total") >= bytes);
}

Deno.test("max_line: a line that has begun is judged by the limit at its end", async () => {
  await using echo = await startEcho();
  using client = await TestClient.connect(echo.running.addresses[0]!);
  await client.send("twelve bytes");
  await hasRead(echo, 12);
  adjust(echo, { max_line: "10B" });
  await client.send("\n");
  assert.equal(await client.line(), "ERR line too long (limit 10 bytes)\n");
  await client.send("short\n");
  assert.equal(await client.line(), "short\n");
  // Longer than the buffer of a connection could be under the first limit.
  adjust(echo, { max_line: "1MiB" });
  const long = `${"x".repeat(500_000)}\n`;
  const sent = client.send(long);
  assert.equal(await within(WAIT_MS, "the long line", client.line()), long);
  await sent;
});

Deno.test("reply and max_line: confirm mode has the new ones on an open connection", async () => {
  await using echo = await startEcho({ mode: "confirm" });
  using client = await TestClient.connect(echo.running.addresses[0]!);
  await client.send("a\nb\n");
  assert.equal(await client.line(), "Message received.\n");
  assert.equal(await client.line(), "Message received.\n");
  adjust(echo, { mode: "confirm", reply: "Noted.", max_line: "3B" });
  await client.send("one\nthree\n");
  assert.equal(await client.line(), "Noted.\n");
  assert.equal(await client.line(), "ERR line too long (limit 3 bytes)\n");
});

Deno.test("history: rooms keep more or less of it, and none when it is switched off", async () => {
  await using echo = await startEcho();
  const [address] = echo.running.addresses;
  using speaker = await TestClient.connect(address!);
  const say = async (line: string) => {
    await speaker.send(`${line}\n`);
    assert.equal(await speaker.line(), `${line}\n`);
  };
  /** What a new client hears, up to a line of its own. */
  const heard = async () => {
    using client = await TestClient.connect(address!);
    await client.send("hello\n");
    const lines: string[] = [];
    for (let line; (line = (await client.line()).trimEnd()) !== "hello";) lines.push(line);
    assert.equal(await speaker.line(), "hello\n");
    return lines;
  };
  await say("before");
  adjust(echo, { history: 3 });
  await say("1");
  await say("2");
  assert.deepEqual(await heard(), ["1", "2"]);
  adjust(echo, { history: 1 });
  await say("3");
  assert.deepEqual(await heard(), ["3"]);
  adjust(echo, {});
  assert.deepEqual(await heard(), []);
});

Deno.test("max_payload: NATS clients get another INFO, and their messages have the new limit", async () => {
  await using echo = await startNats({ max_payload: "100B" });
  using client = await WireClient.connect(echo.port);
  using old = await WireClient.connect(echo.port);
  assert.equal(client.info["max_payload"], 100);
  assert.equal(await client.ask('CONNECT {"verbose":false,"protocol":1}\r\nSUB a 1\r\n'), "");
  assert.equal(await old.ask('CONNECT {"verbose":false,"protocol":0}\r\n'), "");
  adjust(echo, { nats: "127.0.0.1:0", max_payload: "1MiB" });
  const info = JSON.parse((await client.line()).replace(/^INFO /, ""));
  assert.equal(info.max_payload, 1024 * 1024);
  assert.equal(info.client_id, client.info["client_id"]);
  const body = "x".repeat(300_000);
  const answer = await within(WAIT_MS, "the message", client.ask(`PUB a 300000\r\n${body}\r\n`));
  assert.equal(answer, `MSG a 1 300000\r\n${body}\r\n`);
  assert.equal(await old.ask(), "", "it understands no second INFO");
  // It has begun a message that is too long now.
  await client.send("PUB a 300000\r\nxxx");
  await hasRead(echo, 300_000 + 100);
  adjust(echo, { nats: "127.0.0.1:0", max_payload: "200B" });
  assert.match(await client.line(), /^INFO .*"max_payload":200,/);
  await client.send("yyy");
  assert.equal(await client.rest(), "-ERR 'Maximum Payload Violation'\r\n");
  using late = await WireClient.connect(echo.port);
  assert.equal(late.info["max_payload"], 200);
  assert.match(await old.ask("PUB a 201\r\n"), /Maximum Payload Violation/);
});

Deno.test("ping_interval: clients that are connected are pinged at the new one", async () => {
  const ports = { nats: "127.0.0.1:0", websocket: "127.0.0.1:0" };
  await using echo = await startEcho({ ...ports, ping_interval: "off" });
  const nats = echo.running.addresses[1]!;
  using client = await WireClient.of(await TestClient.connect(nats));
  assert.equal(await client.ask('CONNECT {"verbose":false,"protocol":1}\r\n'), "");
  using socket = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}`);
  const pinged = new Promise<void>((resolve) => socket.ws.once("ping", () => resolve()));
  adjust(echo, { ...ports, ping_interval: "50ms" });
  assert.equal(await client.line(), "PING\r\n");
  await within(WAIT_MS, "a ping", pinged);
  adjust(echo, { ...ports, ping_interval: "off" });
  // Clients that do not answer any more stay connected.
  assert.match(await client.ask(), /^(PING\r\n)*$/);
});

Deno.test("max_line: a WebSocket that is open has the new limit", async () => {
  await using echo = await startEcho({ websocket: "127.0.0.1:0" });
  using socket = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}`);
  socket.send("eleven byte");
  assert.equal(await socket.next(), "eleven byte");
  adjust(echo, { websocket: "127.0.0.1:0", max_line: "10B" });
  socket.send("ten bytes!");
  assert.equal(await socket.next(), "ten bytes!");
  socket.send("eleven byte");
  assert.deepEqual(await socket.ends(), { code: 1009, reason: "A message may have 10 bytes" });
});

Deno.test("handshake_first: new clients get the INFO as late as it says", async () => {
  await using files = await makeCertificates();
  const tls = files.server;
  await using echo = await startNats({ tls, handshake_first: "10s" });
  adjust(echo, { nats: "127.0.0.1:0", tls, handshake_first: "off" });
  const connected = WireClient.connect(echo.port);
  using client = await within(5000, "the INFO", connected);
  assert.equal(client.info["tls_required"], true);
});
