// deno-lint-ignore-file quartet/file-length -- one suite for all engines
/**
 * The behaviour that every store must have. Each engine runs the whole suite.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { Key, Place, Store, Transaction } from "../../lib/storage/store.ts";
import { type Value, valueBytes, valueText } from "../../lib/storage/value.ts";
import { within } from "../support/within.ts";

/** Limit on the time of one test. Far away, since the machine may be busy. */
const TEST_DEADLINE_MS = 300_000;

/** An engine under test. */
export interface Engine {
  name: string;
  /** Whether a store opened later on the same data sees earlier writes. */
  durable: boolean;
  /** Creates empty data for the stores of one test; disposing removes it. */
  start(): Promise<Data>;
}

/** The data of one test. */
export interface Data extends AsyncDisposable {
  /** Opens a store on it. */
  open(): Promise<Store>;
}

/** The bytes of a text. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The text of bytes. */
export function text(value: Value | undefined): string | undefined {
  return value === undefined ? undefined : valueText(value);
}

/** A test of the suite. */
export interface Scenario {
  behaviour: string;
  /** @param store Opened on the data, and closed afterwards. */
  run: (store: Store, data: Data) => Promise<void>;
}

/** Registers the suite for an engine. */
export function testStore(engine: Engine): void {
  for (const { behaviour, run } of storeScenarios(engine)) {
    Deno.test(`Store on ${engine.name}: ${behaviour}`, async () => {
      await using data = await engine.start();
      const store = await data.open();
      try {
        await within(TEST_DEADLINE_MS, "the test", run(store, data));
      } finally {
        await store.close();
      }
    });
  }
}

/** The tests of the suite. */
export function storeScenarios({ durable }: Pick<Engine, "durable">): Scenario[] {
  const scenarios: Scenario[] = [];

  function test(behaviour: string, run: Scenario["run"]): void {
    scenarios.push({ behaviour, run });
  }

  async function get(store: Store, key: Key, space = 0): Promise<string | undefined> {
    return text((await store.get(space, key))?.value);
  }

  async function put(store: Store, key: Key, value: string, expiresAtMs = 0): Promise<void> {
    await store.put(0, key, bytes(value), expiresAtMs);
  }

  async function scanAll(store: Store, prefix = "", limit = 7, space = 0): Promise<Key[]> {
    const keys: Key[] = [];
    let after: Key | undefined;
    for (;;) {
      const range = { prefix, limit, ...(after === undefined ? {} : { after }) };
      const page = await store.scan(space, range);
      keys.push(...page.map(([key]) => key));
      if (page.length < limit) return keys;
      after = page.at(-1)![0];
    }
  }

  async function keysOf(store: Store, space = 0): Promise<number> {
    return await store.transactSpaces(async (tx) => (await tx.count(space)).keys);
  }

  const at = (key: Key, space = 0): Place => ({ space, key });

  async function increment(store: Store, key: Key): Promise<number> {
    return await store.transact([at(key)], (tx) => {
      const number = Number(text(tx.get(0, key)?.value) ?? "0") + 1;
      tx.put(0, key, bytes(`${number}`), 0);
      return number;
    });
  }

  test("get returns what put has set, and nothing for other keys and spaces", async (store) => {
    assert.equal(await get(store, "a"), undefined);
    await put(store, "a", "1");
    assert.equal(await get(store, "a"), "1");
    await put(store, "a", "22");
    assert.equal(await get(store, "a"), "22");
    assert.equal(await get(store, "b"), undefined);
    assert.equal(await get(store, "a", 1), undefined);
    assert.equal(await get(store, "A"), undefined);
  });

  test("keys and values may hold any bytes or be empty", async (store) => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const key = String.fromCharCode(...all);
    await store.put(0, key, all, 0);
    assert.deepEqual(new Uint8Array(valueBytes((await store.get(0, key))!.value)), all);
    await store.put(0, "", new Uint8Array(0), 0);
    assert.equal((await store.get(0, ""))!.value.length, 0);
    assert.deepEqual(await scanAll(store), ["", key]);
  });

  test("stores a value of many megabytes", async (store) => {
    const value = crypto.getRandomValues(new Uint8Array(65_536));
    const large = new Uint8Array(16 * 1024 * 1024);
    for (let offset = 0; offset < large.length; offset += value.length) large.set(value, offset);
    await store.put(0, "large", large, 0);
    const found = valueBytes((await store.get(0, "large"))!.value);
    assert.ok(found.length === large.length && found.every((byte, i) => byte === large[i]));
  });

  test("transact sees its own changes and returns the result of its function", async (store) => {
    await put(store, "a", "1");
    const seen = await store.transact([at("a"), at("b"), at("a", 3)], (tx) => {
      const before = text(tx.get(0, "a")?.value);
      tx.put(0, "b", bytes("2"), 0);
      tx.put(3, "a", bytes("3"), 0);
      const deleted = [tx.delete(0, "a"), tx.delete(0, "a")];
      return [before, text(tx.get(0, "b")?.value), tx.get(0, "a"), ...deleted];
    });
    assert.deepEqual(seen, ["1", "2", undefined, true, false]);
    assert.equal(await get(store, "a"), undefined);
    assert.equal(await get(store, "b"), "2");
    assert.equal(await get(store, "a", 3), "3");
  });

  test("transact changes nothing if its function throws, and passes on the error", async (store) => {
    await put(store, "a", "1");
    const error = new Error("no");
    await assert.rejects(
      async () =>
        await store.transact([at("a"), at("b")], (tx) => {
          tx.put(0, "a", bytes("2"), 0);
          tx.put(0, "b", bytes("2"), 0);
          tx.delete(0, "a");
          throw error;
        }),
      error,
    );
    assert.equal(await get(store, "a"), "1");
    assert.equal(await get(store, "b"), undefined);
  });

  test("blind transactions write and delete without reading", async (store) => {
    await put(store, "a", "1");
    await store.transact([at("a"), at("b"), at("c")], (tx) => {
      tx.put(0, "b", bytes("2"), 0);
      tx.delete(0, "a");
      tx.delete(0, "c");
      tx.put(0, "c", bytes("3"), 0);
      tx.put(0, "c", bytes("4"), 0);
    }, { blind: true });
    assert.deepEqual(await scanAll(store), ["b", "c"]);
    assert.equal(await get(store, "c"), "4");
  });

  test("no read returns what a transaction has seen and then overwritten", async (store) => {
    await store.transact([{ space: 0, key: "a" }], (tx) => {
      tx.put(0, "a", bytes("1"), 0);
      tx.put(0, "a", bytes("2"), 0);
      assert.equal(text(tx.get(0, "a")?.value), "2");
      tx.put(0, "a", bytes("3"), 0);
    });
    await put(store, "a", "4");
    assert.equal(await get(store, "a"), "4");
  });

  test("a version changes with every write, and only then", async (store) => {
    const version = async () => (await store.get(0, "a"))?.version;
    await put(store, "a", "1");
    const first = await version();
    assert.equal(await version(), first);
    await put(store, "a", "1");
    const second = await version();
    assert.notEqual(second, first);
    await store.transact([at("a")], (tx) => tx.delete(0, "a"));
    await put(store, "a", "1");
    const third = await version();
    assert.ok(third !== first && third !== second);
    assert.equal(await store.transact([at("a")], (tx) => tx.get(0, "a")!.version), third);
    const page = await store.scan(0, { limit: 1 });
    assert.equal(page[0]?.[1].version, third);
  });

  test("concurrent increments of few keys lose nothing", async (store) => {
    const counts = await Promise.all(
      Array.from({ length: 300 }, (_, index) => increment(store, `n${index % 3}`)),
    );
    for (let key = 0; key < 3; key++) {
      const mine = counts.filter((_, index) => index % 3 === key).sort((a, b) => a - b);
      assert.deepEqual(mine, Array.from({ length: 100 }, (_, index) => index + 1));
      assert.equal(await get(store, `n${key}`), "100");
    }
  });

  test("concurrent transactions over several keys keep their sum", async (store) => {
    const accounts = ["a", "b", "c", "d"];
    for (const account of accounts) await put(store, account, "100");
    const move = async (step: number) => {
      const from = accounts[step % 4]!;
      const to = accounts[(step * 7 + 1) % 4]!;
      if (from === to) return;
      await store.transact([at(from), at(to)], (tx) => {
        const read = (key: Key) => Number(text(tx.get(0, key)?.value));
        tx.put(0, from, bytes(`${read(from) - 1}`), 0);
        tx.put(0, to, bytes(`${read(to) + 1}`), 0);
      });
    };
    const sum = () =>
      store.transact(
        accounts.map((key) => at(key)),
        (tx) => accounts.reduce((total, key) => total + Number(text(tx.get(0, key)?.value)), 0),
      );
    const work = Array.from({ length: 100 }, async (_, step) => {
      await move(step);
      assert.equal(await sum(), 400);
    });
    await Promise.all(work);
    assert.equal(await sum(), 400);
  });

  test("a read sees writes called before it", async (store) => {
    const work = Array.from({ length: 50 }, async (_, client) => {
      for (let round = 0; round < 10; round++) {
        const value = `${client}.${round}`;
        await put(store, `k${client}`, value);
        assert.equal(await get(store, `k${client}`), value);
      }
    });
    await Promise.all(work);
  });

  test("puts of one key take effect in the order of the calls", async (store) => {
    const puts = Array.from({ length: 50 }, (_, index) => put(store, "a", `${index}`));
    await Promise.all(puts);
    assert.equal(await get(store, "a"), "49");
  });

  test("an expired key is gone at once for all operations", async (store) => {
    await put(store, "past", "1", Date.now() - 60_000);
    await put(store, "future", "1", Date.now() + 60_000);
    await put(store, "never", "1");
    assert.equal(await get(store, "past"), undefined);
    assert.equal(await get(store, "future"), "1");
    assert.deepEqual(await scanAll(store), ["future", "never"]);
    const counts = await store.transactSpaces(async (tx) => {
      assert.equal(await tx.get(0, "past"), undefined);
      assert.equal(await tx.delete(0, "past"), false);
      assert.deepEqual((await tx.scan(0, { limit: 9 })).map(([key]) => key), ["future", "never"]);
      return await tx.count(0);
    });
    const { averageTtlMs, ...numbers } = counts;
    assert.deepEqual(numbers, { keys: 2, expiring: 1 });
    const leftMs = (await store.get(0, "future"))!.expiresAtMs - Date.now();
    assert.ok(Math.abs(averageTtlMs - leftMs) < 30_000, `${averageTtlMs} is not about ${leftMs}`);
    const found = await store.transact([at("past")], (tx) => {
      const deleted = tx.delete(0, "past");
      return [deleted, tx.get(0, "past")];
    });
    assert.deepEqual(found, [false, undefined]);
    assert.equal(await increment(store, "past"), 1);
    assert.equal(await get(store, "past"), "1");
  });

  test("a key can be read until it expires by the clock of the store", async (store) => {
    const dueMs = await store.transact([at("a"), at("b")], (tx) => {
      tx.put(0, "a", bytes("1"), tx.nowMs + 250);
      tx.put(0, "b", bytes("1"), tx.nowMs + 600_000);
      return tx.nowMs + 250;
    });
    assert.equal((await store.get(0, "b"))?.expiresAtMs, dueMs - 250 + 600_000);
    for (;;) {
      const { nowMs, entry } = await store.transact([at("a")], (tx) => ({
        nowMs: tx.nowMs,
        entry: tx.get(0, "a"),
      }));
      assert.equal(entry !== undefined, nowMs < dueMs, `at ${nowMs}, due ${dueMs}`);
      if (entry === undefined) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });

  test("a transaction without places knows the time", async (store) => {
    for (const readOnly of [true, false]) {
      const nowMs = await store.transact([], (tx) => tx.nowMs, { readOnly });
      assert.ok(Number.isInteger(nowMs) && Math.abs(nowMs - Date.now()) < 60_000, `${nowMs}`);
    }
  });

  test("scan returns pages in byte order", async (store) => {
    const keys = ["", "a", "a\0", "a\xff", "aa", "ab", "b", "\x80", "\xff", "\xff\xff", "Z", "~"];
    const places = keys.map((key) => at(key));
    await store.transact(places, (tx) => {
      for (const key of keys) tx.put(0, key, bytes(key), 0);
    }, { blind: true });
    keys.sort((a, b) => a < b ? -1 : 1);
    for (const limit of [1, 2, 3, 100]) assert.deepEqual(await scanAll(store, "", limit), keys);
    for (const prefix of ["a", "\xff", "b", "x", "a\0"]) {
      const expected = keys.filter((key) => key.startsWith(prefix));
      assert.deepEqual(await scanAll(store, prefix, 2), expected);
    }
    const after = await store.scan(0, { prefix: "a", after: "Z", limit: 2 });
    assert.deepEqual(after.map(([key]) => key), ["a", "a\0"]);
    assert.deepEqual(await store.scan(0, { prefix: "a", after: "b", limit: 2 }), []);
    assert.deepEqual(await store.scan(0, { limit: 0 }), []);
    assert.deepEqual(await store.scan(1, { limit: 9 }), []);
    const names = await store.scan(0, { limit: 99, keysOnly: true });
    assert.deepEqual(names.map(([key]) => key), keys);
    const page = await store.scan(0, { after: "a", limit: 1 });
    assert.deepEqual(page.map(([key, { value }]) => [key, text(value)]), [["a\0", "a\0"]]);
  });

  test("scan stays in order while keys come and go", async (store) => {
    for (let key = 0; key < 60; key++) await put(store, `k${key % 6}${key}`, "1");
    await scanAll(store);
    for (let key = 0; key < 60; key += 2) {
      await store.transact([at(`k${key % 6}${key}`)], (tx) => tx.delete(0, `k${key % 6}${key}`));
    }
    for (let key = 60; key < 90; key++) await put(store, `k${key % 6}${key}`, "1");
    const expected = Array.from({ length: 90 }, (_, key) => key)
      .filter((key) => key >= 60 || key % 2 === 1).map((key) => `k${key % 6}${key}`).sort();
    assert.deepEqual(await scanAll(store), expected);
  });

  test("transactSpaces counts, clears and swaps, and sees its own changes", async (store) => {
    await put(store, "a", "1");
    await put(store, "b", "2", Date.now() + 60_000);
    await store.put(1, "c", bytes("3"), 0);
    const seen = await store.transactSpaces(async (tx) => {
      const count = async (space: number) => {
        const { keys, expiring } = await tx.count(space);
        return { keys, expiring };
      };
      const before = [await count(0), await count(1), await count(2)];
      await tx.swap(0, 1);
      const swapped = [text((await tx.get(0, "c"))?.value), text((await tx.get(1, "b"))?.value)];
      await tx.put(0, "d", bytes("4"), 0);
      await tx.clear(1);
      const page = await tx.scan(0, { limit: 9 });
      return [before, swapped, page.map(([key]) => key), await count(1)];
    });
    assert.deepEqual(seen, [
      [{ keys: 2, expiring: 1 }, { keys: 1, expiring: 0 }, { keys: 0, expiring: 0 }],
      ["3", "2"],
      ["c", "d"],
      { keys: 0, expiring: 0 },
    ]);
    assert.deepEqual(await scanAll(store), ["c", "d"]);
    assert.equal(await get(store, "a", 1), undefined);
  });

  test("count returns the average time to live of the keys that expire", async (store) => {
    const nowMs = Date.now();
    const keys = Array.from({ length: 3000 }, (_, at) => `t${at}`);
    await store.transact(keys.map((key) => at(key)), (tx) => {
      keys.forEach((key, at) => tx.put(0, key, "1", nowMs + 1_000_000 + 1000 * at));
    }, { blind: true });
    await put(store, "never", "1");
    const { averageTtlMs } = await store.transactSpaces((tx) => tx.count(0), { readOnly: true });
    assert.ok(Math.abs(averageTtlMs - 2_500_000) < 100_000, `${averageTtlMs} ms`);
  });

  test("transactSpaces changes nothing if its function rejects", async (store) => {
    await put(store, "a", "1");
    await store.put(1, "b", bytes("2"), 0);
    const work = store.transactSpaces(async (tx) => {
      await tx.swap(0, 1);
      await tx.put(0, "c", bytes("3"), 0);
      await tx.clear(0);
      await tx.put(0, "d", bytes("3"), 0);
      await tx.delete(1, "a");
      throw new RangeError("no");
    });
    await assert.rejects(work, RangeError);
    assert.deepEqual(await scanAll(store), ["a"]);
    assert.deepEqual(await scanAll(store, "", 9, 1), ["b"]);
    assert.equal(await keysOf(store), 1);
  });

  test("transactSpaces excludes every other transaction", async (store) => {
    const clients = Array.from({ length: 10 }, async (_, client) => {
      for (let round = 0; round < 5; round++) {
        await store.transact([at("x"), at("y")], (tx) => {
          const value = bytes(`${client}.${round}`);
          tx.put(0, "x", value, 0);
          tx.put(0, "y", value, 0);
        });
        await store.transactSpaces(async (tx) => {
          const x = await tx.get(0, "x");
          const y = await tx.get(0, "y");
          assert.equal(text(x?.value), text(y?.value));
          await tx.clear(0);
          assert.equal((await tx.count(0)).keys, 0);
        });
      }
    });
    await Promise.all(clients);
    assert.equal(await keysOf(store), 0);
  });

  test("randomKey returns existing keys, each of them sooner or later", async (store) => {
    const random = () => store.transactSpaces((tx) => tx.randomKey(0));
    assert.equal(await random(), undefined);
    await put(store, "gone", "1", Date.now() - 1);
    assert.equal(await random(), undefined);
    const keys = ["a", "b", "c"];
    for (const key of keys) await put(store, key, "1");
    const seen = new Set<Key | undefined>();
    for (let tries = 0; tries < 300 && seen.size < 3; tries++) seen.add(await random());
    assert.deepEqual([...seen].sort(), keys);
  });

  test("behaves like a plain map for any sequence of commands", async (store) => {
    const key = fc.constantFrom("a", "b", "ab", "c");
    const command = fc.oneof(
      fc.record({ op: fc.constant("put" as const), key, value: fc.string({ maxLength: 3 }) }),
      fc.record({ op: fc.constant("delete" as const), key }),
      fc.record({ op: fc.constant("get" as const), key }),
      fc.record({ op: fc.constant("append" as const), key, value: fc.string({ maxLength: 3 }) }),
      fc.record({ op: fc.constant("scan" as const), prefix: fc.constantFrom("", "a", "b") }),
    );
    const property = fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (commands) => {
      await store.transactSpaces((tx) => tx.clear(0));
      const model = new Map<Key, string>();
      const results: unknown[] = [];
      const expected: unknown[] = [];
      for (const command of commands) {
        if (command.op === "put") {
          await put(store, command.key, command.value);
          model.set(command.key, command.value);
        } else if (command.op === "delete") {
          results.push(
            await store.transact([at(command.key)], (tx: Transaction) => tx.delete(0, command.key)),
          );
          expected.push(model.delete(command.key));
        } else if (command.op === "get") {
          results.push(await get(store, command.key));
          expected.push(model.get(command.key));
        } else if (command.op === "append") {
          await store.transact([at(command.key)], (tx) => {
            const old = text(tx.get(0, command.key)?.value) ?? "";
            tx.put(0, command.key, bytes(old + command.value), 0);
          });
          model.set(command.key, (model.get(command.key) ?? "") + command.value);
        } else {
          results.push(await scanAll(store, command.prefix, 2));
          expected.push([...model.keys()].filter((key) => key.startsWith(command.prefix)).sort());
        }
      }
      assert.deepEqual(results, expected);
      assert.deepEqual(await scanAll(store), [...model.keys()].sort());
    });
    await fc.assert(property, { numRuns: 25 });
  });

  test("metrics count commits", async (store) => {
    const before = store.metrics();
    await put(store, "key", "value");
    const after = store.metrics();
    if (after.bytes !== undefined) assert.equal(after.bytes - before.bytes!, 8);
    if (durable) {
      assert.ok(after.commitGroups > before.commitGroups);
      assert.ok(after.committedWrites > before.committedWrites);
      assert.equal(after.commitSeconds!.count, after.commitGroups);
      assert.equal(after.commitWrites!.sum, after.committedWrites);
    }
    assert.equal(after.commitFailures, 0);
    assert.equal(store.problem(), undefined);
  });

  if (!durable) return scenarios;

  test(
    "a second store on the same data finds everything, and the bytes of it",
    async (store, data) => {
      const dueMs = Date.now() + 600_000;
      await put(store, "kept", "1");
      await put(store, "", "");
      await put(store, "expiring", "2", dueMs);
      await put(store, "expired", "3", Date.now() - 1);
      await put(store, "deleted", "4");
      await store.transact([at("deleted")], (tx) => tx.delete(0, "deleted"));
      await store.put(1, "first", bytes("5"), 0);
      await store.put(2, "second", bytes("6"), 0);
      await store.put(3, "third", bytes("7"), 0);
      await store.transactSpaces(async (tx) => {
        await tx.swap(1, 2);
        await tx.clear(3);
        await tx.put(3, "fourth", bytes("8"), 0);
      });
      await store.close();
      const again = await data.open();
      try {
        assert.deepEqual(await scanAll(again), ["", "expiring", "kept"]);
        assert.equal(await get(again, ""), "");
        assert.equal((await again.get(0, "expiring"))?.expiresAtMs, dueMs);
        assert.deepEqual(await scanAll(again, "", 9, 1), ["second"]);
        assert.deepEqual(await scanAll(again, "", 9, 2), ["first"]);
        assert.deepEqual(await scanAll(again, "", 9, 3), ["fourth"]);
      } finally {
        await again.close();
      }
    },
  );
  return scenarios;
}
