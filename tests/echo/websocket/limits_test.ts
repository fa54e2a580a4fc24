import assert from "node:assert/strict";
import fc from "fast-check";
import { TestClient } from "../../support/client.ts";
import { until, within } from "../../support/within.ts";
import { startEcho } from "../support.ts";
import { handshake, TestSocket, webSocketPort } from "./support.ts";

const WEBSOCKET = { websocket: "127.0.0.1:0" };

/** Reads the reply to a handshake; returns its first line. */
async function statusOf(client: TestClient): Promise<string> {
  const first = await client.line();
  while ((await client.line()).trim() !== "");
  return first.trim();
}

Deno.test("WebSocket: a message longer than max_line ends the connection with 1009", async () => {
  await using echo = await startEcho({ ...WEBSOCKET, max_line: "100B" });
  const url = `ws://127.0.0.1:${webSocketPort(echo)}`;
  using other = await TestSocket.connect(url);
  using socket = await TestSocket.connect(url);
  socket.send("x".repeat(100));
  assert.equal((await other.next()).length, 100);
  socket.send("x".repeat(101));
  assert.deepEqual(await socket.ends(), { code: 1009, reason: "A message may have 100 bytes" });
  assert.equal(echo.metric("echo_long_lines_total"), 1);
  other.send("still here");
  assert.equal(await other.next(), "still here");
});

Deno.test("WebSocket: a client that breaks the protocol is told so with 1002", async () => {
  await using echo = await startEcho(WEBSOCKET);
  using client = await TestClient.connect(echo.running.addresses.at(-1)!);
  // A frame that is not masked, directly behind the handshake.
  const broken = Uint8Array.of(0x81, 0x01, 0x61);
  await client.send(Uint8Array.of(...new TextEncoder().encode(handshake()), ...broken));
  assert.equal(await statusOf(client), "HTTP/1.1 101 Switching Protocols");
  assert.deepEqual((await client.bytes(4)).slice(2), Uint8Array.of(1002 >> 8, 1002 & 255));
  assert.match(await client.rest(), /^The frame is not masked$/);
});

Deno.test("WebSocket: a silent client is pinged, and dropped if it does not answer", async () => {
  await using echo = await startEcho({ ...WEBSOCKET, ping_interval: "100ms" });
  using answering = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}`);
  let pings = 0;
  answering.ws.on("ping", () => {
    // The answer to the first ping arrives while this process is held up.
    if (++pings === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  });
  using dead = await TestClient.connect(echo.running.addresses.at(-1)!);
  await dead.send(handshake());
  assert.match(await statusOf(dead), / 101 /);
  assert.deepEqual(await dead.bytes(2), Uint8Array.of(0x89, 0));
  assert.equal(await dead.rest(), "");
  await until("the other client has been pinged three times", () => pings >= 3);
  answering.send("alive");
  assert.equal(await answering.next(), "alive");
});

Deno.test("WebSocket: pings are answered, with their payload", async () => {
  await using echo = await startEcho(WEBSOCKET);
  using socket = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}`);
  const pong = new Promise<string>((resolve) => {
    socket.ws.on("pong", (data) => resolve(data.toString()));
  });
  socket.ws.ping("marco");
  assert.equal(await within(60_000, "the pong", pong), "marco");
});

Deno.test("WebSocket: a conversation without messages ends after idle_timeout", async () => {
  await using echo = await startEcho({
    ...WEBSOCKET,
    idle_timeout: "200ms",
    ping_interval: "20ms",
  });
  using socket = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}`);
  assert.deepEqual(await socket.ends(), { code: 1008, reason: "idle for too long" });
});

Deno.test("WebSocket: a message must be finished within request_timeout", async () => {
  await using echo = await startEcho({ ...WEBSOCKET, request_timeout: "200ms" });
  using socket = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}`);
  // Bytes keep coming, but the message does not end.
  const dribble = setInterval(() => socket.ws.send("x", { fin: false }), 20);
  try {
    assert.deepEqual(await socket.ends(), { code: 1008, reason: "request timeout" });
  } finally {
    clearInterval(dribble);
  }
  using client = await TestClient.connect(echo.running.addresses.at(-1)!);
  await client.send(handshake());
  await statusOf(client);
  await client.send(Uint8Array.of(0x81));
  assert.match(await client.rest(), /request timeout$/);
});

Deno.test("WebSocket: random bytes after the handshake harm nobody else", async () => {
  await using echo = await startEcho(WEBSOCKET);
  using witness = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}`);
  // The first byte of a frame decides much, so some input begins with a plausible one.
  const start = fc.constantFrom([], [0x81, 0x85], [0x01, 0x83], [0x89, 0x80], [0x88, 0x82], [0x82]);
  const input = fc.tuple(start, fc.uint8Array({ maxLength: 400 }));
  await fc.assert(
    fc.asyncProperty(input, async ([first, bytes]) => {
      using client = await TestClient.connect(echo.running.addresses.at(-1)!);
      const request = new TextEncoder().encode(handshake());
      await client.send(Uint8Array.of(...request, ...first, ...bytes)).catch(() => {});
      await client.closeWrite().catch(() => {});
      await client.rest().catch(() => {});
    }),
    { numRuns: 100 },
  );
  witness.send("the witness");
  for (let message = ""; message !== "the witness";) message = await witness.next();
  assert.deepEqual(echo.log.matching("Connection failed"), []);
});
