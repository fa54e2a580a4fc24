import assert from "node:assert/strict";
import { Bag } from "../../../lib/task/memory/bag.ts";

Deno.test("Bag: any item can be removed, and the others stay", () => {
  const bag = new Bag<{ name: string; place: number }>();
  const items = [..."abcdef"].map((name) => ({ name, place: -1 }));
  for (const item of items) bag.add(item);
  const names = () => bag.some(10).map(({ name }) => name).sort().join("");
  bag.remove(items[5]!);
  bag.remove(items[0]!);
  bag.remove(items[2]!);
  assert.deepEqual([bag.size, names()], [3, "bde"]);
  assert.deepEqual(items.map(({ place }) => place).filter((place) => place === -1).length, 3);
  bag.add(items[0]!);
  for (const item of [items[4]!, items[1]!, items[3]!]) bag.remove(item);
  assert.deepEqual([bag.size, names()], [1, "a"]);
  assert.equal(bag.some(0).length, 0);
});
