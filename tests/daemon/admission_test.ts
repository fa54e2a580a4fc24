import assert from "node:assert/strict";
import { FailureCounter, Guard, tokenDigest } from "../../lib/auth.ts";
import { admits, guarded, type GuardedService } from "../../lib/daemon/admission.ts";
import { kv } from "../../lib/kv/mod.ts";
import { mesh } from "../../lib/mesh/mod.ts";
import { parseAddress } from "../../lib/net/address.ts";
import { Login } from "../../lib/net/login.ts";
import type { Rights } from "../../lib/rights.ts";
import type { RunningService, Service } from "../../lib/service.ts";
import { task } from "../../lib/task/mod.ts";
import * as v from "valibot";
import { TestLog } from "../support/log.ts";

function guardOf(...tokens: string[]): Guard {
  return new Guard(tokens, new FailureCounter(3, 60_000));
}

/** A service that listens on some addresses. */
function service(listen: string, options: Partial<GuardedService> = {}): GuardedService {
  const addresses = listen.split(" ").map(parseAddress);
  const hears = () => false;
  return { guard: undefined, addresses, needsCertificate: false, hears, ...options };
}

/** The login of a client that has shown a token to a guard. */
async function loginWith(token: string, guard: Guard): Promise<Login> {
  const peer = { id: 1, remote: "192.0.2.1:999", host: "192.0.2.1", close: () => {} };
  const login = new Login(peer, guard, new TestLog().log);
  await login.showInTurn(token);
  return login;
}

Deno.test("admits: without a token, a service admits those who can reach one of its addresses", () => {
  const cases: [host: string, listen: string, admitted: boolean][] = [
    ["127.0.0.1", "127.0.0.1:8081", true],
    ["127.8.9.10", "localhost:8081", true],
    ["[::1]", "127.0.0.1:8081", true],
    ["[::ffff:127.0.0.1]", "127.0.0.1:8081", true],
    ["192.0.2.7", "127.0.0.1:8081", false],
    ["[2001:db8::7]", "[::1]:8081", false],
    ["192.0.2.7", "0.0.0.0:8081", true],
    ["192.0.2.7", "[::]:8081", true],
    // Only one interface: a client from elsewhere may have come through another one.
    ["192.0.2.7", "198.51.100.1:8081", false],
    ["127.0.0.1", "198.51.100.1:8081", true],
    ["127.0.0.1", "unix:/run/kv.sock", false],
    ["unix", "unix:/run/kv.sock", false],
    ["unix", "127.0.0.1:8081", false],
    ["192.0.2.7", "127.0.0.1:8081 0.0.0.0:8082", true],
    ["console", "127.0.0.1:8081", true],
    ["console.example", "127.0.0.1:8081", false],
  ];
  for (const [host, listen, admitted] of cases) {
    assert.equal(
      admits(service(listen), { host, login: undefined }),
      admitted,
      `${host} ${listen}`,
    );
  }
});

Deno.test("admits: with tokens, a service admits only a login with one of them, from anywhere", async () => {
  const echo = guardOf("token-of-echo", "token-of-both");
  const kv = service("127.0.0.1:8081", { guard: guardOf("token-of-both", "token-of-kv") });
  using both = await loginWith("token-of-both", echo);
  using other = await loginWith("token-of-echo", echo);
  assert.equal(admits(kv, { host: "192.0.2.1", login: both }), true);
  assert.equal(admits(kv, { host: "127.0.0.1", login: other }), false);
  assert.equal(admits(kv, { host: "127.0.0.1", login: undefined }), false);
  assert.equal(admits(kv, { host: "console", login: undefined }), false);
});

Deno.test("admits: a token counts only once its own service has accepted it", async () => {
  const echo = guardOf("token-of-echo");
  const kv = service("127.0.0.1:8081", { guard: guardOf("token-of-kv") });
  using wrong = await loginWith("token-of-kv", echo);
  assert.equal(admits(kv, { host: "127.0.0.1", login: wrong }), false);
  using login = await loginWith("token-of-echo", echo);
  const same = service("127.0.0.1:8081", { guard: guardOf("token-of-echo") });
  assert.equal(admits(same, { host: "127.0.0.1", login }), true);
  login.begin();
  assert.equal(admits(same, { host: "127.0.0.1", login }), false, "logged out");
});

Deno.test("admits: asking never counts as a failed login", async () => {
  const target = guardOf("token-of-kv");
  const kv = service("127.0.0.1:8081", { guard: target });
  using login = await loginWith("token-of-echo", guardOf("token-of-echo"));
  for (let times = 0; times < 10; times++) admits(kv, { host: "192.0.2.1", login });
  assert.equal(await target.checkInTurn("token-of-kv", "192.0.2.1"), "right");
});

Deno.test("admits: a browser and a client without a certificate need a token", async () => {
  const guard = guardOf("token-of-kv");
  using login = await loginWith("token-of-kv", guard);
  const host = "127.0.0.1";
  assert.equal(admits(service("127.0.0.1:1"), { host, login: undefined, web: true }), false);
  assert.equal(admits(service("127.0.0.1:1", { guard }), { host, login, web: true }), true);
  const certified = service("0.0.0.0:1", { needsCertificate: true });
  assert.equal(admits(certified, { host, login: undefined }), false);
  const both = service("0.0.0.0:1", { needsCertificate: true, guard });
  assert.equal(admits(both, { host, login }), true);
});

Deno.test("admits: a token with limited rights hears only what they are enough for", async () => {
  const digest = tokenDigest("token-of-both");
  const limited = (rights: Rights) =>
    new Guard([{ name: "app", digest, rights }], new FailureCounter(3, 60_000));
  using login = await loginWith("token-of-both", guardOf("token-of-both"));
  const cases: [service: Service, rights: unknown, subject: string, admitted: boolean][] = [
    [kv, { read: ["app:*"] }, "__keyspace@0__:app:1", true],
    [kv, { read: ["app:*"] }, "__keyspace@0__:secret", false],
    [kv, { read: ["app:*"] }, "__keyevent@0__:set", false],
    [kv, { read: ["*"] }, "__keyevent@0__:set", true],
    [kv, { write: ["*"] }, "__keyspace@0__:app:1", false],
    [task, { put: ["a.b"] }, "task.a%2Eb.done", true],
    [task, { work: ["mail"] }, "task.mail.done", true],
    [task, { work: ["mail"], put: ["mail"] }, "task.other.done", false],
    [mesh, ["status"], "any", false],
  ];
  for (const [target, table, subject, admitted] of cases) {
    const guard = limited(v.parse(target.rights, table));
    const running = { addresses: [] } as unknown as RunningService;
    const section = { enabled: true, insecure: false };
    const place = guarded(target, { section, running, guard, subject });
    assert.equal(
      admits(place, { host: "127.0.0.1", login }),
      admitted,
      `${target.name} ${subject}`,
    );
  }
});
