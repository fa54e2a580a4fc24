import assert from "node:assert/strict";
import { TestClient } from "../../support/client.ts";
import { within } from "../../support/within.ts";
import { startEcho } from "../support.ts";
import { handshake, TestSocket, webSocketPort } from "./support.ts";

const WEBSOCKET = { websocket: "127.0.0.1:0" };

Deno.test("WebSocket: messages and lines reach all clients, in one order", async () => {
  await using echo = await startEcho(WEBSOCKET);
  const url = `ws://127.0.0.1:${webSocketPort(echo)}/`;
  using line = await TestClient.connect(echo.running.addresses[0]!);
  using one = await TestSocket.connect(url);
  using two = await TestSocket.connect(url);
  await line.send("joined\n");
  assert.deepEqual([await line.line(), await one.next()], ["joined\n", "joined"]);
  assert.equal(await two.next(), "joined");
  one.send("from one");
  assert.equal(await line.line(), "from one\n");
  assert.deepEqual([await one.next(), await two.next()], ["from one", "from one"]);
  await line.send("first\nsecond\r\n\n");
  const expected = ["first", "second", ""];
  assert.deepEqual([await one.take(3), await two.take(3)], [expected, expected]);
  assert.equal(await line.line(), "first\n");

  const count = 200;
  for (let i = 0; i < count; i++) {
    one.send(`one ${i}`);
    two.send(`two ${i}`);
  }
  await line.send(Array.from({ length: count }, (_, i) => `line ${i}\n`).join(""));
  const [seenByOne, seenByTwo] = [await one.take(3 * count), await two.take(3 * count)];
  assert.deepEqual(seenByOne, seenByTwo);
  for (const who of ["one", "two", "line"]) {
    const own = seenByOne.filter((message) => message.startsWith(who));
    assert.deepEqual(own, Array.from({ length: count }, (_, i) => `${who} ${i}`));
  }
});

Deno.test("WebSocket: text stays text, what is not UTF-8 is binary, newlines split a message", async () => {
  await using echo = await startEcho(WEBSOCKET);
  using socket = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}`);
  using line = await TestClient.connect(echo.running.addresses[0]!);
  await line.send("joined\n");
  assert.deepEqual([await line.line(), await socket.next()], ["joined\n", "joined"]);
  socket.send("ä\nb\r\nc\n");
  socket.send(Uint8Array.of(0xff, 0x41));
  socket.send(new TextEncoder().encode("binary ü"));
  assert.deepEqual(await socket.take(5), ["ä", "b", "c", "\ufffdA", "binary ü"]);
  assert.deepEqual(socket.binary.slice(1), [false, false, false, true, false]);
  for (const expected of ["ä\n", "b\r\n", "c\n"]) assert.equal(await line.line(), expected);
  assert.deepEqual(await line.bytes(3), Uint8Array.of(0xff, 0x41, 10));
});

Deno.test("WebSocket: the WebSocket of Deno, and so of browsers, is served as well", async () => {
  await using echo = await startEcho(WEBSOCKET);
  const socket = new WebSocket(`ws://localhost:${webSocketPort(echo)}/`);
  const event = (name: string) =>
    new Promise<Event>((resolve) => {
      socket.addEventListener(name, (event) => resolve(event as Event), { once: true });
    });
  await within(60_000, "the connection", event("open"));
  socket.send("hello");
  const message = await within(60_000, "a message", event("message"));
  assert.equal((message as MessageEvent).data, "hello");
  const closed = event("close");
  socket.close(4000, "bye");
  const { code, reason } = await within(60_000, "the end", closed) as CloseEvent;
  assert.deepEqual({ code, reason }, { code: 4000, reason: "bye" });
});

Deno.test("WebSocket: in confirm mode the sender alone gets the reply", async () => {
  await using echo = await startEcho({ ...WEBSOCKET, mode: "confirm", reply: "noted" });
  using socket = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}`);
  socket.send("one\ntwo");
  assert.deepEqual(await socket.take(2), ["noted", "noted"]);
  assert.equal(echo.metric("echo_messages_total"), 2);
});

Deno.test("WebSocket: what a client has sent before it closes is published, and it gets what it is owed", async () => {
  await using echo = await startEcho(WEBSOCKET);
  const url = `ws://127.0.0.1:${webSocketPort(echo)}`;
  using other = await TestSocket.connect(url);
  using socket = await TestSocket.connect(url);
  for (let i = 0; i < 500; i++) socket.send(`message ${i}`);
  socket.ws.close(1000);
  assert.equal((await socket.ends()).code, 1000);
  assert.equal((await other.take(500)).at(-1), "message 499");
  assert.equal((await socket.take(500)).at(-1), "message 499");
});

Deno.test("WebSocket: a drain delivers what was sent, and closes with 1001", async () => {
  const echo = await startEcho(WEBSOCKET);
  const url = `ws://127.0.0.1:${webSocketPort(echo)}`;
  using one = await TestSocket.connect(url);
  using two = await TestSocket.connect(url);
  one.send("last words");
  assert.equal(await two.next(), "last words");
  one.send("very last words");
  await echo[Symbol.asyncDispose]();
  assert.equal(await two.next(), "very last words");
  for (const socket of [one, two]) {
    assert.deepEqual(await socket.ends(), { code: 1001, reason: "the server stops" });
  }
});

Deno.test("WebSocket: a thousand clients hear a message", async () => {
  await using echo = await startEcho(WEBSOCKET);
  const address = echo.running.addresses.at(-1)!;
  const clients: TestClient[] = [];
  const connect = async () => {
    const client = await TestClient.connect(address);
    clients.push(client);
    await client.send(handshake());
    while ((await client.line()).trim() !== "");
    // The answer to a ping shows that the client is in the room.
    await client.send(Uint8Array.of(0x89, 0x80, 0, 0, 0, 0));
    assert.deepEqual(await client.bytes(2), Uint8Array.of(0x8a, 0));
  };
  while (clients.length < 1000) await Promise.all(Array.from({ length: 100 }, connect));
  using sender = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}`);
  sender.send("to all");
  const frame = Uint8Array.of(0x81, 6, ...new TextEncoder().encode("to all"));
  for (const client of clients) assert.deepEqual(await client.bytes(frame.length), frame);
  for (const client of clients) client.close();
});

Deno.test("WebSocket: a late client gets the history of the room, one message for each line", async () => {
  await using echo = await startEcho({ ...WEBSOCKET, history: 2 });
  using line = await TestClient.connect(echo.running.addresses[0]!);
  await line.send("first\nsecond\nthird\n");
  for (const message of ["first\n", "second\n", "third\n"]) {
    assert.equal(await line.line(), message);
  }
  using late = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}`);
  assert.deepEqual(await late.take(2), ["second", "third"]);
  late.send("fourth");
  assert.equal(await late.next(), "fourth");
});

Deno.test("WebSocket: if its port is taken, echo does not start and leaves no port open", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  const config = {
    listen: `127.0.0.1:${port}`,
    nats: "127.0.0.1:0",
    websocket: `127.0.0.1:${taken.addr.port}`,
  };
  await assert.rejects(startEcho(config), /Cannot listen on 127.0.0.1:\d+: the address is taken/);
  Deno.listen({ hostname: "127.0.0.1", port }).close();
});
