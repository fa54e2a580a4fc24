import assert from "node:assert/strict";
import { createGuards } from "../../lib/config/auth.ts";

Deno.test("createGuards(): wrong tokens at one service do not affect another", async () => {
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
  assert.equal(await guards("kv")!.checkInTurn("wrong", "h"), "wrong");
  assert.equal(await guards("kv")!.checkInTurn("a-good-token", "h"), "blocked");
  assert.equal(await guards("admin")!.checkInTurn("a-good-token", "h"), "right");
});
