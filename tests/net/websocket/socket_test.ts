import assert from "node:assert/strict";
import { Connection } from "../../../lib/net/connection.ts";
import { pipe } from "../../../lib/net/pipe.ts";
import { WebSocketSocket } from "../../../lib/net/websocket/socket.ts";
import { untilAtRest, within } from "../../support/within.ts";

const NOTHING = new Uint8Array(0);

/** A ping with the longest payload. Its mask of zeros has no effect. */
const PING = Uint8Array.of(0x89, 0x80 | 125, 0, 0, 0, 0, ...new Uint8Array(125));

/** A server's WebSocket, and the client's end of what carries it. */
function connect() {
  const [ours, theirs] = pipe();
  const outer = new Connection(ours, 1, "pipe");
  const options = { form: "bytes", maxMessageBytes: 1_000_000 } as const;
  return { socket: new WebSocketSocket(outer, NOTHING, options), outer, client: theirs };
}

Deno.test("WebSocketSocket: a client that sends pings and reads no pongs is no longer read", async () => {
  const { socket, client } = connect();
  const reading = socket.read(new Uint8Array(100));
  // A pipe may take a part of what is written; this writes all of it.
  const sender = new Connection(client, 2, "pipe");
  let sent = 0;
  const flood = (async () => {
    for (; sent < 10_000; sent++) await sender.write(PING);
  })();
  await untilAtRest("the flood", () => sent);
  // Some 500 pongs fill 64 KiB, and then as many pings do.
  assert.ok(sent < 5000, `${sent} pings were taken`);
  assert.equal(socket.ending, undefined);
  socket.close();
  client.close();
  await flood.catch(() => {});
  assert.equal(await reading.catch(() => null), null);
});

Deno.test("WebSocketSocket: frames do not mix, however slowly they are taken", async () => {
  const { socket, client } = connect();
  const message = new Uint8Array(200_000).fill(0x61);
  const written = socket.write(message);
  socket.ping();
  socket.ping();
  const last = socket.write(Uint8Array.of(0x62));
  const expected = [
    ...[0x82, 127, 0, 0, 0, 0, 0, 3, 0x0d, 0x40],
    ...message,
    ...[0x89, 0, 0x89, 0],
    ...[0x82, 1, 0x62],
  ];
  const received: number[] = [];
  const into = new Uint8Array(5000);
  while (received.length < expected.length) {
    const count = await within(60_000, "bytes", client.read(into));
    received.push(...into.subarray(0, count!));
  }
  assert.deepEqual(received, expected);
  assert.equal(await written, message.length);
  assert.equal(await last, 1);
});

Deno.test("WebSocketSocket: nothing follows the close frame, which is sent once", async () => {
  const { socket, client } = connect();
  socket.end({ code: 1008, reason: "x" });
  assert.equal(await socket.read(new Uint8Array(1)), null);
  await socket.finish();
  await socket.finish();
  await assert.rejects(socket.write(Uint8Array.of(1)), { name: "ConnectionClosedError" });
  socket.ping();
  const into = new Uint8Array(100);
  const count = await client.read(into);
  assert.deepEqual(into.slice(0, count!), Uint8Array.of(0x88, 3, 1008 >> 8, 1008 & 255, 0x78));
});

Deno.test("WebSocketSocket: a client that does not take the close frame is cut off", async () => {
  const { socket, outer } = connect();
  const stuck = socket.write(new Uint8Array(200_000));
  const ended = assert.rejects(stuck, { name: "ConnectionClosedError" });
  await within(60_000, "the close frame", socket.finish());
  assert.ok(outer.closed);
  await ended;
});
