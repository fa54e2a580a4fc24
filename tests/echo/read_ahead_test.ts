/**
 * Clients that do one thing at a time: they write a burst, and read only once the write has
 * returned. They connect over pipes, which hold 64 KiB in each direction.
 *
 * @module
 */

import assert from "node:assert/strict";
import { READ_AHEAD_MAX_BYTES } from "../../lib/bus/publisher.ts";
import type { Connection } from "../../lib/net/connection.ts";
import { until, untilAtRest, within } from "../support/within.ts";
import { startEcho } from "./support.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const BURST = 100;

/** Long enough that only a deadlock makes a client slow. */
const NEVER_SLOW = { slow_after: "1m" };

/** A burst of lines of about 1500 bytes each: more than a pipe holds. */
function burst(id: number, round: number): Uint8Array {
  const padding = "x".repeat(1500);
  const lines = Array.from({ length: BURST }, (_, i) => `${id} ${round} ${i} ${padding}\n`);
  return encoder.encode(lines.join(""));
}

/** Everything that a client has been sent. */
class Received {
  text = "";
  readonly #client: Connection;
  readonly #chunk = new Uint8Array(65_536);
  readonly #decoder = new TextDecoder();

  constructor(client: Connection) {
    this.#client = client;
  }

  /** Reads until the text has `length` characters, all of them ASCII. */
  async readTo(length: number): Promise<void> {
    while (this.text.length < length) await this.#read();
  }

  /** Reads until a line that begins like this has come. */
  async readLine(beginning: string): Promise<void> {
    for (let from = 0; !this.text.includes(`\n${beginning}`, from);) {
      from = Math.max(0, this.text.length - beginning.length);
      await this.#read();
    }
  }

  async #read(): Promise<void> {
    const count = await within(60_000, "more lines", this.#client.read(this.#chunk));
    assert.ok(count !== null, "the server has closed the connection");
    this.text += this.#decoder.decode(this.#chunk.subarray(0, count));
  }
}

Deno.test("echo: clients that write a burst before they read lose nothing", async () => {
  await using echo = await startEcho(NEVER_SLOW);
  const clients = Array.from({ length: 3 }, () => echo.running.console!.connect());
  const rounds = 5;
  const sent = clients.map((_, id) => Array.from({ length: rounds }, (_, n) => burst(id, n)));
  const total = sent.flat().reduce((sum, { length }) => sum + length, 0);
  const texts = await Promise.all(clients.map(async (client, id) => {
    const received = new Received(client);
    for (let round = 0; round < rounds; round++) {
      await within(60_000, "the write", client.write(sent[id]![round]!));
      await received.readLine(`${id} ${round} ${BURST - 1} `);
    }
    await received.readTo(total);
    return received.text;
  }));
  for (const text of texts) assert.ok(text === texts[0], "all see one same order");
  for (const [id, bursts] of sent.entries()) {
    const own = texts[0]!.split("\n").filter((line) => line.startsWith(`${id} `));
    assert.ok(`${own.join("\n")}\n` === bursts.map((bytes) => decoder.decode(bytes)).join(""));
  }
  assert.equal(echo.metric("echo_dropped_messages_total"), 0);
  for (const client of clients) client.close();
});

Deno.test("echo: an error reply does not overtake the messages before it", async () => {
  await using echo = await startEcho({ ...NEVER_SLOW, queue: BURST / 2, max_line: "2KiB" });
  const client = echo.running.console!.connect();
  const lines = new Uint8Array([...burst(0, 0), ...burst(0, 1)]);
  const reply = "ERR line too long (limit 2048 bytes)\n";
  await within(60_000, "the write", client.write(lines));
  await within(60_000, "the write", client.write(new Uint8Array(3000).fill(120)));
  await within(60_000, "the write", client.write(encoder.encode("\n")));
  const received = new Received(client);
  await received.readTo(lines.length + reply.length);
  assert.ok(received.text === decoder.decode(lines) + reply);
  client.close();
});

/** Writes the same bytes again and again, and yields between writes. */
async function flood(client: Connection, bytes: Uint8Array, maxWrites: number): Promise<void> {
  for (let i = 0; i < maxWrites; i++) {
    await client.write(bytes);
    if (i % 1000 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
}

Deno.test("echo: reading ahead stops at its limit", async () => {
  await using echo = await startEcho({ ...NEVER_SLOW, queue: 1 });
  const client = echo.running.console!.connect();
  const bytes = burst(0, 0);
  const writing = assert.rejects(
    flood(client, bytes, 3 * READ_AHEAD_MAX_BYTES / bytes.length),
    { name: "ConnectionClosedError" },
  );
  await until("the limit is reached", () => client.bytesSent > READ_AHEAD_MAX_BYTES, 20_000);
  const sent = await untilAtRest("what the server takes", () => client.bytesSent);
  // Beyond the limit: one read, one write, both directions of the pipe, the begun line.
  assert.ok(sent < READ_AHEAD_MAX_BYTES + 6 * 65_536, `${sent} bytes`);
  client.close();
  await writing;
});

Deno.test("echo: reading ahead counts tiny batches as more than their bytes", async () => {
  await using echo = await startEcho({ ...NEVER_SLOW, queue: 1 });
  const client = echo.running.console!.connect();
  // Fills the pipe back to the client, so that its messages have to wait from now on.
  for (let round = 0; round < 3; round++) await client.write(burst(0, round));
  const filling = client.bytesSent;
  const writing = assert.rejects(
    flood(client, Uint8Array.of(10), READ_AHEAD_MAX_BYTES / 4),
    { name: "ConnectionClosedError" },
  );
  const sent = await untilAtRest("what the server takes", () => client.bytesSent) - filling;
  assert.ok(sent < READ_AHEAD_MAX_BYTES / 8, `${sent} bytes`);
  client.close();
  await writing;
});
