/**
 * Values so long that their memory is prepared before it is written.
 *
 * @module
 */

import assert from "node:assert/strict";
import { randomFrom } from "../storage/memory/store_model.ts";
import { encodeRequest, latin1Bytes, latin1Text, type RawClient, TestKv } from "./support.ts";

const KIB = 1024;

/** What the values of two keys must be, and random commands that change them. */
class LongValues {
  readonly values = new Map<string, Uint8Array>();
  readonly #random;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  /** A command and its reply. */
  next(): [words: string[], reply: string] {
    const random = this.#random;
    const key = "ab"[random(2)]!, other = key === "a" ? "b" : "a";
    const before = this.values.get(key) ?? new Uint8Array(0);
    switch (random(8)) {
      case 0:
      case 1: {
        const value = this.#bytes(1200 * KIB);
        this.values.set(key, value);
        return [["SET", key, latin1Text(value)], "+OK\r\n"];
      }
      case 2: {
        const part = this.#bytes(random(3) === 0 ? 700 * KIB : 50);
        return [["APPEND", key, latin1Text(part)], this.#write(key, before.length, part)];
      }
      case 3: {
        const part = this.#bytes(random(3) === 0 ? 700 * KIB : 50);
        const offset = random(1500 * KIB);
        const words = ["SETRANGE", key, String(offset), latin1Text(part)];
        return [
          words,
          part.length === 0 ? `:${before.length}\r\n` : this.#write(key, offset, part),
        ];
      }
      case 4: {
        const bit = random(8 * 1500 * KIB), at = bit >> 3, mask = 0x80 >> (bit & 7);
        const on = random(2), byte = before[at] ?? 0;
        this.#write(key, at, Uint8Array.of(on === 1 ? byte | mask : byte & ~mask));
        return [["SETBIT", key, String(bit), String(on)], `:${byte & mask ? 1 : 0}\r\n`];
      }
      case 5: {
        const at = random(1500 * KIB), to = random(256);
        this.#write(key, at, Uint8Array.of(to));
        const reply = `*1\r\n:${before[at] ?? 0}\r\n`;
        return [["BITFIELD", key, "SET", "u8", String(8 * at), String(to)], reply];
      }
      case 6: {
        if (!this.values.has(key)) return [["COPY", key, other, "REPLACE"], ":0\r\n"];
        this.values.set(other, before);
        return [["COPY", key, other, "REPLACE"], ":1\r\n"];
      }
      default: {
        // What was read must be copied before it is changed.
        const found = this.values.get(key);
        const reply = found ? `$${found.length}\r\n${latin1Text(found)}\r\n` : "$-1\r\n";
        return [["GET", key], reply];
      }
    }
  }

  #write(key: string, offset: number, part: Uint8Array): string {
    const before = this.values.get(key) ?? new Uint8Array(0);
    const after = new Uint8Array(Math.max(before.length, offset + part.length));
    after.set(before);
    after.set(part, offset);
    this.values.set(key, after);
    return `:${after.length}\r\n`;
  }

  #bytes(below: number): Uint8Array {
    const bytes = new Uint8Array(this.#random(below)).fill(this.#random(256));
    for (let at = 0; at < bytes.length; at += 9973) bytes[at] = this.#random(256);
    return bytes;
  }
}

async function checkAll(client: RawClient, values: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const [key, value] of values) {
    const reply = await client.ask("GET", key);
    const expected = `$${value.length}\r\n${latin1Text(value)}\r\n`;
    assert.ok(reply === expected, `${key} differs: ${reply.length} of ${expected.length}`);
  }
}

for (const storage of ["memory:", "sqlite:kv.db"]) {
  Deno.test(`kv on ${storage}: long values are what the commands make of them`, async () => {
    await using kv = await TestKv.start({}, storage);
    using client = await kv.connect();
    const model = new LongValues(storage.length);
    // Alone, then in a pipeline, then in a transaction; each command may have to wait.
    for (let step = 0; step < 15; step++) {
      const [words, reply] = model.next();
      assert.ok(await client.ask(...words) === reply, `${step}: ${words.slice(0, 2)}`);
    }
    const steps = Array.from({ length: 15 }, () => model.next());
    const sent = (async () => {
      for (const [words] of steps) await client.send(encodeRequest(words));
    })();
    for (const [words, reply] of steps) {
      assert.ok(await client.reply() === reply, `pipeline: ${words.slice(0, 2)}`);
    }
    await sent;
    await checkAll(client, model.values);
    const queue = Array.from({ length: 12 }, () => model.next());
    for (const words of [["MULTI"], ...queue.map(([words]) => words)]) await client.ask(...words);
    const replies = await client.ask("EXEC");
    assert.ok(replies === `*12\r\n${queue.map(([, reply]) => reply).join("")}`);
    await checkAll(client, model.values);
    let bytes = 0;
    for (const [key, { length }] of model.values) bytes += key.length + length;
    const used = /used_memory_dataset:(\d+)/.exec(await client.ask("INFO", "memory"))?.[1];
    assert.equal(Number(used), bytes);
  });
}

Deno.test("kv: a write behind one that waits for memory stays behind it", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const long = "x".repeat(600 * KIB);
  const requests = [["SET", "k", long], ["SET", "k", "y"], ["GET", "k"], ["APPEND", "k", long], [
    "STRLEN",
    "k",
  ]];
  await client.send(requests.map((words) => latin1Text(encodeRequest(words))).join(""));
  const end = long.length + 1;
  for (const reply of ["+OK", "+OK", "$1\r\ny", `:${end}`, `:${end}`]) {
    assert.equal(await client.reply(), `${reply}\r\n`);
  }
});

Deno.test("kv: a value that needs more memory than there may be is refused, not waited for", async () => {
  await using kv = await TestKv.start({ max_memory: "1MiB" });
  using client = await kv.connect();
  const oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
  assert.equal(await client.ask("SET", "k", "x".repeat(1100 * KIB)), oom);
  assert.equal(await client.ask("SETBIT", "k", String(8 * 1100 * KIB), "1"), oom);
  assert.equal(await client.ask("EXISTS", "k"), ":0\r\n");
  assert.equal(await client.ask("SET", "k", "x".repeat(700 * KIB)), "+OK\r\n");
  assert.equal(await client.ask("COPY", "k", "l"), oom);
  assert.equal(await client.ask("STRLEN", "k"), `:${700 * KIB}\r\n`);
});

Deno.test("kv: a long key and a long request of many short values", async () => {
  await using kv = await TestKv.start();
  using client = await kv.connect();
  const key = latin1Text(latin1Bytes("k".repeat(2048)));
  const pairs = Array.from({ length: 100 }, (_, at) => [`${key}${at}`, String(at).repeat(10_000)]);
  assert.equal(await client.ask("MSET", ...pairs.flat()), "+OK\r\n");
  assert.equal(await client.ask("MSETNX", ...pairs.flat()), ":0\r\n");
  for (const at of [0, 99]) {
    const value = String(at).repeat(10_000);
    assert.equal(await client.ask("GET", `${key}${at}`), `$${value.length}\r\n${value}\r\n`);
  }
});
