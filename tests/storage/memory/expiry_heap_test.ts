import assert from "node:assert/strict";
import fc from "fast-check";
import { type Expiring, ExpiryHeap } from "../../../lib/storage/memory/expiry_heap.ts";

Deno.test("ExpiryHeap: returns the next entry to expire after any additions and removals", () => {
  const step = fc.oneof(
    fc.record({ add: fc.nat(50) }),
    fc.record({ remove: fc.nat(1000) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), fc.nat(50), (steps, nowMs) => {
    const heap = new ExpiryHeap<Expiring>();
    const model: Expiring[] = [];
    for (const step of steps) {
      if ("add" in step) {
        const entry = { expiresAtMs: step.add, heapIndex: -1 };
        heap.add(`${step.add}`, entry);
        model.push(entry);
      } else if (model.length > 0) {
        const [entry] = model.splice(step.remove % model.length, 1);
        heap.remove(entry!);
        assert.equal(entry!.heapIndex, -1);
      }
    }
    const next = Math.min(...model.map((entry) => entry.expiresAtMs));
    assert.equal(heap.size, model.length);
    assert.equal(heap.nextMs, next);
    assert.equal(heap.first()?.key, model.length === 0 ? undefined : `${next}`);
    assert.equal(
      heap.countUntil(nowMs),
      model.filter((entry) => entry.expiresAtMs <= nowMs).length,
    );
  }));
});
