import assert from "node:assert/strict";
import fc from "fast-check";
import { fullAfter, fullAtRate, nextTokenAt, type Rate, tokensIn } from "../lib/token_bucket.ts";

const START = 1_700_000_000_000;

Deno.test("a bucket starts full, empties, and gains a token every interval", () => {
  const rate: Rate = { intervalMs: 100, burst: 3 };
  assert.equal(tokensIn(0, START, rate), 3);
  const empty = fullAfter(0, START, { taken: 3, rate });
  assert.equal(tokensIn(empty, START, rate), 0);
  assert.equal(nextTokenAt(empty, rate), START + 100);
  assert.equal(tokensIn(empty, START + 99, rate), 0);
  assert.equal(tokensIn(empty, START + 100, rate), 1);
  assert.equal(tokensIn(empty, START + 250, rate), 2);
  assert.equal(tokensIn(empty, START + 10_000, rate), 3);
});

Deno.test("a bucket whose tokens are taken late still gives the whole rate", () => {
  const rate: Rate = { intervalMs: 1000 / 300, burst: 10 };
  let fullAt = fullAfter(0, START, { taken: 10, rate });
  let taken = 0;
  // Every look is some milliseconds late, by a different amount.
  for (let ms = 0; ms <= 10_000; ms += 5 + ms % 7) {
    const tokens = tokensIn(fullAt, START + ms, rate);
    fullAt = fullAfter(fullAt, START + ms, { taken: tokens, rate });
    taken += tokens;
  }
  assert.ok(taken >= 2990 && taken <= 3000, `${taken} in ten seconds at 300 a second`);
});

Deno.test("a bucket that owes tokens has none until they are paid", () => {
  const rate: Rate = { intervalMs: 10, burst: 2 };
  const fullAt = fullAfter(0, START, { taken: 5, rate });
  assert.equal(tokensIn(fullAt, START + 39, rate), 0);
  assert.equal(tokensIn(fullAt, START + 40, rate), 1);
});

Deno.test("however it is asked, a bucket never gives more than burst and rate allow", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 50 }),
    fc.double({ min: 0.1, max: 5000, noNaN: true }),
    fc.array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 1, max: 60 })), {
      minLength: 1,
      maxLength: 100,
    }),
    (burst, intervalMs, asks) => {
      const rate: Rate = { intervalMs, burst };
      let now = START, fullAt = 0, taken = 0;
      for (const [pauseMs, wanted] of asks) {
        now += pauseMs;
        const tokens = Math.min(wanted, tokensIn(fullAt, now, rate));
        fullAt = fullAfter(fullAt, now, { taken: tokens, rate });
        taken += tokens;
        assert.ok(taken <= burst + (now - START + 0.002) / intervalMs);
        if (tokens < wanted) {
          // The next token comes when it is said to come, and not before.
          const at = nextTokenAt(fullAt, rate);
          assert.ok(at > now);
          assert.equal(tokensIn(fullAt, at, rate), 1);
          assert.equal(tokensIn(fullAt, at - 0.1 * intervalMs, rate), 0);
        }
      }
    },
  ));
});

Deno.test("a bucket that was filled at another rate lacks no more than it can hold", () => {
  const daily: Rate = { intervalMs: 86_400_000, burst: 1 },
    fast: Rate = { intervalMs: 10, burst: 3 };
  const empty = fullAfter(0, START, { taken: 1, rate: daily });
  const fullAt = fullAtRate(empty, START, fast);
  assert.equal(tokensIn(fullAt, START, fast), 0);
  assert.equal(tokensIn(fullAt, START + 10, fast), 1);
  assert.equal(tokensIn(fullAt, START + 30, fast), 3);
  assert.equal(fullAtRate(START - 5, START, fast), START - 5, "a full one stays full");
});
