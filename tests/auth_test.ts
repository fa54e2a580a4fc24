import assert from "node:assert/strict";
import { FailureCounter, Guard } from "../lib/auth.ts";

Deno.test("Guard: accepts each of its tokens, as text and as bytes, and nothing else", () => {
  const guard = new Guard(["first-token", "other-token"], new FailureCounter(100, 1000));
  assert.equal(guard.check("first-token", "h"), "right");
  assert.equal(guard.check(new TextEncoder().encode("other-token"), "h"), "right");
  for (const wrong of ["", "first-toke", "first-tokenx", "FIRST-TOKEN"]) {
    assert.equal(guard.check(wrong, "h"), "wrong");
  }
});

Deno.test("Guard: too many failures block an address, not the others", () => {
  const failures = new FailureCounter(2, 60_000);
  const guard = new Guard(["right-token"], failures);
  const other = new Guard(["other-token"], failures);
  assert.equal(guard.check("x", "evil"), "wrong");
  assert.equal(other.check("x", "evil"), "wrong");
  assert.equal(guard.check("right-token", "evil"), "blocked");
  assert.equal(guard.check("right-token", "good"), "right");
});

Deno.test("FailureCounter: the window ends, and the number of addresses is bounded", () => {
  const failures = new FailureCounter(1, 1000);
  failures.add("a", 0);
  assert.ok(failures.isBlocked("a", 999));
  assert.ok(!failures.isBlocked("a", 1000));
  for (let i = 0; i < 20_000; i++) failures.add(`h${i}`, 5000);
  assert.ok(failures.isBlocked("h19999", 5000));
  assert.ok(!failures.isBlocked("h0", 5000), "the oldest is forgotten");
});

Deno.test("Guard: a proof shows a shared token, for one message", () => {
  const failures = new FailureCounter(2, 60_000);
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
  assert.equal(old.checkProof(both.prove("a"), "a", "h"), "right");
  assert.equal(old.checkProof(other.prove("a"), "a", "h"), "wrong");
  assert.equal(old.checkProof(other.prove("a"), "a", "h"), "wrong");
  assert.equal(old.checkProof(both.prove("a"), "a", "h"), "blocked");
});

Deno.test("Guard: checks no more than 16 proofs", () => {
  const guard = new Guard(["a-good-token"], new FailureCounter(10, 1000));
  const wrong = Array.from({ length: 16 }, () => "0".repeat(64));
  assert.ok(guard.isProof([...wrong.slice(1), ...guard.prove("a")], "a"));
  assert.ok(!guard.isProof([...wrong, ...guard.prove("a")], "a"));
});
