import assert from "node:assert/strict";
import { nearestWord } from "../lib/nearest_word.ts";

Deno.test("nearestWord() finds the word that was meant, or nothing if none is near", () => {
  const known = ["queue", "queue_bytes", "slow_after", "on_full"];
  assert.equal(nearestWord("queu", known), "queue");
  assert.equal(nearestWord("Queue_byte", known), "queue_bytes");
  assert.equal(nearestWord("slowafter", known), "slow_after");
  assert.equal(nearestWord("elephant", known), undefined);
});
