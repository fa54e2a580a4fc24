import assert from "node:assert/strict";
import { GLOBS } from "../lib/config/rights.ts";
import { escapeGlob, Glob } from "../lib/glob.ts";
import { Refusals } from "../lib/refusals.ts";
import { ANY_NAME, Rights } from "../lib/rights.ts";
import { latin1From } from "../lib/storage/value.ts";
import { TestLog } from "./support/log.ts";
import { assertQuick } from "./support/within.ts";

Deno.test("Rights: what is not granted is refused", () => {
  const rights = new Rights({
    read: [GLOBS.parse("a:*"), GLOBS.parse("b")],
    none: [],
    submit: [ANY_NAME],
  });
  for (const name of ["a:", "a:x", "b"]) assert.ok(rights.allows("read", name), name);
  for (const name of ["", "a", "ba:", "bb"]) assert.ok(!rights.allows("read", name), name);
  for (const action of ["write", "none", "constructor", ""]) {
    assert.ok(!rights.allows(action, "b"));
    assert.ok(!rights.allowsAll(action, "b"));
  }
  assert.ok(rights.allows("submit"));
});

Deno.test("GLOBS: a pattern covers another only if it surely selects all that the other does", () => {
  const covered = [
    ["*", "*"],
    ["*", "a?[bc]\\*"],
    ["a:*", "a:*"],
    ["a:*", "a:b*"],
    ["a:*", "a:?"],
    ["a:*", "a:"],
    ["a:b", "a:b"],
    ["*.news", "*.news"],
    ["*.news", "x.news"],
    ["a\\*", "a\\*"],
    ["?x*", "ax*"],
    ["größe*", latin1From(new TextEncoder().encode("größe:*"))],
  ];
  const notCovered = [
    ["a:*", "*"],
    ["a:*", "a*"],
    ["a:*", ""],
    ["a:b", "a:*"],
    ["a:b", "a:?"],
    ["a:b", "a:b*"],
    ["a?", "ab*"],
    ["*.news", "*"],
    ["*.news", "x.*"],
    ["?", "*"],
    ["a\\*", "a*"],
    ["[ab]*", "*"],
  ];
  for (const [granted, other] of covered) {
    assert.ok(GLOBS.parse(granted!).covers(other!), `${granted} covers ${other}`);
  }
  for (const [granted, other] of notCovered) {
    assert.ok(!GLOBS.parse(granted!).covers(other!), `${granted} does not cover ${other}`);
  }
});

Deno.test("GLOBS: a name made to be slow is refused quickly", async () => {
  const pattern = GLOBS.parse(`${"*a".repeat(400)}b`);
  await assertQuick(50, () => assert.ok(!pattern.matches("a".repeat(1_000_000))));
});

Deno.test("escapeGlob(): matches the text and nothing else", () => {
  for (const text of ["", "plain", "a*b?[c]\\", "^-]"]) {
    const glob = new Glob(escapeGlob(text));
    assert.ok(glob.matches(text) && glob.literal, text);
    assert.equal(glob.prefix, text);
    assert.ok(!glob.matches(`${text}x`));
  }
});

Deno.test("Refusals: each is counted, and the first of each episode of a token is logged", () => {
  const log = new TestLog();
  const refusals = new Refusals(log.log);
  const add = (token: string, nowMs: number, name = "k") =>
    refusals.add({ token, action: "read", name, client: 1, address: "a" }, nowMs);
  const logged = () => log.matching("Token lacks the right").length;
  add("app", 0);
  add("app", 59_000);
  // The minute begins anew with each refusal.
  add("app", 118_000);
  assert.equal(logged(), 1);
  add("other", 118_000);
  assert.equal(logged(), 2);
  add("app", 178_000, "x".repeat(10_000));
  assert.equal(logged(), 3);
  assert.equal(log.matching("x".repeat(101)).length, 0);
  // A token that is forgotten begins an episode again.
  for (let i = 0; i < 1000; i++) add(`t${i}`, 178_000);
  add("app", 178_001);
  assert.equal(logged(), 1004);
  assert.equal(refusals.count, 1006);
  refusals.add({ token: "page", action: "act", name: "/backup", address: "b" });
  assert.deepEqual(log.matching("undefined"), [], "a request has no number");
});
