import assert from "node:assert/strict";
import fc from "fast-check";
import { Interests } from "../../lib/bus/interests.ts";
import type { Interest } from "../../lib/bus/subscription.ts";
import { assertQuick } from "../support/within.ts";

/** Matches token by token, as the protocol describes it. */
function matches(pattern: string, subject: string): boolean {
  const wanted = pattern.split(".");
  const tokens = subject.split(".");
  for (const [i, token] of wanted.entries()) {
    if (token === ">") return tokens.length > i;
    if (tokens[i] === undefined || (token !== "*" && token !== tokens[i])) return false;
  }
  return wanted.length === tokens.length;
}

const token = fc.constantFrom("a", "b", "c");
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join("."));
const pattern = fc.tuple(
  fc.array(fc.oneof(token, fc.constant("*")), { minLength: 0, maxLength: 4 }),
  fc.boolean(),
).map(([tokens, rest]) => (rest || tokens.length === 0 ? [...tokens, ">"] : tokens).join("."));
const interest = fc.record({
  pattern,
  group: fc.option(fc.constantFrom("g", "h"), { nil: undefined }),
});

Deno.test("Interests: after any additions and removals a subject finds what a naive search finds", () => {
  const step = fc.oneof(
    fc.record({ open: interest }),
    fc.record({ close: fc.nat() }),
    fc.record({ find: subject }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const interests = new Interests();
      const open = new Set<Interest>();
      for (const step of steps) {
        if ("open" in step) {
          const { pattern, group } = step.open;
          const before = [...open].find((one) => one.pattern === pattern && one.group === group);
          const found = interests.open(pattern, { group });
          if (before !== undefined) assert.equal(found, before);
          open.add(found);
        } else if ("close" in step) {
          const one = [...open][step.close % Math.max(1, open.size)];
          if (one === undefined) continue;
          open.delete(one);
          interests.close(one);
        } else {
          const found = interests.matching(step.find);
          assert.equal(new Set(found).size, found.length);
          const naive = [...open].filter(({ pattern }) => matches(pattern, step.find));
          assert.deepEqual(new Set(found), new Set(naive));
        }
        assert.equal(interests.size, open.size);
      }
      assert.deepEqual(new Set(interests), open);
      for (const one of open) interests.close(one);
      assert.equal(interests.objects, 0);
    }),
    { numRuns: 300 },
  );
});

Deno.test("Interests: a selection matches by its function, and is shared by name", () => {
  const interests = new Interests();
  const selects = (subject: string) => subject.startsWith("news");
  const globs = interests.open("news*", { selects });
  assert.equal(interests.open("news*", { selects }), globs);
  const literal = interests.open("news*");
  assert.notEqual(literal, globs);
  assert.deepEqual(interests.matching("news.a"), [globs]);
  assert.deepEqual(new Set(interests.matching("news*")), new Set([globs, literal]));
  interests.close(globs);
  assert.deepEqual(interests.matching("news.a"), []);
  interests.close(literal);
  assert.equal(interests.objects, 0);
});

Deno.test("Interests: a look-up does not depend on the number of other patterns", async () => {
  const interests = new Interests();
  const wanted = interests.open("wanted.*");
  for (let i = 0; i < 30_000; i++) interests.open(i % 2 === 0 ? `other.${i}` : `other.${i}.*`);
  // Looking at each of the other patterns would take a thousand times as long.
  await assertQuick(1000, () => {
    for (let i = 0; i < 1000; i++) assert.deepEqual(interests.matching("wanted.a"), [wanted]);
  });
});

Deno.test("Interests: inboxes that are used once leave nothing behind", () => {
  const interests = new Interests();
  let most = 0;
  for (let i = 0; i < 200_000; i++) {
    const inbox = interests.open(i % 2 === 0 ? `_INBOX.client.${i}` : `_INBOX.${i}.*`);
    if (i % 20_001 === 0) most = Math.max(most, interests.objects);
    interests.close(inbox);
  }
  assert.ok(most <= 4, `${most} objects`);
  assert.equal(interests.objects, 0);
});
