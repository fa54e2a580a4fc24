import assert from "node:assert/strict";
import {
  covers,
  hasWildcard,
  isPattern,
  isSubject,
  SUBJECT_MAX_LENGTH,
  SUBJECT_MAX_TOKENS,
} from "../../lib/bus/subject.ts";
import { reservedFor } from "../../lib/bus/reserved.ts";

const SUBJECTS = ["a", "a.b.c", "_INBOX.x.1", "a*", "*a.b", "a>.b", ">>", "größe.日本", "a/b:c"];
const WILDCARDS = ["*", ">", "a.*", "a.*.c", "a.>", "*.*.>"];
const INVALID = [
  "",
  ".",
  "a.",
  ".a",
  "a..b",
  "a b",
  "a\tb",
  "a\r\nb",
  "a\x00",
  "a\x7f",
  ">.a",
  "a.>.b",
];

Deno.test("isSubject() and isPattern() follow NATS: wildcards are whole tokens", () => {
  for (const text of SUBJECTS) {
    assert.deepEqual(
      [isSubject(text), isPattern(text), hasWildcard(text)],
      [true, true, false],
      text,
    );
  }
  for (const text of WILDCARDS) {
    assert.deepEqual(
      [isSubject(text), isPattern(text), hasWildcard(text)],
      [false, true, true],
      text,
    );
  }
  for (const text of INVALID) {
    const kinds = [isSubject(text), isPattern(text), hasWildcard(text)];
    assert.deepEqual(kinds, [false, false, false], JSON.stringify(text));
  }
});

Deno.test("isPattern() limits the length and the number of tokens", () => {
  assert.equal(isSubject("a".repeat(SUBJECT_MAX_LENGTH)), true);
  assert.equal(isSubject("a".repeat(SUBJECT_MAX_LENGTH + 1)), false);
  const tokens = (count: number) => Array(count).fill("a").join(".");
  assert.equal(isSubject(tokens(SUBJECT_MAX_TOKENS)), true);
  assert.equal(isSubject(tokens(SUBJECT_MAX_TOKENS + 1)), false);
  assert.equal(isPattern(`${tokens(SUBJECT_MAX_TOKENS)}.>`), false);
});

Deno.test("reservedFor() names the service whose events a subject carries", () => {
  assert.equal(reservedFor("__keyspace@0__:key"), "kv");
  assert.equal(reservedFor("__keyevent@0__:set"), "kv");
  assert.equal(reservedFor("task.default.done"), "task");
  for (const subject of ["tasks.a", "task", "__key", "echo", "_INBOX.a", "a.task.b"]) {
    assert.equal(reservedFor(subject), undefined, subject);
  }
});

Deno.test("covers(): a pattern covers another if it selects all that the other one does", () => {
  const covered = "a=a *=a *=* >=a >=> >=a.b.> >=*.> a.*=a.b a.*=a.* a.>=a.b.c a.>=a.* a.>=a.> " +
    "*.b.>=a.b.> *.*=a.b a*=a*";
  for (const pair of covered.split(" ")) {
    const [pattern, other] = pair.split("=");
    assert.ok(covers(pattern!, other!), pair);
  }
  const notCovered = "a=b a=a.b a.b=a a=* *=> *=a.b a.*=a a.*=a.b.c a.*=a.> a.>=a a.>=> a.>=*.b " +
    "*.*=a.> a.b=a.* a*=ab";
  for (const pair of notCovered.split(" ")) {
    const [pattern, other] = pair.split("=");
    assert.ok(!covers(pattern!, other!), pair);
  }
});
