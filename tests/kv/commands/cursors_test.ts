import assert from "node:assert/strict";
import { CursorTable } from "../../../lib/kv/commands/cursors.ts";

Deno.test("CursorTable finds the keys it remembers", () => {
  const table = new CursorTable();
  const first = table.remember("a", 0);
  assert.ok(first > 0 && Number.isSafeInteger(first));
  assert.equal(table.find(first), "a");
  assert.equal(table.find(first + 1), undefined);
});

Deno.test("CursorTable: a scan takes two entries, however long it takes", () => {
  const table = new CursorTable();
  let cursor = table.remember("0", 0);
  for (let page = 1; page < 1000; page++) {
    const before = cursor;
    assert.equal(table.find(cursor), String(page - 1));
    cursor = table.remember(String(page), cursor);
    // The reply may have been lost.
    assert.equal(table.find(before), String(page - 1));
  }
  assert.equal(table.size, 2);
});

Deno.test("CursorTable drops the least recently used cursor when it is full", () => {
  const table = new CursorTable({ maxCursors: 3 });
  const [a, b, c] = ["a", "b", "c"].map((key) => table.remember(key, 0));
  table.find(a!);
  const d = table.remember("d", 0);
  assert.deepEqual([a, b, c, d].map((cursor) => table.find(cursor!)), ["a", undefined, "c", "d"]);
});

Deno.test("CursorTable: long keys count towards its limit", () => {
  const table = new CursorTable({ maxBytes: 10_000 });
  for (let count = 0; count < 100; count++) table.remember("k".repeat(1000), 0);
  assert.equal(table.size, 10);
});
