import assert from "node:assert/strict";
import fc from "fast-check";
import { Table } from "../../../lib/storage/table/table.ts";
import { keyBytes } from "./model.ts";

Deno.test("ExpiryHeap: returns the next entry to expire after any additions, changes and removals", () => {
  const step = fc.oneof(
    fc.record({ add: fc.nat(50) }),
    fc.record({ change: fc.nat(1000), to: fc.nat(50) }),
    fc.record({ remove: fc.nat(1000) }),
  );
  const property = fc.property(fc.array(step, { maxLength: 300 }), fc.nat(50), (steps, nowMs) => {
    const table = new Table();
    const { expiry } = table;
    const model: { address: number; expiresAtMs: number }[] = [];
    let version = 0;
    for (const step of steps) {
      if ("add" in step) {
        const key = keyBytes(`${++version}`);
        const expiresAtMs = step.add + 1;
        const address = table.put(
          key,
          0,
          key.length,
          key,
          0,
          0,
          version,
          expiresAtMs,
          false,
        );
        model.push({ address, expiresAtMs });
      } else if (model.length > 0) {
        const index = ("remove" in step ? step.remove : step.change) % model.length;
        const entry = model[index]!;
        if ("to" in step) entry.expiresAtMs = step.to + 1;
        else model.splice(index, 1);
        expiry.set(entry.address, "to" in step ? entry.expiresAtMs : 0);
      }
    }
    const next = Math.min(...model.map((entry) => entry.expiresAtMs));
    assert.equal(expiry.size, model.length);
    assert.equal(expiry.nextMs, next);
    assert.equal(expiry.first, model.length === 0 ? 0 : expiry.first);
    if (model.length > 0) assert.equal(expiry.expiryOf(expiry.first), next);
    for (const { address, expiresAtMs } of model) {
      assert.equal(expiry.expiryOf(address), expiresAtMs);
    }
    const open = [0];
    let count = 0;
    for (let steps = 0; open.length > 0; steps++) {
      assert.ok(steps <= 500);
      count += expiry.countUntil(nowMs, open, 3);
    }
    assert.equal(count, model.filter((entry) => entry.expiresAtMs <= nowMs).length);
    for (const { expiresAtMs } of model.sort((a, b) => a.expiresAtMs - b.expiresAtMs)) {
      assert.equal(expiry.nextMs, expiresAtMs);
      expiry.set(expiry.first, 0);
    }
  });
  fc.assert(property);
});

Deno.test("ExpiryHeap: holds more entries than a chunk, and fewer again", () => {
  const table = new Table();
  const { expiry } = table;
  const entries = 10_000;
  const addresses: number[] = [];
  for (let number = 0; number < entries; number++) {
    const key = keyBytes(`${number}`);
    const expiresAtMs = 1 + (number * 7919) % entries;
    addresses.push(table.put(key, 0, key.length, key, 0, 0, number + 1, expiresAtMs, false));
  }
  for (let expected = 1; expected <= entries; expected++) {
    assert.equal(expiry.nextMs, expected);
    expiry.set(expiry.first, 0);
  }
  assert.equal(expiry.size, 0);
  // A heap whose first branch has late times and whose last one has early ones.
  for (const [at, address] of addresses.slice(0, 85).entries()) {
    expiry.set(address, at === 0 ? 1 : inFirstBranch(at) ? 1000 + at : 2 + at);
  }
  for (const address of addresses.slice(5, 9)) expiry.set(address, 0);
  let lastMs = 0;
  while (expiry.size > 0) {
    assert.ok(expiry.nextMs >= lastMs, `${expiry.nextMs} after ${lastMs}`);
    lastMs = expiry.nextMs;
    expiry.set(expiry.first, 0);
  }
});

/** Whether the place is below the first child of the first entry, which has four. */
function inFirstBranch(place: number): boolean {
  while (place > 4) place = (place - 1) >> 2;
  return place === 1;
}
