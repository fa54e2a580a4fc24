import assert from "node:assert/strict";
import * as v from "valibot";
import { unlimitedAttempts } from "../../lib/task/advice.ts";
import { taskSchema } from "../../lib/task/config.ts";
import { tubeRules } from "../../lib/task/tube_rules.ts";

const LIMITED = v.parse(taskSchema, {
  max_attempts: 25,
  backoff: "1s",
  rate: "10/s",
  tubes: {
    mail: { max_attempts: 3, dead_letter: "dead", rate: "30/m", max_reserved: 2 },
    bulk: { burst: 50 },
    free: { rate: "off", max_attempts: 0 },
  },
});

Deno.test("tubeRules() takes a tube's own rules before the general ones", () => {
  const general = {
    maxAttempts: 25,
    backoffMs: 1000,
    maxBackoffMs: 600_000,
    maxReserved: 0,
    rate: { intervalMs: 100, burst: 10 },
    deadLetter: "",
  };
  assert.deepEqual(tubeRules(LIMITED, "any"), general);
  assert.deepEqual(tubeRules(LIMITED, "mail"), {
    ...general,
    maxAttempts: 3,
    maxReserved: 2,
    rate: { intervalMs: 2000, burst: 1 },
    deadLetter: "dead",
  });
  assert.deepEqual(tubeRules(LIMITED, "bulk").rate, { intervalMs: 100, burst: 50 });
  assert.deepEqual(tubeRules(LIMITED, "free"), { ...general, rate: null, maxAttempts: 0 });
});

Deno.test("unlimitedAttempts() points out where attempts are unlimited", () => {
  const paths = (section: Record<string, unknown>) =>
    unlimitedAttempts(v.parse(taskSchema, section)).map(({ path }) => path.join("."));
  assert.deepEqual(paths({}), ["max_attempts"]);
  assert.deepEqual(paths({ max_attempts: 25, tubes: { mail: { backoff: "1s" } } }), []);
  assert.deepEqual(paths({ tubes: { mail: { max_attempts: 0 }, web: { max_attempts: 9 } } }), [
    "max_attempts",
    "tubes.mail.max_attempts",
  ]);
  assert.deepEqual(unlimitedAttempts(LIMITED).map(({ path }) => path), [
    ["tubes", "free", "max_attempts"],
  ]);
});
