import assert from "node:assert/strict";
import fc from "fast-check";
import { longestCommonSubsequence } from "../../../lib/kv/commands/lcs.ts";

Deno.test("longestCommonSubsequence returns what the Redis manual shows", () => {
  assert.deepEqual(longestCommonSubsequence("ohmytext", "mynewtext"), {
    text: "mytext",
    matches: [
      { a: [4, 7], b: [5, 8], length: 4 },
      { a: [2, 3], b: [0, 1], length: 2 },
    ],
  });
});

Deno.test("longestCommonSubsequence: matches are common runs, and make up the text", () => {
  const word = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 12 }).map((w) => w.join(""));
  fc.assert(fc.property(word, word, (a, b) => {
    const { text, matches } = longestCommonSubsequence(a, b);
    assert.equal(text.length, naiveLength(a, b));
    const runs = matches.toReversed().map((match) => {
      const run = a.slice(match.a[0], match.a[1] + 1);
      assert.equal(run, b.slice(match.b[0], match.b[1] + 1));
      assert.equal(run.length, match.length);
      return run;
    });
    assert.equal(runs.join(""), text);
  }));
});

function naiveLength(a: string, b: string): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const x of a) {
    const next = [0];
    for (let j = 1; j <= b.length; j++) {
      next.push(x === b[j - 1] ? row[j - 1]! + 1 : Math.max(row[j]!, next[j - 1]!));
    }
    row = next;
  }
  return row.at(-1)!;
}
