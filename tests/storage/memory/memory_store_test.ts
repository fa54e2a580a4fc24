import assert from "node:assert/strict";
import { MemoryLog } from "../../../lib/storage/memory/memory_log.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import { OutOfMemoryError } from "../../../lib/storage/store.ts";
import { valueBytes } from "../../../lib/storage/value.ts";
import { bytes, testStore, text } from "../store_suite.ts";

testStore({
  name: "memory",
  durable: false,
  start: () =>
    Promise.resolve({
      open: () => MemoryStore.open(new MemoryLog()),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
});

async function withStore(
  maxBytes: number,
  run: (store: MemoryStore) => void | Promise<void>,
): Promise<void> {
  const store = await MemoryStore.open(new MemoryLog(), { maxBytes });
  try {
    await run(store);
  } finally {
    await store.close();
  }
}

Deno.test("MemoryStore: returns results at once, without a promise", async () => {
  await withStore(Infinity, (store) => {
    assert.equal(store.put(0, "a", bytes("1"), 0), undefined);
    const entry = store.get(0, "a");
    assert.ok(entry !== undefined && !(entry instanceof Promise));
    assert.equal(store.transact([{ space: 0, key: "a" }], () => 7), 7);
    assert.ok(Array.isArray(store.scan(0, { limit: 1 })));
  });
});

Deno.test("MemoryStore: rejects a write beyond maxBytes and goes on", async () => {
  await withStore(100, async (store) => {
    await store.put(0, "a", new Uint8Array(99), 0);
    assert.equal(store.metrics().bytes, 100);
    assert.throws(() => store.put(0, "b", new Uint8Array(0), 0), OutOfMemoryError);
    assert.throws(() => store.put(0, "a", new Uint8Array(100), 0), OutOfMemoryError);
    await store.put(0, "a", new Uint8Array(98), 0);
    await store.put(0, "b", new Uint8Array(0), 0);
    assert.equal(store.metrics().bytes, 100);
    assert.throws(
      () =>
        store.transact([], (tx) => {
          tx.delete(0, "b");
          tx.put(0, "c", new Uint8Array(1), 0);
        }),
      OutOfMemoryError,
    );
    assert.ok(store.get(0, "b") !== undefined);
    store.transact([], (tx) => {
      tx.delete(0, "a");
      tx.put(0, "c", new Uint8Array(98), 0);
    });
    assert.equal(store.metrics().bytes, 100);
    await store.transactSpaces((tx) => tx.clear(0));
    assert.equal(store.metrics().bytes, 0);
  });
});

Deno.test("MemoryStore: a transaction cannot write more than maxBytes, not even to one key", async () => {
  await withStore(100, async (store) => {
    await store.put(0, "a", new Uint8Array(1), 0);
    const overwrite = (times: number) =>
      store.transact([], (tx) => {
        for (let count = 0; count < times; count++) tx.put(0, "a", new Uint8Array(25), 0);
      });
    assert.throws(() => overwrite(5), OutOfMemoryError);
    const whole = store.transactSpaces(async (tx) => {
      for (let count = 0; count < 5; count++) await tx.put(0, "a", new Uint8Array(25), 0);
    });
    await assert.rejects(whole, OutOfMemoryError);
    assert.equal(store.metrics().bytes, 2);
    overwrite(4);
    assert.equal(store.metrics().bytes, 26);
  });
});

Deno.test("MemoryStore: removes expired entries in the background", async () => {
  await withStore(Infinity, async (store) => {
    const dueMs = Date.now() + 20;
    for (let key = 0; key < 1000; key++) store.put(0, `${key}`, bytes("1"), dueMs);
    store.put(0, "kept", bytes("1"), dueMs + 60_000);
    for (let tries = 0; tries < 500 && store.metrics().bytes! > 10; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal(store.metrics().bytes, 5);
    assert.ok(store.get(0, "kept") !== undefined);
  });
});

Deno.test("MemoryStore: the first scan of a large space does not block other work", async () => {
  await withStore(Infinity, async (store) => {
    const keys = 100_000;
    for (let key = 0; key < keys; key++) {
      store.put(0, `${(key * 7919) % keys}`.padStart(6, "0"), bytes("1"), 0);
    }
    const first = store.scan(0, { limit: 2 });
    const random = store.transactSpaces((tx) => tx.randomKey(0));
    assert.ok(first instanceof Promise);
    let turns = 0;
    const timer = setInterval(() => {
      turns++;
      // Meanwhile keys appear before and after the position of the sort.
      store.put(0, `${turns * 31 % keys}`.padStart(6, "0") + "+", bytes("1"), 0);
      store.transact([], (tx) => tx.delete(0, `${turns * 17 % keys}`.padStart(6, "0")));
    }, 1);
    await first;
    clearInterval(timer);
    assert.ok(turns > 5, `${turns} turns`);
    assert.ok(await random !== undefined);
    let after: string | undefined;
    let count = 0;
    for (;;) {
      const page = await store.scan(0, { limit: 1000, ...(after !== undefined && { after }) });
      for (const [key] of page) {
        assert.ok(after === undefined || key > after);
        after = key;
        count++;
      }
      if (page.length < 1000) break;
    }
    const { keys: counted } = await store.transactSpaces((tx) => tx.count(0));
    assert.equal(count, counted);
    assert.equal(text((await store.get(0, after!))?.value), "1");
  });
});

/** More keys than a space sorts at once. */
const MANY_KEYS = 5_000;

function numbered(number: number): string {
  return `${number}`.padStart(6, "0");
}

Deno.test("MemoryStore.transactSpaces: runs again once a large space is sorted, even if its function caught the error", async () => {
  await withStore(Infinity, async (store) => {
    for (let key = 0; key < MANY_KEYS; key++) store.put(0, numbered(key), bytes("1"), 0);
    let runs = 0;
    const page = await store.transactSpaces(async (tx) => {
      runs++;
      await tx.put(1, `run ${runs}`, bytes("1"), 0);
      return await tx.scan(0, { limit: 1 }).catch(() => []);
    });
    assert.deepEqual(page.map(([key]) => key), ["000000"]);
    assert.equal(runs, 2);
    assert.equal(await store.get(1, "run 1"), undefined);
    assert.equal(text((await store.get(1, "run 2"))?.value), "1");
  });
});

Deno.test("MemoryStore.transactSpaces: a space that it cleared and filled can be read in order", async () => {
  await withStore(Infinity, async (store) => {
    let runs = 0;
    const page = await store.transactSpaces(async (tx) => {
      // Without a bound a mistake here would be an endless loop.
      assert.ok(++runs <= 2, "it runs again and again");
      await tx.clear(0);
      for (let key = 0; key < MANY_KEYS; key++) await tx.put(0, numbered(key), bytes("1"), 0);
      return await tx.scan(0, { limit: 2 });
    });
    assert.deepEqual(page.map(([key]) => key), ["000000", "000001"]);
    assert.equal(store.metrics().keys, MANY_KEYS);
  });
});

/** Runs a test on a store with three runs of keys that have just expired, each before one that stays. */
async function withExpiredRuns(run: (store: MemoryStore) => Promise<void>): Promise<void> {
  const { now } = Date;
  await withStore(Infinity, async (store) => {
    for (const prefix of ["0-", "1-", "2-"]) {
      for (let key = 0; key < 5_000; key++) store.put(0, prefix + key, "", now() + 3_600_000);
      store.put(0, `${prefix}last`, "1", 0);
    }
    await store.scan(0, { limit: 1 }); // sorts the keys
    Date.now = () => now() + 7_200_000;
    try {
      await run(store);
    } finally {
      Date.now = now;
    }
  });
}

Deno.test("MemoryStore: a scan passes a long run of expired keys in turns", async () => {
  for (
    const [range, keys] of [
      [{ limit: 10 }, ["0-last", "1-last", "2-last"]],
      [{ limit: 2 }, ["0-last", "1-last"]],
      [{ limit: 1 }, ["0-last"]],
      [{ limit: 10, prefix: "1-" }, ["1-last"]],
    ] as const
  ) {
    await withExpiredRuns(async (store) => {
      const page = store.scan(0, range);
      assert.ok(page instanceof Promise);
      assert.deepEqual((await page).map(([key]) => key), keys);
    });
  }
});

Deno.test("MemoryStore: so does a scan of a transaction over whole spaces", async () => {
  await withExpiredRuns(async (store) => {
    let turns = 0;
    const page = await store.transactSpaces(async (tx) => {
      const timer = setInterval(() => turns++, 0);
      try {
        return await tx.scan(0, { limit: 10 });
      } finally {
        clearInterval(timer);
      }
    });
    assert.deepEqual(page.map(([key]) => key), ["0-last", "1-last", "2-last"]);
    assert.ok(turns > 0);
  });
});

Deno.test("MemoryStore: a put that waits for memory counts once", async () => {
  const mib = 1024 * 1024;
  await withStore(3 * mib, async (store) => {
    await store.transactSpaces(async (tx) => {
      for (let put = 0; put < 2; put++) await tx.put(0, "a", new Uint8Array(mib), 0);
    });
    assert.equal(store.metrics().bytes, mib + 1);
  });
});

Deno.test("MemoryStore: what a transaction appends counts once towards its limit", async () => {
  await withStore(100_000, async (store) => {
    await store.put(0, "a", "x", 0);
    const append = (bytes: number) =>
      store.transact([{ space: 0, key: "a" }], (tx) => {
        const length = tx.length!(0, "a");
        tx.write!(0, "a", length, new Uint8Array(bytes));
        // Bytes that are overwritten count too, and so do zeros.
        tx.write!(0, "a", 0, new Uint8Array(10_000));
        tx.write!(0, "a", length + bytes + 5_000, new Uint8Array(5_000));
      });
    await append(60_000);
    assert.equal(valueBytes((await store.get(0, "a"))!.value).length, 70_001);
    const overwrite = () =>
      store.transact([{ space: 0, key: "a" }], (tx) => {
        for (let count = 0; count < 11; count++) tx.write!(0, "a", 0, new Uint8Array(10_000));
      });
    assert.throws(overwrite, /in one transaction/);
  });
});
