import assert from "node:assert/strict";
import fc from "fast-check";
import { RecentLog } from "../lib/recent_log.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("RecentLog: returns the lines after a position, and the next position", () => {
  const log = new RecentLog(100);
  log.add(bytesOf("one\ntwo\n"));
  const { lines, position } = log.read();
  assert.deepEqual(lines, ["one", "two"]);
  assert.deepEqual(log.read(position), { lines: [], position });
  log.add(bytesOf("three\n"));
  assert.deepEqual(log.read(position).lines, ["three"]);
});

Deno.test("RecentLog: a position from before a restart returns all lines", () => {
  const log = new RecentLog(100);
  log.add(bytesOf("one\n"));
  assert.deepEqual(log.read(5000).lines, ["one"]);
});

Deno.test("RecentLog: keeps the last whole lines that fit, however they are added", () => {
  const line = fc.string({ maxLength: 30 }).map((text) => text.replaceAll(/\s/g, "_"));
  fc.assert(fc.property(fc.array(fc.array(line, { maxLength: 8 })), (batches) => {
    const log = new RecentLog(64);
    for (const batch of batches) log.add(bytesOf(batch.map((text) => `${text}\n`).join("")));
    const all = batches.flat();
    const { lines } = log.read();
    assert.deepEqual(lines, all.slice(all.length - lines.length));
    const size = (texts: string[]) => bytesOf(texts.map((text) => `${text}\n`).join("")).length;
    assert.ok(size(lines) <= 64);
    const one = all[all.length - lines.length - 1];
    if (one !== undefined) assert.ok(size([one, ...lines]) >= 64, "one more had fitted");
  }));
});
