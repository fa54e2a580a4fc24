import assert from "node:assert/strict";
import { createGuards } from "../../lib/config/auth.ts";

Deno.test("createGuards(): wrong tokens at one service do not affect another", () => {
  const guards = createGuards(
    {
      max_failures: 1,
      failure_window: 60_000,
      login_timeout: 100,
      tokens: { all: { env: "TOKEN", services: new Map([["kv", null], ["admin", null]]) } },
    },
    { env: () => "a-good-token", readFile: () => "" },
    ({ message }) => assert.fail(message),
  );
  assert.equal(guards("kv")!.check("wrong", "h"), "wrong");
  assert.equal(guards("kv")!.check("a-good-token", "h"), "blocked");
  assert.equal(guards("admin")!.check("a-good-token", "h"), "right");
});
