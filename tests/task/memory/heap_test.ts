import assert from "node:assert/strict";
import fc from "fast-check";
import { Heap } from "../../../lib/task/memory/heap.ts";

interface Item {
  key: number;
  place: number;
}

function newHeap(): Heap<Item> {
  return new Heap<Item>({
    before: (a, b) => a.key < b.key,
    place: (item) => item.place,
    setPlace: (item, place) => item.place = place,
  });
}

Deno.test("Heap: stays in order after any pushes, removals and updates", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("push" as const), key: fc.integer() }),
    fc.record({ do: fc.constant("remove" as const), key: fc.nat() }),
    fc.record({ do: fc.constant("update" as const), key: fc.nat(), to: fc.integer() }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const heap = newHeap();
    const items: Item[] = [];
    for (const step of steps) {
      if (step.do === "push") {
        const item = { key: step.key, place: -1 };
        heap.push(item);
        items.push(item);
      } else if (items.length > 0 && step.do === "remove") {
        const [item] = items.splice(step.key % items.length, 1);
        heap.remove(item!);
        assert.equal(item!.place, -1);
      } else if (items.length > 0 && step.do === "update") {
        const item = items[step.key % items.length]!;
        item.key = step.to;
        heap.update(item);
      }
      assert.equal(heap.size, items.length);
    }
    const keys: number[] = [];
    for (let item; (item = heap.first) !== undefined;) {
      keys.push(item.key);
      heap.remove(item);
    }
    assert.deepEqual(keys, items.map((item) => item.key).sort((a, b) => a - b));
  }));
});

Deno.test("Heap: stays in order as it grows to several pieces and shrinks again", () => {
  const heap = newHeap();
  const items = Array.from({ length: 10_000 }, (_, i) => ({ key: (i * 7919) % 10_007, place: -1 }));
  for (let round = 0; round < 2; round++) {
    for (const item of items) heap.push(item);
    assert.deepEqual(items.filter((item) => heap.at(item.place) !== item), []);
    for (const item of items.slice(0, 6000)) heap.remove(item);
    for (const item of items.slice(6000)) {
      item.key = -item.key;
      heap.update(item);
    }
    const keys: number[] = [];
    for (let first; (first = heap.first) !== undefined; heap.remove(first)) keys.push(first.key);
    assert.deepEqual(keys, items.slice(6000).map(({ key }) => key).sort((a, b) => a - b));
    assert.equal(heap.at(0), undefined);
  }
});

Deno.test("Heap.firstItems() returns the first items in order and leaves the heap as it is", () => {
  const heap = newHeap();
  const keys = Array.from({ length: 500 }, (_, i) => (i * 7919) % 503);
  for (const key of keys) heap.push({ key, place: -1 });
  const sorted = keys.toSorted((a, b) => a - b);
  for (const count of [0, 1, 2, 37, 500, 501]) {
    assert.deepEqual(heap.firstItems(count).map(({ key }) => key), sorted.slice(0, count));
  }
  const drained: number[] = [];
  for (let first; (first = heap.first) !== undefined; heap.remove(first)) drained.push(first.key);
  assert.deepEqual(drained, sorted);
  assert.deepEqual(heap.firstItems(10), []);
});
