import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeKeyList,
  encodeKeyList,
  isKeyList,
  keyCount,
} from "../../../lib/mesh/sort/key_list.ts";

const keys = fc.array(
  fc.record({ key: fc.uint8Array({ maxLength: 20 }), order: fc.maxSafeNat() }),
  { maxLength: 20 },
);

Deno.test("a key list is read back, and is a list at its whole length only", () => {
  fc.assert(fc.property(keys, fc.nat(10), (keys, before) => {
    const list = encodeKeyList(keys);
    assert.equal(keyCount(list), keys.length);
    // A list may be part of a larger array.
    const moved = new Uint8Array([...new Uint8Array(before), ...list]).subarray(before);
    assert.deepEqual(
      decodeKeyList(moved).map(({ key, order }) => ({ key: [...key], order })),
      keys.map(({ key, order }) => ({ key: [...key], order })),
    );
    assert.ok(isKeyList(moved));
    for (let cut = 0; cut < list.length; cut++) assert.ok(!isKeyList(list.slice(0, cut)));
    assert.ok(!isKeyList(new Uint8Array([...list, 0])));
  }));
});

Deno.test("isKeyList() refuses a count and a length that go beyond the end", () => {
  const list = encodeKeyList([{ key: Uint8Array.of(1), order: 2 }]);
  for (const at of [0, 12]) {
    const wrong = list.slice();
    wrong[at] = 255;
    assert.ok(!isKeyList(wrong));
  }
});
