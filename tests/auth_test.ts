import assert from "node:assert/strict";
import { FailureCounter, Guard } from "../lib/auth.ts";

Deno.test("Guard: accepts each of its tokens, as text and as bytes, and nothing else", async () => {
  const guard = new Guard(["first-token", "other-token"], new FailureCounter(100, 1000));
  assert.equal(await guard.checkInTurn("first-token", "h"), "right");
  assert.equal(await guard.checkInTurn(new TextEncoder().encode("other-token"), "h"), "right");
  for (const wrong of ["", "first-toke", "first-tokenx", "FIRST-TOKEN"]) {
    assert.equal(await guard.checkInTurn(wrong, "h"), "wrong");
  }
});

Deno.test("Guard: too many failures slow down an address, not the others", async () => {
  const guard = new Guard(["right-token"], new FailureCounter(2, 60_000, 60_000));
  assert.equal(await guard.checkInTurn("x", "evil"), "wrong");
  assert.equal(await guard.checkInTurn("x", "evil"), "wrong");
  assert.equal(await guard.checkInTurn("right-token", "evil"), "blocked", "its turn is too late");
  assert.equal(await guard.checkInTurn("right-token", "good"), "right");
});

Deno.test("Guard: the right token gets in late", async () => {
  const guard = new Guard(["right-token"], new FailureCounter(1, 60_000, 300), 60_000);
  assert.equal(await guard.checkInTurn("x", "evil"), "wrong");
  const verdicts = await Promise.all([
    guard.checkInTurn("y", "evil"),
    guard.checkInTurn("right-token", "evil"),
  ]);
  assert.deepEqual(verdicts, ["wrong", "right"]);
});

Deno.test("FailureCounter: after too many failures, there is one turn per interval", () => {
  const failures = new FailureCounter(2, 60_000, 1000);
  const take = (nowMs: number, maxWaitMs = 0) => failures.take("a", maxWaitMs, nowMs);
  failures.add("a", 0);
  assert.deepEqual([take(0), take(0)], [0, 0]);
  failures.add("a", 10);
  assert.equal(take(10), undefined);
  assert.equal(take(1009), undefined);
  assert.equal(take(1010), 0);
  assert.equal(take(1010), undefined);
  assert.deepEqual([take(1100, 10_000), take(1100, 10_000)], [910, 1910]);
  // The turns within the longest wait are a bounded queue.
  const granted = Array.from({ length: 50 }, () => take(1100, 10_000)).filter((ms) =>
    ms !== undefined
  );
  assert.equal(granted.length, 8);
});

Deno.test("FailureCounter: the window ends, and lasts while failures go on", () => {
  const failures = new FailureCounter(1, 1000, 900);
  failures.add("a", 0);
  assert.equal(failures.take("a", 0, 899), undefined);
  assert.equal(failures.take("a", 0, 950), 0);
  failures.add("a", 950);
  assert.equal(failures.take("a", 0, 1800), undefined, "the window began anew");
  assert.equal(failures.take("a", 0, 1950), 0);
  assert.equal(failures.take("a", 0, 1950), 0, "the window is over");
});

Deno.test("FailureCounter: a /64 is one address, and the number of addresses is bounded", () => {
  const failures = new FailureCounter(1, 1000);
  failures.add("[2001:db8:0:1::1]", 0);
  assert.equal(failures.take("[2001:db8:0:1:ffff::2]", 0, 1), undefined);
  assert.equal(failures.take("[2001:db8:0:2::1]", 0, 1), 0);
  for (let i = 0; i < 20_000; i++) failures.add(`h${i}`, 5000);
  assert.equal(failures.take("h19999", 0, 5000), undefined);
  assert.equal(failures.take("h0", 0, 5000), 0, "the oldest is forgotten");
});

Deno.test("Guard: a proof shows a shared token, for one message", async () => {
  const failures = new FailureCounter(2, 60_000, 60_000);
  const old = new Guard(["the-old-token"], failures);
  const both = new Guard(["the-new-token", "the-old-token"], failures);
  const other = new Guard(["another-token"], failures);
  assert.ok(both.isProof(old.prove("a"), "a") && old.isProof(both.prove("a"), "a"));
  assert.ok(!both.isProof(old.prove("a"), "b"));
  assert.ok(!both.isProof(other.prove("a"), "a"));
  for (const proof of [[], [""], ["x".repeat(64)], [`${old.prove("a")[0]}0`], ["\u{1f600}"]]) {
    assert.ok(!both.isProof(proof, "a"));
  }
  assert.ok(!old.prove("a").join().includes("token"));
  assert.equal(await old.checkProof(both.prove("a"), "a", "h"), "right");
  assert.equal(await old.checkProof(other.prove("a"), "a", "h"), "wrong");
  assert.equal(await old.checkProof(other.prove("a"), "a", "h"), "wrong");
  assert.equal(await old.checkProof(both.prove("a"), "a", "h"), "blocked");
});

Deno.test("Guard: checks no more than 16 proofs", () => {
  const guard = new Guard(["a-good-token"], new FailureCounter(10, 1000));
  const wrong = Array.from({ length: 16 }, () => "0".repeat(64));
  assert.ok(guard.isProof([...wrong.slice(1), ...guard.prove("a")], "a"));
  assert.ok(!guard.isProof([...wrong, ...guard.prove("a")], "a"));
});
