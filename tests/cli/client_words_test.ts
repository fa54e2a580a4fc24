import assert from "node:assert/strict";
import { CLIENT_WORDS, completions, usualService } from "../../lib/cli/client_words.ts";
import { ALL_COMMANDS } from "../../lib/kv/commands/all.ts";
import { scriptCommands } from "../../lib/kv/script/commands.ts";
import { ScriptEngine } from "../../lib/kv/script/script_engine.ts";
import { FORMS } from "../../lib/kv/text/parser.ts";
import { HELP_LINES } from "../../lib/mesh/node/console.ts";
import { COMMAND_WORDS } from "../../lib/task/beanstalk/parser.ts";

Deno.test("CLIENT_WORDS: the commands of each service are those of its tables", () => {
  const engine = new ScriptEngine({
    limits: { timeoutMs: 1, memoryBytes: 1 },
    commands: () => null!,
  });
  const redis = [...ALL_COMMANDS, ...scriptCommands(engine)].map(({ name }) => name);
  const kv = new Set([...redis, ...Object.keys(FORMS)].map((name) => name.toUpperCase()));
  assert.deepEqual(CLIENT_WORDS.kv, [...kv].sort());
  assert.deepEqual(CLIENT_WORDS.task, [...COMMAND_WORDS].sort());
  const mesh = HELP_LINES.flatMap((line) => /^[A-Z]+/.exec(line) ?? []);
  // The help does not explain itself.
  assert.deepEqual(CLIENT_WORDS.mesh, [...mesh, "HELP"].sort());
});

Deno.test("completions: any case is found, and small letters stay small", () => {
  assert.deepEqual(completions("kv", "getd"), ["getdel"]);
  assert.deepEqual(completions("kv", "GETD"), ["GETDEL"]);
  assert.deepEqual(completions("task", "PUT-U"), ["put-unique"]);
  assert.deepEqual(completions("mesh", "S"), ["SORT", "STATUS"]);
  assert.deepEqual(completions("mesh", "sort i"), []);
});

Deno.test("usualService: knows the usual ports only", () => {
  assert.equal(usualService({ transport: "tcp", hostname: "db", port: 6379 }), "kv");
  assert.equal(usualService({ transport: "tcp", hostname: "127.0.0.1", port: 11300 }), "task");
  assert.equal(usualService({ transport: "tcp", hostname: "127.0.0.1", port: 8080 }), undefined);
  assert.equal(usualService({ transport: "unix", path: "/run/8081" }), undefined);
});
