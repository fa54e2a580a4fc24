/**
 * When a client counts as slow. All clients connect over pipes inside this process: timers fire in
 * order on a busy machine too, so a pause of 50 ms ends before a limit of 100 ms.
 *
 * @module
 */

import assert from "node:assert/strict";
import { delay } from "@std/async/delay";
import * as v from "valibot";
import { echoConfigSchema } from "../../lib/echo/config.ts";
import type { Connection } from "../../lib/net/connection.ts";
import { within } from "../support/within.ts";
import { startEcho } from "./support.ts";

/** Several times what a pipe and the default queue of 100 messages hold. */
const LINES = 400;
const LINE = new TextEncoder().encode(`${"x".repeat(1499)}\n`);

/** Reads until as many bytes have come as {@linkcode LINES} lines have. */
async function readAll(connection: Connection): Promise<void> {
  const chunk = new Uint8Array(65_536);
  for (let missing = LINES * LINE.length; missing > 0;) {
    const count = await within(60_000, `${missing} more bytes`, connection.read(chunk));
    assert.ok(count !== null, "the server has closed the connection");
    missing -= count;
  }
}

function manyLines(): Uint8Array {
  const bytes = new Uint8Array(LINES * LINE.length);
  for (let i = 0; i < LINES; i++) bytes.set(LINE, i * LINE.length);
  return bytes;
}

Deno.test("echo: a client that pauses for 50 ms loses nothing", async () => {
  assert.equal(v.parse(echoConfigSchema, {}).slow_after, 100);
  await using echo = await startEcho();
  const publisher = echo.running.console!.connect();
  const pausing = echo.running.console!.connect();
  const pause = delay(50);
  const reading = Promise.all([readAll(publisher), pause.then(() => readAll(pausing))]);
  await within(60_000, "the write", publisher.write(manyLines()));
  await reading;
  assert.equal(echo.metric("echo_dropped_messages_total"), 0);
  assert.deepEqual(echo.log.matching("Client is slow"), []);
  publisher.close();
  pausing.close();
});

Deno.test("echo: a client that pauses for longer than slow_after loses messages", async () => {
  await using echo = await startEcho({ slow_after: "50ms" });
  const publisher = echo.running.console!.connect();
  const stopped = echo.running.console!.connect();
  const reading = readAll(publisher);
  await within(60_000, "the write", publisher.write(manyLines()));
  await reading;
  assert.ok(echo.metric("echo_dropped_messages_total") > 0);
  assert.equal(echo.log.matching("Client is slow").length, 1);
  publisher.close();
  stopped.close();
});
