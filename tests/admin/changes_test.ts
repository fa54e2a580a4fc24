import { Bus } from "../../lib/bus/bus.ts";
import assert from "node:assert/strict";
import { echo } from "../../lib/echo/mod.ts";
import { echoConfigSchema } from "../../lib/echo/config.ts";
import { Access } from "../../lib/admin/access.ts";
import { FailureCounter, Guard, tokenDigest } from "../../lib/auth.ts";
import type { Address } from "../../lib/net/address.ts";
import type { KnownToken } from "../../lib/net/login.ts";
import { ANY_NAME, Rights } from "../../lib/rights.ts";
import * as v from "valibot";
import { TestClient } from "../support/client.ts";
import { Refusals } from "../../lib/refusals.ts";
import { TestLog } from "../support/log.ts";
import { until, within } from "../support/within.ts";
import { FakeDaemon, startAdmin } from "./support.ts";

async function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(url, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { origin: new URL(url).origin, ...headers },
  });
  return { status: response.status, reply: await response.json() as Record<string, string> };
}

Deno.test("Access.refuseChange() accepts changes only from this server's own page or with a token", async () => {
  const local: Address = { transport: "tcp", hostname: "127.0.0.1", port: 8088 };
  const open: Address = { transport: "tcp", hostname: "0.0.0.0", port: 8088 };
  const guard = new Guard(["secret"], new FailureCounter(10, 1000));
  const host = "127.0.0.1:8088";
  const origin = `http://${host}`;
  const authorization = "Bearer secret";
  const cases: [Address, Record<string, string>, boolean, Guard?][] = [
    [local, { host, origin }, true],
    [local, { host, origin, "sec-fetch-site": "same-origin" }, true],
    [local, { host, "sec-fetch-site": "same-origin" }, true],
    [{ transport: "unix", path: "/x" }, { host, origin }, true],
    [local, { host }, false],
    [local, { host, origin: "null" }, false],
    [local, { host, origin: "https://evil.example" }, false],
    // A proxy that speaks TLS for this server.
    [local, { host, origin: `https://${host}` }, true],
    [local, { host, origin, "sec-fetch-site": "cross-site" }, false],
    [local, { host, "sec-fetch-site": "same-site" }, false],
    [local, { host, "sec-fetch-site": "none" }, false],
    [open, { host, origin }, false],
    [open, { host, authorization }, true, guard],
    [local, { host, authorization }, true, guard],
    [open, { host, origin: "https://evil.example" }, false, guard],
  ];
  for (const [address, headers, allowed, guard] of cases) {
    const access = new Access({
      address,
      secure: false,
      proxied: () => false,
      guard: () => guard,
      log: new TestLog().log,
      refusals: new Refusals(new TestLog().log),
    });
    const request = {
      method: "POST",
      path: "/",
      query: new URLSearchParams(),
      remote: "127.0.0.1",
      headers,
      body: "",
    };
    const visitor = await access.visitor(request);
    assert.ok(visitor !== "blocked");
    const refusal = access.refuseChange(request, visitor);
    assert.equal(refusal === undefined, allowed, JSON.stringify([address, headers]));
  }
});

Deno.test("admin switches services except itself, and reports errors", async () => {
  const daemon = new FakeDaemon();
  await using server = await startAdmin(daemon);
  const url = (name: string) => `${server.origin}/services/${name}`;
  const { status, reply } = await post(url("kv"), { enabled: false });
  assert.deepEqual([status, reply], [200, { message: "kv is off until the next reload." }]);
  assert.deepEqual(daemon.switched, [["kv", false]]);
  assert.deepEqual(await post(url("broken"), { enabled: true }), {
    status: 409,
    reply: { error: "Cannot start broken: it is" },
  });
  assert.equal((await post(url("admin"), { enabled: false })).status, 409);
  assert.equal((await post(url("kv"), {})).status, 400);
  assert.equal((await post(url("kv"), "no JSON")).status, 400);
  assert.equal((await post(url("%E0%A4%A"), { enabled: true })).status, 400);
  const foreign = { origin: "https://evil.example" };
  assert.equal((await post(url("kv"), { enabled: false }, foreign)).status, 403);
  assert.equal(daemon.switched.length, 1);
});

Deno.test("admin runs the actions that a service offers, and no others", async () => {
  const daemon = new FakeDaemon();
  daemon.add("task", {
    actions: {
      kick: ({ tube }) => Promise.resolve(`Kicked in ${tube}.`),
      bury: () => Promise.reject(new RangeError("No such tube.")),
    },
  });
  await using server = await startAdmin(daemon);
  const url = (action: string) => `${server.origin}/services/task/actions/${action}`;
  assert.deepEqual(await post(url("kick"), { tube: "mail" }), {
    status: 200,
    reply: { message: "Kicked in mail." },
  });
  assert.deepEqual(await post(url("bury"), {}), { status: 400, reply: { error: "No such tube." } });
  for (const action of ["drain", "toString", "__proto__"]) {
    assert.equal((await post(url(action), {})).status, 404);
  }
});

Deno.test("admin shows what a reload would do to those who may make changes", async () => {
  const daemon = new FakeDaemon();
  await using server = await startAdmin(daemon);
  const url = `${server.origin}/reload-preview`;
  const { status, reply } = await post(url, "");
  assert.deepEqual([status, reply], [200, { ...daemon.previewReload() }]);
  assert.equal((await post(url, "", { origin: "https://evil.example" })).status, 403);
  const got = await fetch(url);
  await got.body?.cancel();
  assert.equal(got.status, 405);
});

Deno.test("admin is read-only if other machines can reach it without a token", async () => {
  const daemon = new FakeDaemon();
  await using server = await startAdmin(daemon, { listen: "0.0.0.0:0" });
  const { port } = server.address as { port: number };
  const origin = `http://127.0.0.1:${port}`;
  assert.equal((await post(`${origin}/services/kv`, { enabled: false })).status, 403);
  const state = await (await fetch(`${origin}/state`)).json();
  assert.match(state.readOnly, /^Nothing can be changed/);
  assert.deepEqual(daemon.switched, []);
});

Deno.test("admin answers the queries of a service to those who may make changes", async () => {
  const daemon = new FakeDaemon();
  daemon.add("task", {
    queries: {
      echo: (fields) => Promise.resolve(fields),
      fail: () => Promise.reject(new RangeError("no such job")),
      broken: () => Promise.reject(new Error("the database is gone")),
    },
  });
  daemon.add("kv");
  const auth: { guard?: Guard } = {};
  await using server = await startAdmin(daemon, {}, () => auth.guard);
  const ask = (path: string, headers?: Record<string, string>) =>
    post(`${server.origin}/services/${path}`, { id: 7 }, headers);
  assert.deepEqual(await ask("task/queries/echo"), { status: 200, reply: { id: 7 } });
  assert.deepEqual(await ask("task/queries/fail"), {
    status: 400,
    reply: { error: "no such job" },
  });
  assert.deepEqual(await ask("task/queries/broken"), {
    status: 409,
    reply: { error: "the database is gone" },
  });
  for (const path of ["task/queries/toString", "kv/queries/echo", "none/queries/echo"]) {
    assert.equal((await ask(path)).status, 404, path);
  }
  assert.equal((await ask("task/queries/echo", { origin: "https://evil.example" })).status, 403);
  auth.guard = new Guard(["secret"], new FailureCounter(10, 1000));
  assert.equal((await ask("task/queries/echo")).status, 401);
  assert.equal((await ask("task/queries/echo", { authorization: "Bearer secret" })).status, 200);
});

Deno.test("admin hides the contents of services from other machines without a token", async () => {
  const daemon = new FakeDaemon();
  daemon.add("task", { queries: { jobs: () => Promise.resolve("secret") } });
  await using server = await startAdmin(daemon, { listen: "0.0.0.0:0" });
  const { port } = server.address as { port: number };
  const { status, reply } = await post(`http://127.0.0.1:${port}/services/task/queries/jobs`, {});
  assert.equal(status, 403);
  assert.match(reply["error"]!, /^Nothing can be changed/);
});

Deno.test("/state returns the log lines after a position", async () => {
  const daemon = new FakeDaemon();
  const add = (text: string) => daemon.log.add(new TextEncoder().encode(text));
  add("one\n");
  await using server = await startAdmin(daemon);
  const state = async (after: number) =>
    (await (await fetch(`${server.origin}/state?log=${after}`)).json()).log;
  const { lines, position } = await state(0);
  assert.deepEqual(lines, ["one"]);
  add("two\n");
  assert.deepEqual((await state(position)).lines, ["two"]);
});

Deno.test("admin sends security headers with every reply", async () => {
  await using server = await startAdmin(new FakeDaemon());
  for (const path of ["/", "/page.js", "/page.css", "/state", "/metrics", "/none"]) {
    const response = await fetch(server.origin + path);
    await response.text();
    const policy = response.headers.get("content-security-policy") ?? "";
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/, path);
    assert.doesNotMatch(policy, /unsafe|\*/);
    assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  }
});

/** Starts the echo service for consoles. */
async function startEcho(daemon: FakeDaemon) {
  const config = v.parse(echoConfigSchema, { listen: "127.0.0.1:0" });
  const running = await echo.start(config, {
    bus: new Bus(),
    admits: () => false,
    refusals: new Refusals(new TestLog().log),
    log: new TestLog().log,
    daemon,
    guard: () => undefined,
    dataDir: "/nonexistent",
    storage: () => Promise.reject(new Error("echo needs no storage")),
  });
  daemon.add("echo", running);
  return {
    address: running.addresses[0]!,
    stop: () => running.drain(AbortSignal.timeout(2000)),
    connections: () => {
      const metric = running.metrics().find(({ name }) => name === "connections");
      return metric?.type === "gauge" ? metric.samples[0]!.value : -1;
    },
  };
}

/** Opens a console as the page does: returns its id and a reader of its events. */
async function openConsole(origin: string, more: Record<string, string> = {}) {
  const gone = new AbortController();
  const headers = { "sec-fetch-site": "same-origin", ...more };
  const response = await fetch(`${origin}/consoles/echo`, { headers, signal: gone.signal });
  if (response.status !== 200) {
    await response.body?.cancel();
    return { status: response.status };
  }
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const event = async (): Promise<[string, Record<string, unknown>]> => {
    for (;;) {
      const match = /^event: (.*)\ndata: (.*)\n\n/.exec(text);
      if (match !== null) {
        text = text.slice(match[0].length);
        return [match[1]!, JSON.parse(match[2]!)];
      }
      const { value, done } = await reader.read();
      if (done) throw new Error("The stream ended");
      text += value;
    }
  };
  const [name, { id }] = await event();
  assert.equal(name, "joined");
  return {
    status: 200,
    id,
    event,
    close: async () => {
      await reader.cancel().catch(() => {});
      gone.abort();
    },
  };
}

Deno.test("a console joins the room as a client, sends, receives and leaves", async () => {
  const daemon = new FakeDaemon();
  const echoService = await startEcho(daemon);
  await using server = await startAdmin(daemon);
  const { id, event, close } = await openConsole(server.origin);
  using client = await TestClient.connect(echoService.address);
  await client.send("hello\r\n");
  assert.deepEqual(await event!(), ["lines", { lines: ["hello"], skipped: 0 }]);
  assert.equal(await client.line(), "hello\r\n");
  assert.equal((await post(`${server.origin}/consoles/${id}`, { line: "hi all" })).status, 200);
  assert.equal(await client.line(), "hi all\n");
  assert.deepEqual(await event!(), ["lines", { lines: ["hi all"], skipped: 0 }]);
  assert.equal((await post(`${server.origin}/consoles/${id}`, { line: "two\nlines" })).status, 400);
  await close!();
  await until("the console disconnects", () => echoService.connections() === 1);
  assert.equal((await post(`${server.origin}/consoles/${id}`, { line: "late" })).status, 410);
  client.close();
  await echoService.stop();
});

Deno.test("consoles are limited in number, and refused to foreign pages", async () => {
  const daemon = new FakeDaemon();
  const echoService = await startEcho(daemon);
  await using server = await startAdmin(daemon);
  const foreign = await fetch(`${server.origin}/consoles/echo`, {
    headers: { "sec-fetch-site": "cross-site" },
  });
  await foreign.body?.cancel();
  assert.equal(foreign.status, 403);
  const consoles = await Promise.all(
    Array.from({ length: 20 }, () => openConsole(server.origin)),
  );
  assert.equal(consoles.filter(({ status }) => status === 200).length, 16);
  assert.equal(consoles.filter(({ status }) => status === 503).length, 4);
  for (const { close } of consoles) await close?.();
  const tries: Awaited<ReturnType<typeof openConsole>>[] = [];
  await until("a console can be opened again", async () => {
    tries.push(await openConsole(server.origin));
    return tries.at(-1)!.status === 200;
  });
  const again = tries.at(-1)!;
  await echoService.stop();
  assert.equal((await again.event!())[0], "left");
  await again.close!();
  assert.equal((await openConsole(server.origin)).status, 502);
});

Deno.test("a reload ends the consoles of tokens that it removes and of sessions, unless it keeps them", async () => {
  const guardOf = (...tokens: (string | KnownToken)[]) =>
    new Guard(tokens, new FailureCounter(10, 60_000));
  const daemon = new FakeDaemon();
  const echoService = await startEcho(daemon);
  let guard = guardOf("the-first-token", "the-second-token");
  await using server = await startAdmin(daemon, {}, () => guard);
  const reload = (next: Guard, keep = false) => {
    const before = guard;
    guard = next;
    return before.logins.revise(next, keep);
  };
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const login = await fetch(`${server.origin}/login`, {
    method: "POST",
    redirect: "manual",
    headers: { "content-type": "application/x-www-form-urlencoded", origin: server.origin },
    body: "token=the-second-token",
  });
  await login.body?.cancel();
  const cookie = login.headers.get("set-cookie")!.split(";")[0]!;
  const removed = await openConsole(server.origin, bearer("the-first-token"));
  const session = await openConsole(server.origin, { cookie });
  const narrowed = await openConsole(server.origin, bearer("the-second-token"));
  const closed = await openConsole(server.origin, bearer("the-second-token"));
  await closed.close!();
  await until("one has left", () => echoService.connections() === 3);
  assert.equal(reload(guardOf("the-third-token"), true), 0);
  assert.equal(reload(guardOf("the-second-token")), 2);
  const rights = new Rights({ look: [ANY_NAME] }, "look");
  assert.equal(
    reload(guardOf({ name: "2", digest: tokenDigest("the-second-token"), rights })),
    1,
  );
  for (const { event, close } of [removed, session, narrowed]) {
    const [name] = await within(60_000, "the end of a console", event!());
    assert.equal(name, "left");
    await close!();
  }
  await echoService.stop();
});

Deno.test("an open console does not delay a drain", async () => {
  const daemon = new FakeDaemon();
  const echoService = await startEcho(daemon);
  const server = await startAdmin(daemon);
  const open = await openConsole(server.origin);
  await server.running.drain(AbortSignal.timeout(20_000));
  await open.close!();
  await until("the console disconnects", () => echoService.connections() === 0);
  await echoService.stop();
});
