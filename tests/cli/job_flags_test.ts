import assert from "node:assert/strict";
import { type CommandArguments, UsageError } from "../../lib/cli/command.ts";
import { JOB_FLAGS, jobFlags } from "../../lib/cli/job_flags.ts";

/** A command line with these options. */
function argumentsOf(values: Record<string, string>): CommandArguments {
  return {
    positionals: [],
    rest: [],
    flag: () => false,
    text: (name) => values[name],
    texts: () => [],
  };
}

Deno.test("jobFlags() makes words of put-job from all flags", () => {
  const { words, options } = jobFlags(argumentsOf({
    "attempts": "3",
    "backoff": "exponential:1s:1h",
    "unique": "k",
    "unique-for": "10m",
    "unique-while": "until",
    "expires": "90",
    "after": "1,2",
    "timeout": "500ms",
  }));
  assert.equal(words.split(" ").length - 1, JOB_FLAGS.length);
  assert.ok(words.startsWith(" attempts=3 backoff=exponential:1s:1h unique=k unique-for=10m "));
  assert.deepEqual(options, {
    attempts: 3,
    backoff: { firstMs: 1000, maxMs: 3_600_000 },
    unique: { key: "k", forMs: 600_000, while: "until" },
    expiresMs: 90_000,
    after: [1, 2],
    timeoutMs: 500,
  });
  assert.deepEqual(jobFlags(argumentsOf({})), { words: "", options: {} });
});

Deno.test("jobFlags() names the flag that is wrong, and what would be right", () => {
  const faults: [Record<string, string>, RegExp][] = [
    [{ attempts: "-1" }, /^--attempts must be a whole number/],
    [{ backoff: "1h:1s" }, /^--backoff must be "10s", or/],
    [{ unique: "a key" }, /^--unique must be 1 to 200 of/],
    [{ "unique-for": "1s" }, /^--unique-for must be .* needs --unique$/],
    [{ "unique-while": "done", "unique": "k" }, /^--unique-while must be queued, unfinished/],
    [{ expires: "soon" }, /^--expires must be a time/],
    [{ after: "1,x" }, /^--after must be 1 to 64 ids/],
    [{ timeout: "25d" }, /^--timeout must be a time such as "10s", up to 24 days/],
    // A space would begin another option.
    [{ unique: "k timeout=1s" }, /^--unique must be/],
  ];
  for (const [values, message] of faults) {
    assert.throws(() => jobFlags(argumentsOf(values)), (error) => {
      assert(error instanceof UsageError);
      assert.match(error.message, message);
      return true;
    });
  }
});
