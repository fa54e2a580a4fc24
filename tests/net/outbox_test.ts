import assert from "node:assert/strict";
import { type Connection, ConnectionClosedError } from "../../lib/net/connection.ts";
import { type Messages, Outbox, type OutboxOptions } from "../../lib/net/outbox.ts";

/** A client whose writes complete when the test says so. */
class FakeConnection {
  closed = false;
  readonly written: string[] = [];
  #take: (() => void) | undefined;

  write(bytes: Uint8Array): Promise<void> {
    this.written.push(new TextDecoder().decode(bytes));
    return new Promise((resolve) => this.#take = resolve);
  }

  /** Lets the outbox begin a write, which it does once the current turn of the event loop is over. */
  begun(): Promise<void> {
    return Promise.resolve();
  }

  /** Completes the write in progress and lets the outbox notice. */
  async take(): Promise<void> {
    this.#take?.();
    await Promise.resolve();
    await Promise.resolve();
  }
}

function messages(...texts: string[]): Messages {
  const bytes = new TextEncoder().encode(texts.join(""));
  let end = 0;
  return { bytes, ends: texts.map((text) => end += text.length) };
}

function make(options: Partial<OutboxOptions> = {}) {
  const connection = new FakeConnection();
  const slow: boolean[] = [];
  const outbox = new Outbox(connection as unknown as Connection, {
    maxMessages: 3,
    maxBytes: 1000,
    slowAfterMs: 20,
    onSlow: (isSlow) => slow.push(isSlow),
    ...options,
  });
  return { connection, outbox, slow, now: () => performance.now() };
}

Deno.test("Outbox: the queue accepts its maximum of messages and no more", async () => {
  const { connection, outbox } = make();
  assert.equal(outbox.offer(messages("a", "b", "c", "d", "e"), 0, 0), 5);
  await connection.begun();
  assert.deepEqual(connection.written, ["abcde"]);
  assert.equal(outbox.offer(messages("f", "g"), 0, 0), 2);
  assert.equal(outbox.offer(messages("h", "i"), 0, 0), 1);
  assert.equal(outbox.offer(messages("j"), 0, 0), 0);
  await connection.take();
  assert.deepEqual(connection.written, ["abcde", "fgh"]);
  assert.equal(outbox.delivered, 5);
  await connection.take();
  assert.equal(outbox.delivered, 8);
});

Deno.test("Outbox: messages and replies of one turn of the event loop are one write", async () => {
  const { connection, outbox } = make();
  assert.equal(outbox.offer(messages("a", "b", "c", "d"), 1, 0), 4);
  assert.equal(outbox.offer(messages("e", "f"), 0, 0), 2);
  outbox.reply(new TextEncoder().encode("r"));
  assert.equal(outbox.offer(messages("g", "h"), 0, 0), 1, "the queue has its limit");
  assert.deepEqual(connection.written, []);
  await connection.begun();
  assert.deepEqual(connection.written, ["bcdefrg"]);
  assert.equal(outbox.offer(messages("1", "2", "3", "4"), 0, 0), 3, "the queue is empty again");
  await connection.take();
  assert.equal(outbox.delivered, 6);
  assert.deepEqual(connection.written, ["bcdefrg", "123"]);
});

Deno.test("Outbox: the queue has a limit in bytes too", () => {
  const { outbox } = make({ maxBytes: 10 });
  outbox.offer(messages("first"), 0, 0);
  assert.equal(outbox.offer(messages("12345", "678901"), 0, 0), 1);
  assert.equal(outbox.offer(messages("12345"), 0, 0), 1);
  assert.equal(outbox.offer(messages("1"), 0, 0), 0);
});

Deno.test("Outbox: a client is slow once a write is pending for too long, until all is written", async () => {
  const { connection, outbox, slow } = make();
  outbox.offer(messages("a"), 0, performance.now());
  await connection.begun();
  assert.equal(outbox.slow, false);
  outbox.offer(messages("b"), 0, performance.now());
  const before = performance.now();
  await outbox.spaceOrSlow();
  assert.ok(performance.now() - before >= 19);
  assert.ok(outbox.slow && outbox.isOverdue());
  await connection.take();
  assert.equal(outbox.slow, true, "queued messages are still to be written");
  await connection.take();
  assert.equal(outbox.slow, false);
  assert.deepEqual(slow, [true, false]);
});

Deno.test("Outbox: a client is not called slow when this process was held up", async () => {
  const { connection, outbox, slow } = make({ slowAfterMs: 5 });
  outbox.offer(messages("a"), 0, performance.now());
  await connection.begun();
  outbox.offer(messages("b"), 0, performance.now());
  // The write completes, but this process cannot notice for 20 ms.
  setTimeout(() => connection.take(), 0);
  const end = performance.now() + 20;
  while (performance.now() < end);
  await outbox.spaceOrSlow();
  assert.deepEqual(slow, []);
});

Deno.test("Outbox: a client that reads a little now and then becomes slow once", async () => {
  const { connection, outbox, slow } = make({ slowAfterMs: 1 });
  for (let i = 0; i < 5; i++) {
    outbox.offer(messages("a"), 0, performance.now());
    await connection.begun();
    outbox.offer(messages("b", "c"), 0, performance.now());
    await outbox.spaceOrSlow();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await connection.take();
  }
  assert.deepEqual(slow, [true]);
});

Deno.test("Outbox: dropOldest() drops the message at the front", async () => {
  const { connection, outbox } = make();
  outbox.offer(messages("now"), 0, 0);
  await connection.begun();
  outbox.offer(messages("1", "2", "3"), 0, 0);
  assert.ok(outbox.dropOldest());
  assert.equal(outbox.offer(messages("4"), 0, 0), 1);
  await connection.take();
  assert.deepEqual(connection.written, ["now", "234"]);
});

Deno.test("Outbox.spaceOrSlow(): does not wait for a completed write", async () => {
  const { connection, outbox } = make();
  outbox.offer(messages("a"), 0, performance.now());
  await connection.begun();
  await connection.take();
  await outbox.spaceOrSlow();
});

Deno.test("Outbox: a reply waits its turn, counts towards no limit and is never dropped", async () => {
  const { connection, outbox } = make();
  const bytes = (text: string) => new TextEncoder().encode(text);
  assert.equal(outbox.reply(bytes("hello")), undefined);
  await connection.begun();
  assert.deepEqual(connection.written, ["hello"]);
  assert.equal(outbox.reply(bytes("r1")), undefined);
  assert.equal(outbox.offer(messages("a", "b", "c", "d"), 0, 0), 3);
  assert.equal(outbox.reply(bytes("r2")), undefined);
  assert.ok(outbox.dropOldest());
  await connection.take();
  assert.deepEqual(connection.written, ["hello", "r1bcr2"]);
  assert.equal(outbox.delivered, 0);
  await connection.take();
  assert.equal(outbox.delivered, 2);
  assert.equal(outbox.offer(messages("e", "f", "g", "h"), 0, 0), 4, "the limit is free again");
});

Deno.test("Outbox: a client that does not read its replies is not read", async () => {
  for (const [count, size] of [[101, 1], [2, 40_000]] as const) {
    const { connection, outbox } = make();
    outbox.offer(messages("first"), 0, 0);
    await connection.begun();
    for (let i = 1; i < count; i++) assert.equal(outbox.reply(new Uint8Array(size)), undefined);
    const waits = outbox.reply(new Uint8Array(size));
    assert.ok(waits !== undefined);
    await connection.take();
    await waits;
    assert.equal(outbox.dropOldest(), false);
  }
});

Deno.test("Outbox: a closed connection ends the wait for replies", async () => {
  const { connection, outbox } = make();
  outbox.offer(messages("first"), 0, 0);
  await connection.begun();
  const waits = outbox.reply(new Uint8Array(100_000));
  connection.closed = true;
  await connection.take();
  await waits;
  assert.equal(outbox.reply(new Uint8Array(1)), undefined);
});
Deno.test("Outbox: its owner writes after the messages before and before those after, and nothing in between", async () => {
  const { connection, outbox } = make();
  outbox.offer(messages("a"), 0, 0);
  await connection.begun();
  outbox.offer(messages("b"), 0, 0);
  const done = outbox.exclusively(async (send) => {
    await send(new TextEncoder().encode("reply, "));
    await send(new TextEncoder().encode("in two parts"));
  });
  outbox.offer(messages("c", "d"), 0, 0);
  assert.equal(outbox.offer(messages("e"), 0, 0), 0, "the limit counts messages");
  for (let writes = 2; writes <= 5; writes++) {
    await connection.take();
    await turnsOfQueue();
    assert.equal(connection.written.length, writes);
  }
  await done;
  assert.deepEqual(connection.written, ["a", "b", "reply, ", "in two parts", "cd"]);
  await connection.take();
  assert.equal(outbox.delivered, 4);
});

Deno.test("Outbox: its owner writes at once if nothing is in progress, and messages wait", async () => {
  const { connection, outbox } = make();
  const done = outbox.exclusively((send) => send(new TextEncoder().encode("reply")));
  outbox.offer(messages("a"), 0, 0);
  assert.deepEqual(connection.written, ["reply"]);
  await connection.take();
  await done;
  await turnsOfQueue();
  assert.deepEqual(connection.written, ["reply", "a"]);
});

Deno.test("Outbox: dropping the oldest message spares what its owner writes", async () => {
  const { connection, outbox } = make();
  outbox.offer(messages("a"), 0, 0);
  await connection.begun();
  const done = outbox.exclusively((send) => send(new TextEncoder().encode("reply")));
  outbox.offer(messages("b", "c"), 0, 0);
  assert.deepEqual([outbox.dropOldest(), outbox.dropOldest(), outbox.dropOldest()], [
    true,
    true,
    false,
  ]);
  await connection.take();
  await turnsOfQueue();
  await connection.take();
  await done;
  assert.deepEqual(connection.written, ["a", "reply"]);
});

Deno.test("Outbox: its owner's writes fail with the connection, also those that wait", async () => {
  const { outbox, connection } = make();
  connection.write = () => Promise.reject(new ConnectionClosedError("closed"));
  outbox.offer(messages("a"), 0, 0);
  const waiting = outbox.exclusively((send) => send(new Uint8Array(1)));
  await assert.rejects(waiting, ConnectionClosedError);
  await assert.rejects(
    outbox.exclusively((send) => send(new Uint8Array(1))),
    ConnectionClosedError,
  );
});

Deno.test("Outbox: a client that does not take its owner's write becomes slow", async () => {
  const { connection, outbox, slow } = make();
  const done = outbox.exclusively((send) => send(new Uint8Array(1)));
  outbox.offer(messages("a", "b", "c"), 0, performance.now());
  await outbox.spaceOrSlow();
  assert.deepEqual(slow, [true]);
  await connection.take();
  await done;
});

/** Lets promises settle that depend on each other. */
async function turnsOfQueue(): Promise<void> {
  for (let turns = 0; turns < 10; turns++) await Promise.resolve();
}
