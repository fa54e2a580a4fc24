import assert from "node:assert/strict";
import { FailureCounter, Guard, tokenDigest } from "../../lib/auth.ts";
import { Rights } from "../../lib/rights.ts";
import { loginByLine } from "../../lib/net/line_login.ts";
import { LineReader } from "../../lib/net/line_reader.ts";
import { beginLogin } from "../../lib/net/login.ts";
import { TestClient } from "../support/client.ts";
import { startListener } from "../support/listener.ts";
import { TestLog } from "../support/log.ts";

const TOKEN = "a-good-token";

/** A server that echoes lines after a login. */
async function listen({ maxFailures = 10, loginTimeoutMs = 20_000 } = {}) {
  const current = new Guard(
    [TOKEN],
    new FailureCounter(maxFailures, 60_000, 60_000),
    loginTimeoutMs,
  );
  const log = new TestLog();
  const server = await startListener({
    log,
    handle: async (connection) => {
      using login = beginLogin(connection, { guard: () => current, log: log.log });
      const reader = new LineReader(connection, { maxLineBytes: 2000 });
      if (!await loginByLine(connection, reader, login!)) return;
      for (let line; (line = await reader.readLine());) {
        await connection.write(new Uint8Array([...line, 10]));
      }
    },
  });
  return { ...server, connect: () => TestClient.connect(server.listener.address) };
}

Deno.test("Login: a client without a token in time is disconnected, one with it is not", async () => {
  await using server = await listen({ loginTimeoutMs: 1500 });
  using inside = await server.connect();
  await inside.send(`AUTH ${TOKEN}\n`);
  assert.equal(await inside.line(), "OK\n");
  using silent = await server.connect();
  using slow = await server.connect();
  await slow.send("AUTH a-good");
  assert.equal(await silent.rest(), "");
  assert.equal(await slow.rest(), "");
  await inside.send("still here\n");
  assert.equal(await inside.line(), "still here\n");
  assert.equal(server.log.matching("Client presented no token in time").length, 2);
});

Deno.test("Login: a wrong token is logged with the address and without the token", async () => {
  await using server = await listen({ maxFailures: 2 });
  for (const reply of ["wrong token", "wrong token", "too many failures, come back later"]) {
    using client = await server.connect();
    await client.send("AUTH my-secret\n");
    assert.equal(await client.rest(), `ERR ${reply}\n`);
  }
  const [line, ...more] = server.log.matching("Client presented a wrong token");
  assert.equal(more.length, 1, "a blocked client cannot fill the log");
  assert.match(line!, /level=warn.* address=127\.0\.0\.1:\d+/);
  assert.deepEqual(server.log.matching("my-secret"), []);
});

Deno.test("Login.revise(): a proof counts as long as one of its tokens is known", async () => {
  const guardOf = (...tokens: string[]) => new Guard(tokens, new FailureCounter(10, 60_000));
  const theirs = guardOf("the-first-token", "the-second-token");
  const before = guardOf("the-first-token");
  const { log } = new TestLog();
  let closed = 0;
  const peer = { id: 1, remote: "127.0.0.1:9", host: "127.0.0.1", close: () => void closed++ };
  using login = beginLogin(peer, { guard: () => before, log })!;
  assert.equal(await login.showProof(theirs.prove("hello"), "hello"), "right");
  const next = guardOf("the-second-token");
  assert.equal(before.logins.revise(next), 0);
  assert.equal(before.logins.revise(guardOf("the-third-token")), 0, "it is not here any more");
  assert.equal(next.logins.revise(guardOf("the-third-token")), 1);
  assert.equal(closed, 1);
});

Deno.test("Login.revise(): a client without a token yet must show one of the new guard", async () => {
  const guardOf = (token: string) => new Guard([token], new FailureCounter(10, 60_000));
  const { log } = new TestLog();
  const peer = { id: 1, remote: "127.0.0.1:9", host: "127.0.0.1", close: () => {} };
  const before = guardOf("the-old-token");
  const after = guardOf("the-new-token");
  const login = beginLogin(peer, { guard: () => before, log })!;
  assert.equal(before.logins.revise(after), 0);
  assert.equal(await login.showInTurn("the-old-token"), "wrong");
  assert.equal(await login.showInTurn("the-new-token"), "right");
  assert.equal(after.logins.revise(undefined), 1, "no token opens the service any more");
  login[Symbol.dispose]();
  assert.equal(after.logins.revise(before), 0, "the connection has ended");
});

Deno.test("Login: a token that a reload withdraws while it waits for its turn is wrong", async () => {
  const guardOf = (...tokens: ConstructorParameters<typeof Guard>[0]) =>
    new Guard(tokens, new FailureCounter(1, 60_000, 50));
  const { log } = new TestLog();
  const peer = { id: 1, remote: "127.0.0.1:9", host: "127.0.0.1", close: () => {} };
  const limited = { name: "app", digest: tokenDigest(TOKEN), rights: new Rights({}) };
  const before = guardOf(limited, "another-token");
  using first = beginLogin(peer, { guard: () => before, log })!;
  using second = beginLogin(peer, { guard: () => before, log })!;
  assert.equal(await first.showInTurn("a-wrong-token"), "wrong");
  const verdicts = [first.showInTurn(TOKEN), second.showProof(before.prove("hello"), "hello")];
  before.logins.revise(guardOf("a-new-token"));
  assert.deepEqual(await Promise.all(verdicts), ["wrong", "wrong"]);
  assert.ok(first.pending && second.pending);
});
