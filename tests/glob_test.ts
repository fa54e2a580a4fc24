import assert from "node:assert/strict";
import fc from "fast-check";
import { Glob } from "../lib/glob.ts";
import { assertQuick } from "./support/within.ts";

const CASES: [pattern: string, matches: string[], others: string[]][] = [
  ["", [""], ["a"]],
  ["*", ["", "a", "abc"], []],
  ["a*", ["a", "ab"], ["", "ba"]],
  ["*a", ["a", "ba", "aa"], ["ab"]],
  ["a*c", ["ac", "abc", "acc"], ["ab", "a"]],
  ["a**c", ["ac", "abc"], ["ab"]],
  ["?", ["a", "*"], ["", "ab"]],
  ["h[ae]llo", ["hello", "hallo"], ["hillo", "hllo"]],
  ["h[^e]llo", ["hallo"], ["hello"]],
  ["[a-c]", ["a", "b", "c"], ["d", "-"]],
  ["[c-a]", ["a", "b", "c"], ["d"]],
  // A closing bracket can end a range.
  ["[a-]", ["a", "^", "]"], ["b", "-"]],
  ["[\\]]", ["]"], ["\\"]],
  ["[]", [], ["", "]", "a"]],
  ["[abc", ["a", "b"], ["d"]],
  ["\\*", ["*"], ["a"]],
  ["a\\", ["a\\"], ["a"]],
  ["\xff?", ["\xff\x00"], ["\xff"]],
];

for (const [pattern, matches, others] of CASES) {
  Deno.test(`Glob: ${JSON.stringify(pattern)}`, () => {
    const glob = new Glob(pattern);
    for (const text of matches) assert.ok(glob.matches(text), text);
    for (const text of others) assert.ok(!glob.matches(text), text);
  });
}

Deno.test("Glob agrees with a regular expression", () => {
  const part = fc.constantFrom("a", "b", "*", "?", "[ab]", "[^a]");
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 8 }),
      fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 10 }).map((all) => all.join("")),
      (parts, text) => {
        const source = parts.map((p) => p === "*" ? ".*" : p === "?" ? "." : p).join("");
        const glob = new Glob(parts.join(""));
        assert.equal(glob.matches(text), new RegExp(`^${source}$`).test(text));
        if (glob.matches(text)) assert.ok(text.startsWith(glob.prefix));
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("Glob matches a pattern with many stars quickly", async () => {
  await assertQuick(1000, () => {
    assert.ok(!new Glob("a*".repeat(500) + "b").matches("a".repeat(10_000)));
  });
});

Deno.test("Glob: a pattern with too many stars matches nothing", () => {
  assert.ok(new Glob("*?".repeat(1000)).matches("a".repeat(1000)));
  assert.ok(!new Glob("*?".repeat(1001)).matches("a".repeat(1001)));
});
