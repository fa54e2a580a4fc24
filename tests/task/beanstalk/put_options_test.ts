import assert from "node:assert/strict";
import { parseOptions, parseTime } from "../../../lib/task/beanstalk/put_options.ts";

const LONGEST_KEY = "k".repeat(200);
const IDS_64 = Array.from({ length: 64 }, (_, index) => index + 1);

Deno.test("parseOptions() parses each option", () => {
  const good: [string, unknown][] = [
    ["", {}],
    ["  ", {}],
    [" attempts=0", { attempts: 0 }],
    [" attempts=1000000  timeout=24d", { attempts: 1_000_000, timeoutMs: 24 * 86_400_000 }],
    [" backoff=5s", { backoff: { firstMs: 5000, maxMs: 5000 } }],
    [" backoff=5", { backoff: { firstMs: 5000, maxMs: 5000 } }],
    [" backoff=exponential:1s:1h", { backoff: { firstMs: 1000, maxMs: 3_600_000 } }],
    [` unique=${LONGEST_KEY}`, { unique: { key: LONGEST_KEY } }],
    [" unique-for=1m unique=k", { unique: { key: "k", forMs: 60_000 } }],
    [" unique=k unique-while=queued", { unique: { key: "k", while: "queued" } }],
    [" unique=k unique-while=until unique-for=1s", {
      unique: { key: "k", while: "until", forMs: 1000 },
    }],
    [" expires=1h30m", { expiresMs: 5_400_000 }],
    [` after=${IDS_64}`, { after: IDS_64 }],
  ];
  for (const [text, options] of good) assert.deepEqual(parseOptions(text), options, text);
});

Deno.test("parseOptions() names the option that is unknown, repeated, malformed or alone", () => {
  const bad: [string, string][] = [
    ["colour=red", "colour"],
    ["attempts=1 attempts=1", "attempts"],
    ["timeout=1s colour=red", "colour"],
    ["toString=1", ""],
    ["constructor=1", "constructor"],
    ["attempts", ""],
    ["attempts=", ""],
    ["=1", ""],
    ["Attempts=1", ""],
    ["attempts=1000001", "attempts"],
    ["attempts=1e2", "attempts"],
    ["attempts=-1", "attempts"],
    ["backoff=0s", "backoff"],
    ["backoff=exponential:1s", "backoff"],
    ["backoff=exponential:1h:1s", "backoff"],
    ["backoff=exponential:1s:1h:2h", "backoff"],
    ["backoff=366d", "backoff"],
    [`unique=${LONGEST_KEY}k`, "unique"],
    ["unique=-k", "unique"],
    ["unique=k\xe9", "unique"],
    ["unique-for=1s", "unique-for"],
    ["unique-while=queued", "unique-while"],
    ["unique=k unique-while=until", "unique-while"],
    ["unique=k unique-while=done unique-for=1s", "unique-while"],
    ["expires=366d", "expires"],
    ["expires=0", "expires"],
    ["timeout=25d", "timeout"],
    ["after=", ""],
    ["after=0", "after"],
    ["after=1,,2", "after"],
    ["after=9007199254740992", "after"],
    [`after=${IDS_64},65`, "after"],
  ];
  for (const [text, name] of bad) assert.deepEqual(parseOptions(text), { bad: name }, text);
});

Deno.test("parseTime() takes seconds as other commands do, or units", () => {
  assert.deepEqual(["60", "500ms", "1h30m", "1.5s"].map((text) => parseTime(text)), [
    60_000,
    500,
    5_400_000,
    1500,
  ]);
  for (const text of ["", "s", "1x", "-1", "0", "0ms", "9999999999"]) {
    assert.equal(parseTime(text), undefined, text);
  }
});
