import assert from "node:assert/strict";
import type { Change } from "../../../lib/kv/changes/change.ts";
import { ChangeFeed } from "../../../lib/kv/changes/change_feed.ts";
import { eventsOf } from "../../../lib/kv/changes/events.ts";
import { ObservedStore } from "../../../lib/kv/changes/observed_store.ts";
import { ObservedTransaction } from "../../../lib/kv/changes/observed_transactions.ts";
import { TransactionOverlay } from "../../../lib/kv/session/transaction_overlay.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import type { Store } from "../../../lib/storage/store.ts";
import { HeldLog } from "../../storage/memory/held_log.ts";

/** The names of events and their keys, in the order in which a feed passes them on. */
function recordEvents(feed: ChangeFeed): string[] {
  const seen: string[] = [];
  feed.add((changes) => {
    for (const event of eventsOf(changes)) {
      if (event.class !== "n") seen.push(`${event.name} ${event.place.key}`);
    }
  });
  return seen;
}

function removal(key: string): Change {
  return { kind: "evicted", place: { space: 0, key } };
}

Deno.test("ChangeFeed passes changes on in the order of their runs, whatever ends first", () => {
  const feed = new ChangeFeed(() => {});
  const seen = recordEvents(feed);
  const [first, second, third] = [feed.enter(), feed.enter(), feed.enter()];
  first.changes.push(removal("a"));
  second.changes.push(removal("b"));
  third.changes.push(removal("c"));
  feed.settle(third, "durable");
  feed.settle(second, "void");
  assert.deepEqual(seen, []);
  feed.settle(first, "durable");
  assert.deepEqual(seen, ["evicted a", "evicted c"]);
});

Deno.test("ChangeFeed keeps its order over thousands of entries", () => {
  const feed = new ChangeFeed(() => {});
  const seen = recordEvents(feed);
  const expected: string[] = [];
  for (let round = 0; round < 3000; round++) {
    const entries = [feed.enter(), feed.enter()];
    entries.forEach((entry, index) => entry.changes.push(removal(`${round}.${index}`)));
    feed.settle(entries[1]!, "durable");
    feed.settle(entries[0]!, "durable");
    expected.push(`evicted ${round}.0`, `evicted ${round}.1`);
  }
  assert.deepEqual(seen, expected);
});

Deno.test("ChangeFeed says when the first listener comes and the last one goes", () => {
  const active: boolean[] = [];
  const feed = new ChangeFeed((is) => active.push(is));
  const listeners = [() => {}, () => {}];
  for (const listener of listeners) feed.add(listener);
  for (const listener of listeners) feed.remove(listener);
  feed.remove(listeners[0]!);
  assert.deepEqual(active, [true, false]);
});

/** A store whose commits the test decides, and what a follower of it sees. */
async function observed() {
  const log = new HeldLog();
  const inner = await MemoryStore.open(log);
  const feed = new ChangeFeed(() => {});
  const store: Store = new ObservedStore(inner, feed);
  return { log, inner, store, seen: recordEvents(feed) };
}

Deno.test("ObservedStore: changes are passed on once they are durable, and never if they fail", async () => {
  const { log, inner, store, seen } = await observed();
  const written = [
    store.put(0, "a", "1", 0),
    store.transact([{ space: 0, key: "b" }], (tx) => tx.put(0, "b", "2", 0)),
  ];
  assert.deepEqual(seen, []);
  log.commit();
  await Promise.all(written);
  assert.deepEqual(seen, ["set a", "set b"]);
  const failing = store.put(0, "c", "3", 0);
  const refused = assert.rejects(Promise.resolve(failing), /the disk is full/);
  log.fail();
  await refused;
  const after = store.put(0, "d", "4", 0);
  log.commit();
  await after;
  assert.deepEqual(seen, ["set a", "set b", "set d"]);
  await inner.close();
});

Deno.test("ObservedStore: a transaction that throws has no changes, one that runs again those of its last run", async () => {
  const { log, inner, store, seen } = await observed();
  assert.throws(() =>
    store.transact([{ space: 0, key: "a" }], (tx) => {
      tx.put(0, "a", "1", 0);
      throw new Error("no");
    }), { message: "no" });
  let runs = 0;
  // The first run finds a large space that is not sorted yet, and runs again.
  for (let key = 0; key < 1500; key++) {
    inner.bytes.put(
      0,
      new TextEncoder().encode(`${key}`),
      0,
      `${key}`.length,
      new Uint8Array(1),
      0,
      1,
      0,
    );
  }
  log.commit();
  const done = store.transactSpaces(async (tx) => {
    await tx.put(0, "b", `${++runs}`, 0);
    await tx.scan(0, { limit: 1 });
  });
  const committing = setInterval(() => log.commit(), 1);
  await done;
  clearInterval(committing);
  assert.equal(runs, 2);
  assert.deepEqual(seen, ["set b"]);
  log.commit();
  await inner.close();
});

Deno.test("ObservedTransaction: a key that has expired is reported before it is written again", () => {
  const feed = new ChangeFeed(() => {});
  const seen = recordEvents(feed);
  const tx = Object.assign(new TransactionOverlay(0), { hasExpired: () => true });
  const entry = feed.enter();
  const observed = new ObservedTransaction(tx, { into: entry, wishes: feed.wishes });
  observed.put(0, "a", "new", 0);
  feed.settle(entry, "durable");
  assert.deepEqual(seen, ["expired a", "set a"]);
});
