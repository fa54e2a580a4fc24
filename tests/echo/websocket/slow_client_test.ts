/**
 * Slow readers among clients of both kinds. A WebSocket that stops reading must delay nobody for
 * longer than `slow_after`, and lose only its own messages.
 *
 * @module
 */

import assert from "node:assert/strict";
import { TestClient } from "../../support/client.ts";
import { until } from "../../support/within.ts";
import { startEcho } from "../support.ts";
import { TestSocket, webSocketPort } from "./support.ts";

const PADDING = "x".repeat(2000);
const BURST = 100;
const BURSTS = 60;

/** Publishes bursts of lines and reads all of them back before the next one. */
async function publish(client: TestClient, bursts: number): Promise<void> {
  for (let burst = 0; burst < bursts; burst++) {
    const lines = Array.from({ length: BURST }, (_, i) => `${burst * BURST + i} ${PADDING}\n`);
    await client.send(lines.join(""));
    for (const line of lines) assert.equal(await client.line(), line);
  }
}

Deno.test("WebSocket: a client that stops reading loses messages, and the others lose none", async () => {
  await using echo = await startEcho({ websocket: "127.0.0.1:0", slow_after: "200ms" });
  const url = `ws://127.0.0.1:${webSocketPort(echo)}`;
  using publisher = await TestClient.connect(echo.running.addresses[0]!);
  using reading = await TestSocket.connect(url);
  using stopped = await TestSocket.connect(url);
  stopped.ws.pause();
  await publish(publisher, BURSTS);
  const numbers = (messages: string[]) => messages.map((message) => parseInt(message));
  const all = Array.from({ length: BURST * BURSTS }, (_, i) => i);
  assert.deepEqual(numbers(await reading.take(all.length)), all);
  assert.equal(echo.log.matching("Client is slow").length, 1);
  const dropped = echo.metric("echo_dropped_messages_total");
  assert.ok(dropped > 0);

  // What it gets when it reads again is in order, and with what was dropped it is everything.
  stopped.ws.resume();
  await until("it has caught up", () => echo.log.matching("Slow client has caught up").length > 0);
  publisher.send("the end\n");
  const seen: number[] = [];
  for (let message; (message = await stopped.next()) !== "the end";) seen.push(parseInt(message));
  assert.ok(seen.length >= 100, `${seen.length} messages`);
  assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
  assert.equal(seen.length, all.length - echo.metric("echo_dropped_messages_total"));
});

Deno.test("WebSocket: a line client that stops reading does not hold up WebSockets", async () => {
  await using echo = await startEcho({ websocket: "127.0.0.1:0", slow_after: "200ms" });
  const url = `ws://127.0.0.1:${webSocketPort(echo)}`;
  using _stopped = await TestClient.connect(echo.running.addresses[0]!);
  using sender = await TestSocket.connect(url);
  using reader = await TestSocket.connect(url);
  for (let burst = 0; burst < BURSTS; burst++) {
    const messages = Array.from({ length: BURST }, (_, i) => `${burst * BURST + i} ${PADDING}`);
    for (const message of messages) sender.send(message);
    assert.deepEqual(await sender.take(BURST), messages);
    assert.deepEqual(await reader.take(BURST), messages);
  }
  assert.equal(echo.log.matching("Client is slow").length, 1);
});

Deno.test("WebSocket: on_full = close ends the connection of a slow client", async () => {
  await using echo = await startEcho({
    websocket: "127.0.0.1:0",
    slow_after: "100ms",
    on_full: "close",
  });
  using publisher = await TestClient.connect(echo.running.addresses[0]!);
  using stopped = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}`);
  stopped.ws.pause();
  await publish(publisher, BURSTS);
  assert.equal(echo.log.matching("Slow client closed").length, 1);
  stopped.ws.resume();
  assert.equal((await stopped.ends()).code, 1006);
});
