import assert from "node:assert/strict";
import { wsconnect } from "@nats-io/nats-core";
import { FailureCounter, Guard } from "../../../lib/auth.ts";
import { TestClient } from "../../support/client.ts";
import { within } from "../../support/within.ts";
import { startEcho } from "../support.ts";
import { TestSocket, webSocketPort } from "./support.ts";

const WEBSOCKET = { websocket: "127.0.0.1:0" };
const TOKEN = "a-token-for-echo";

Deno.test("WebSocket: at /nats, wsconnect of nats-core publishes, subscribes and requests", async () => {
  await using echo = await startEcho(WEBSOCKET);
  const servers = `ws://127.0.0.1:${webSocketPort(echo)}/nats`;
  const nats = await within(60_000, "the connection", wsconnect({ servers, reconnect: false }));
  try {
    const room = nats.subscribe("echo", { max: 2 });
    nats.subscribe("double", {
      callback: (_, message) => {
        message.respond(`${message.string()}${message.string()}`);
      },
    });
    await nats.flush();
    using line = await TestClient.connect(echo.running.addresses[0]!);
    using socket = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}/`);
    await line.send("a line\n");
    assert.equal(await line.line(), "a line\n");
    assert.equal(await socket.next(), "a line");
    nats.publish("echo", "from nats");
    assert.equal(await line.line(), "from nats\n");
    assert.equal(await socket.next(), "from nats");
    const heard: string[] = [];
    for await (const message of room) heard.push(message.string());
    assert.deepEqual(heard, ["a line", "from nats"]);
    assert.equal((await nats.request("double", "x".repeat(100_000))).data.length, 200_000);
  } finally {
    await nats.close();
  }
});

Deno.test("WebSocket: at /nats, the token is taken from CONNECT or from the handshake", async () => {
  const guard = new Guard([TOKEN], new FailureCounter(10, 60_000));
  await using echo = await startEcho(WEBSOCKET, { guard: () => guard });
  const url = `ws://127.0.0.1:${webSocketPort(echo)}/nats`;
  const options = { servers: url, reconnect: false, timeout: 20_000 };
  const nats = await within(60_000, "the connection", wsconnect({ ...options, token: TOKEN }));
  await nats.close();
  await assert.rejects(wsconnect({ ...options, token: "wrong-token" }), /uthorization/);

  const headers = { authorization: `Bearer ${TOKEN}` };
  using socket = await TestSocket.connect(url, { headers });
  assert.match(await socket.next(), /^INFO /);
  socket.ws.send(new TextEncoder().encode('CONNECT {"verbose":false}\r\nPING\r\n'));
  assert.equal(await socket.next(), "PONG\r\n");
});

Deno.test("WebSocket: at /nats, commands may be cut into messages anywhere, and text is refused", async () => {
  await using echo = await startEcho(WEBSOCKET);
  const url = `ws://127.0.0.1:${webSocketPort(echo)}/nats`;
  using socket = await TestSocket.connect(url);
  assert.match(await socket.next(), /^INFO /);
  const commands = 'CONNECT {"verbose":false}\r\nSUB a 1\r\nPUB a 5\r\nhello\r\nPING\r\n';
  for (const byte of new TextEncoder().encode(commands)) socket.send(Uint8Array.of(byte));
  let replies = "";
  while (!replies.endsWith("PONG\r\n")) replies += await socket.next();
  assert.equal(replies, "MSG a 1 5\r\nhello\r\nPONG\r\n");
  assert.ok(socket.binary.every((binary) => binary));
  socket.send("PING\r\n");
  const reason = "Only binary messages are accepted here";
  assert.deepEqual(await socket.ends(), { code: 1003, reason });
});
