import assert from "node:assert/strict";
import { FailureCounter, Guard } from "../lib/auth.ts";

Deno.test("Guard: any of its tokens is right, as text and as bytes, and nothing else", () => {
  const guard = new Guard(["first-token", "other-token"], new FailureCounter(100, 1000));
  assert.equal(guard.check("first-token", "h"), "right");
  assert.equal(guard.check(new TextEncoder().encode("other-token"), "h"), "right");
  for (const wrong of ["", "first-toke", "first-tokenx", "FIRST-TOKEN"]) {
    assert.equal(guard.check(wrong, "h"), "wrong");
  }
});

Deno.test("Guard: after too many failures an address is blocked, others are not", () => {
  const failures = new FailureCounter(2, 60_000);
  const guard = new Guard(["right-token"], failures);
  const other = new Guard(["other-token"], failures);
  assert.equal(guard.check("x", "evil"), "wrong");
  assert.equal(other.check("x", "evil"), "wrong");
  assert.equal(guard.check("right-token", "evil"), "blocked");
  assert.equal(guard.check("right-token", "good"), "right");
});

Deno.test("FailureCounter: the window passes, and what it remembers is bounded", () => {
  const failures = new FailureCounter(1, 1000);
  failures.add("a", 0);
  assert.ok(failures.isBlocked("a", 999));
  assert.ok(!failures.isBlocked("a", 1000));
  for (let i = 0; i < 20_000; i++) failures.add(`h${i}`, 5000);
  assert.ok(failures.isBlocked("h19999", 5000));
  assert.ok(!failures.isBlocked("h0", 5000), "the oldest is forgotten");
});
