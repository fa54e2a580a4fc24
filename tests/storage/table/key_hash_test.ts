import assert from "node:assert/strict";
import { KeyHash } from "../../../lib/storage/table/key_hash.ts";

function hashOf(hash: KeyHash, bytes: number[]): number {
  return hash.of(Uint8Array.from([99, ...bytes, 98]), 1, 1 + bytes.length);
}

Deno.test("KeyHash: depends on every byte, on the length and on the seed", () => {
  const hash = new KeyHash(Uint32Array.of(1, 2));
  const seen = new Set<number>();
  for (let length = 0; length <= 20; length++) {
    const bytes = Array.from({ length }, () => 0);
    seen.add(hashOf(hash, bytes));
    for (let at = 0; at < length; at++) seen.add(hashOf(hash, bytes.with(at, 1)));
  }
  assert.equal(seen.size, 21 + 210);
  assert.equal(
    hashOf(hash, [1, 2, 3, 4, 5]),
    hashOf(new KeyHash(Uint32Array.of(1, 2)), [1, 2, 3, 4, 5]),
  );
  for (const seed of [[1, 3], [2, 2], [0, 0]]) {
    assert.notEqual(hashOf(new KeyHash(Uint32Array.from(seed)), [7]), hashOf(hash, [7]));
  }
  assert.notEqual(hashOf(new KeyHash(), [7]), hashOf(new KeyHash(), [7]));
});

Deno.test("KeyHash: differences that cancel in a chain of multiplications do not collide", () => {
  // The top bit of one word, and what a multiplication and a shift by 15 make of it in the next.
  const one = [1, 2, 3, 4, 5, 6, 7, 8];
  const other = [1, 2, 3, 4 ^ 0x80, 5, 6, 7 ^ 1, 8 ^ 0x80];
  for (let tries = 0; tries < 100; tries++) {
    const hash = new KeyHash();
    assert.notEqual(hashOf(hash, one), hashOf(hash, other));
  }
});

Deno.test("KeyHash: spreads similar keys evenly over upper and lower bits", () => {
  const hash = new KeyHash();
  const upper = new Uint32Array(64);
  const lower = new Uint32Array(64);
  for (let number = 0; number < 64_000; number++) {
    const key = new TextEncoder().encode(`key:${number}`);
    const value = hash.of(key, 0, key.length);
    upper[value >>> 26]!++;
    lower[value & 63]!++;
  }
  // 1000 each, with a standard deviation of 31; eight of those are out of the question.
  for (const count of [...upper, ...lower]) assert.ok(count > 750 && count < 1250, `${count}`);
});
