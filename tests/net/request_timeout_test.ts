import assert from "node:assert/strict";
import fc from "fast-check";
import { LINE_REPLIES } from "../../lib/net/line_replies.ts";
import { LineReader } from "../../lib/net/line_reader.ts";
import { ReadBuffer } from "../../lib/net/read_buffer.ts";
import { TestClient } from "../support/client.ts";
import { dribble } from "../support/dribble.ts";
import { startListener, type TestListenerOptions } from "../support/listener.ts";
import { checkRequests, piecesOf, sourceOf } from "../support/requests.ts";
import { until } from "../support/within.ts";

const TIMEOUT_MS = 200;
const TOLD = "ERR request timeout\n";

async function listen(options: TestListenerOptions = {}) {
  const server = await startListener({
    requestTimeoutMs: TIMEOUT_MS,
    ...LINE_REPLIES,
    ...options,
  });
  const connect = () => TestClient.connect(server.listener.address);
  /** Waits until the limit has passed twice, as seen by a client that exceeds it. */
  const outlast = async () => {
    for (let count = 0; count < 2; count++) {
      using slow = await connect();
      assert.equal(await dribble(slow, "x"), TOLD);
    }
  };
  return { ...server, connect, outlast };
}

Deno.test("request timeout: a byte now and then does not extend the limit", async () => {
  await using server = await listen();
  using slow = await server.connect();
  const startMs = performance.now();
  assert.equal(await dribble(slow, "x"), TOLD);
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs >= TIMEOUT_MS, `${tookMs} ms`);
  assert.equal(server.log.matching("too long to finish a request").length, 1);
});

Deno.test("request timeout: a skipped line that is too long counts as one request", async () => {
  await using server = await listen();
  using slow = await server.connect();
  assert.equal(await dribble(slow, "x".repeat(5000), 0), TOLD);
});

Deno.test("request timeout: a client that is idle, or finishes in time, stays connected", async () => {
  await using server = await listen();
  using silent = await server.connect();
  using between = await server.connect();
  await between.send("whole\n");
  assert.equal(await between.line(), "whole\n");
  using busy = await server.connect();
  let over = false;
  const watching = server.outlast().finally(() => over = true);
  // At every moment some line is begun.
  await busy.send("be");
  let count = 0;
  while (!over) {
    await busy.send("gun\nbe");
    assert.equal(await busy.line(), "begun\n");
    count++;
  }
  await watching;
  assert.ok(count > 10);
  for (const client of [silent, between, busy]) {
    await client.send("more\n");
    assert.equal(await client.line(), client === busy ? "bemore\n" : "more\n");
  }
});

Deno.test("request timeout: the time that the server takes does not count", async () => {
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  await using server = await listen({
    handle: async (connection) => {
      const reader = new LineReader(connection, { maxLineBytes: 1000 });
      for (let batch = await reader.read(); batch !== null; batch = await reader.read()) {
        const word = new TextDecoder().decode(batch.line(0));
        if (word === "wait") {
          waiting++;
          await gate.promise;
        }
        await connection.write(new TextEncoder().encode(`${word} done\n`));
      }
    },
  });
  using client = await server.connect();
  await client.send("wait\nhal");
  await until("it waits", () => waiting === 1);
  await server.outlast();
  gate.resolve();
  assert.equal(await client.line(), "wait done\n");
  await client.send("f\n");
  assert.equal(await client.line(), "half done\n");
});

Deno.test("request timeout: time spent writing replies to a client that does not read does not count", async () => {
  await using server = await listen({
    handle: async (connection) => {
      const buffer = new ReadBuffer({ maxBytes: 1000 });
      while (await buffer.fill(connection)) {
        buffer.consume(1);
        for (let count = 0; count < 64; count++) await connection.write(new Uint8Array(1 << 20));
      }
    },
  });
  using stuck = await server.connect();
  await stuck.send("ab");
  const patient = await listen();
  await patient.outlast();
  await patient.listener.close();
  let received = 0;
  while (received < 64 << 20) received += (await stuck.bytes(1 << 20)).length;
  assert.equal(await stuck.rest(), TOLD, "the second request is never finished");
});

Deno.test("request timeout: a pause of this process does not count", async () => {
  await using server = await listen();
  using client = await server.connect();
  await client.send("hal");
  await until("it was read", () => server.listener.metrics().receivedBytes === 3);
  await client.send("f\n");
  const endMs = performance.now() + 3 * TIMEOUT_MS;
  while (performance.now() < endMs);
  assert.equal(await client.line(), "half\n");
});

Deno.test("request timeout: 0 turns it off, and the idle timeout is separate", async () => {
  await using server = await listen({ requestTimeoutMs: 0, idleTimeoutMs: 300 });
  using client = await server.connect();
  await client.send("half");
  assert.equal(await client.rest(), "");
  assert.equal(server.log.matching("too long to finish").length, 0);
});

const lines = fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 12 });
const lengths = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 40 });

Deno.test("LineReader: each read identifies the line it continues, wherever the input is cut", async () => {
  await fc.assert(fc.asyncProperty(lines, lengths, async (lineLengths, sizes) => {
    const text = lineLengths.map((length) => "x".repeat(length) + "\n").join("");
    const { pieces, cuts } = piecesOf(new TextEncoder().encode(text), sizes);
    const source = sourceOf(pieces);
    // Lines longer than 20 bytes are skipped.
    const reader = new LineReader(source, { maxLineBytes: 20 });
    while (await reader.read() !== null);
    let end = 0;
    checkRequests(source.requests, cuts, lineLengths.map((length) => end += length + 1));
  }));
});

Deno.test("ReadBuffer: each read identifies the request it continues, wherever the input is cut", async () => {
  await fc.assert(fc.asyncProperty(lines, lengths, async (unitLengths, sizes) => {
    let end = 0;
    const ends = unitLengths.map((length) => end += length + 1);
    const { pieces, cuts } = piecesOf(new Uint8Array(end), sizes);
    const source = sourceOf(pieces);
    const buffer = new ReadBuffer({ maxBytes: 1000 });
    let consumed = 0;
    let received = 0;
    for (const piece of pieces) {
      assert.ok(await buffer.fill(source));
      received += piece.length;
      const whole = ends.filter((end) => end <= received).at(-1) ?? 0;
      buffer.consume(whole - consumed);
      consumed = whole;
    }
    assert.equal(await buffer.fill(source), false);
    checkRequests(source.requests, cuts, ends);
  }));
});
