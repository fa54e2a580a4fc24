import assert from "node:assert/strict";
import { progressText, SeenProgress } from "../../lib/task/progress.ts";
import { MAX_PROGRESS_BYTES } from "../../lib/task/queue.ts";

const reserved = (body: string | Uint8Array, run = 1) =>
  ({ state: "reserved", body, run }) as const;

Deno.test("progressText() keeps the beginning, one character a byte", () => {
  const bytes = new Uint8Array(MAX_PROGRESS_BYTES + 1).fill(0xe9);
  assert.equal(progressText(bytes), "é".repeat(MAX_PROGRESS_BYTES));
  assert.equal(progressText("é".repeat(MAX_PROGRESS_BYTES + 1)), "é".repeat(MAX_PROGRESS_BYTES));
});

Deno.test("SeenProgress: the same words are news once for each run", () => {
  const seen = new SeenProgress();
  assert.equal(seen.see(1, null), false);
  assert.equal(seen.see(1, { state: "reserved", body: "" }), false);
  assert.equal(seen.see(1, reserved("half")), true);
  assert.equal(seen.see(1, reserved(new TextEncoder().encode("half"))), false);
  assert.equal(seen.see(2, reserved("half")), true);
  assert.equal(seen.see(1, reserved("all")), true);
  assert.equal(seen.see(1, reserved("all", 2)), true);
});

Deno.test("SeenProgress: keeps the 64 jobs that were looked at last", () => {
  const seen = new SeenProgress();
  for (let id = 1; id <= 64; id++) seen.see(id, reserved("x"));
  assert.equal(seen.see(1, reserved("x")), false);
  seen.see(65, reserved("x"));
  assert.equal(seen.see(1, reserved("x")), false, "it was looked at again");
  assert.equal(seen.see(2, reserved("x")), true, "it was the oldest");
});
