import assert from "node:assert/strict";
import { TransactionOverlay } from "../../../lib/kv/session/transaction_overlay.ts";

const NOW_MS = 1_000_000;
const PLACE = { space: 0, key: "a" };

function overlayOf(value?: string): TransactionOverlay {
  const overlay = new TransactionOverlay(NOW_MS);
  overlay.add(PLACE, value === undefined ? undefined : { value, version: 1, expiresAtMs: 0 });
  return overlay;
}

Deno.test("TransactionOverlay returns what was read, then what was written", () => {
  const overlay = overlayOf("before");
  assert.equal(overlay.get(0, "a")?.value, "before");
  overlay.command = "set";
  overlay.put(0, "a", "after", NOW_MS + 1);
  assert.equal(overlay.get(0, "a")?.value, "after");
  assert.equal(overlay.get(0, "a")?.expiresAtMs, NOW_MS + 1);
  const change = { ...PLACE, value: "after", expiresAtMs: NOW_MS + 1, command: "set" };
  assert.deepEqual(overlay.changes, [change]);
});

Deno.test("TransactionOverlay hides a value that has expired when it is written", () => {
  for (const expiresAtMs of [1, NOW_MS - 1, NOW_MS]) {
    const overlay = overlayOf("before");
    overlay.put(0, "a", "expired", expiresAtMs);
    assert.equal(overlay.get(0, "a"), undefined);
    assert.equal(overlay.delete(0, "a"), false);
  }
});

Deno.test("TransactionOverlay records deletions and whether there was a key", () => {
  const overlay = overlayOf("before");
  assert.equal(overlay.delete(0, "a"), true);
  assert.equal(overlay.delete(0, "a"), false);
  assert.equal(overlay.get(0, "a"), undefined);
  const deletion = { ...PLACE, value: undefined, expiresAtMs: 0, command: undefined };
  assert.deepEqual(overlay.changes, [deletion, deletion]);
});
