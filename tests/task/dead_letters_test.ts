import assert from "node:assert/strict";
import fc from "fast-check";
import { deadLetterLoops } from "../../lib/task/dead_letters.ts";

function loops(tubes: Record<string, string>): string[] {
  return deadLetterLoops((tube) => tubes[tube], Object.keys(tubes)).map((loop) => loop.join(""));
}

Deno.test("deadLetterLoops() finds each loop once, and no chain", () => {
  assert.deepEqual(loops({}), []);
  assert.deepEqual(loops({ a: "b", b: "c", d: "c" }), []);
  assert.deepEqual(loops({ a: "a" }), ["aa"]);
  assert.deepEqual(loops({ a: "b", b: "a" }), ["aba"]);
  assert.deepEqual(loops({ a: "b", b: "c", c: "b", d: "a" }), ["bcb"]);
  assert.deepEqual(loops({ a: "a", b: "c", c: "b", d: "e" }), ["aa", "bcb"]);
});

Deno.test("deadLetterLoops() finds a loop exactly if a job could come back to its tube", () => {
  const name = fc.integer({ min: 0, max: 7 }).map(String);
  fc.assert(fc.property(fc.dictionary(name, name), (tubes) => {
    const comesBack = Object.keys(tubes).some((start) => {
      let at: string | undefined = tubes[start];
      for (let steps = 0; steps < 10 && at !== undefined; steps++) {
        if (at === start) return true;
        at = tubes[at];
      }
      return false;
    });
    assert.equal(loops(tubes).length > 0, comesBack);
  }));
});
