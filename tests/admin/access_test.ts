import assert from "node:assert/strict";
import { request as httpsRequest } from "node:https";
import * as v from "valibot";
import { adminConfigSchema } from "../../lib/admin/config.ts";
import { adminRights } from "../../lib/admin/rights.ts";
import { Sessions } from "../../lib/admin/sessions.ts";
import { FailureCounter, Guard } from "../../lib/auth.ts";
import type { Address } from "../../lib/net/address.ts";
import { makeCertificates } from "../support/certificates.ts";
import { TestClient } from "../support/client.ts";
import { v1 } from "../support/proxy_headers.ts";
import { FULL_TOKEN, guardWithRights, LIMITED_TOKEN } from "../support/rights.ts";
import { rejectedIn } from "../support/rejected.ts";
import { within } from "../support/within.ts";
import { FakeDaemon, startAdmin } from "./support.ts";

const TOKEN = "correct-horse-battery";

function newGuard(maxFailures = 10, checkIntervalMs = 60_000): Guard {
  return new Guard([TOKEN], new FailureCounter(maxFailures, 60_000, checkIntervalMs));
}

async function startGuarded(
  config: Record<string, unknown> = {},
  maxFailures?: number,
  checkIntervalMs?: number,
) {
  let guard = newGuard(maxFailures, checkIntervalMs);
  const daemon = new FakeDaemon();
  daemon.add("kv", { problems: () => ["the disk is full"] });
  const server = await startAdmin(daemon, config, () => guard);
  return { ...server, daemon, reload: () => guard = newGuard() };
}

/** Sends a request without following redirects, and reads the whole reply. */
async function send(url: string, init: RequestInit = {}) {
  const response = await fetch(url, { redirect: "manual", ...init });
  const { status, headers } = response;
  return { status, headers, text: await response.text() };
}

function bearer(token: string): RequestInit {
  return { headers: { authorization: `Bearer ${token}` } };
}

/** Logs in as a browser does; returns the cookie too. */
async function login(origin: string, token = TOKEN) {
  const body = new URLSearchParams({ token });
  const answer = await send(`${origin}/login`, { method: "POST", body, headers: { origin } });
  return { ...answer, cookie: answer.headers.get("set-cookie")?.split(";")[0] ?? "" };
}

Deno.test("admin with a token tells strangers only whether it is alive and ready", async () => {
  await using server = await startGuarded();
  const { origin } = server;
  assert.equal((await send(`${origin}/healthz`)).text, "ok\n");
  const ready = await send(`${origin}/readyz`);
  assert.deepEqual([ready.status, JSON.parse(ready.text)], [503, { ready: false, state: "ready" }]);
  for (const path of ["/metrics", "/state", "/consoles/echo"]) {
    const { status, headers } = await send(origin + path);
    assert.deepEqual([status, headers.get("www-authenticate")], [401, "Bearer"], path);
  }
  const page = await send(`${origin}/`);
  assert.deepEqual([page.status, page.headers.get("location")], [303, "/login"]);
  const change = { method: "POST", body: '{"enabled":false}', headers: { origin } };
  assert.equal((await send(`${origin}/services/kv`, change)).status, 401);
  assert.deepEqual(server.daemon.switched, []);
});

Deno.test("admin accepts the token in a header, from any machine", async () => {
  await using server = await startGuarded({ listen: "0.0.0.0:0" });
  const { port } = server.address as { port: number };
  const origin = `http://127.0.0.1:${port}`;
  assert.equal((await send(`${origin}/metrics`, bearer(TOKEN))).status, 200);
  assert.equal((await send(`${origin}/metrics`, bearer("wrong"))).status, 401);
  assert.equal(server.log.matching("Client presented a wrong token").length, 1);
  assert.equal(server.log.matching(TOKEN).length, 0);
  const change = { ...bearer(TOKEN), method: "POST", body: '{"enabled":false}' };
  assert.equal((await send(`${origin}/services/kv`, change)).status, 200);
  assert.deepEqual(server.daemon.switched, [["kv", false]]);
});

Deno.test("admin lets the right token in late after too many wrong ones", async () => {
  await using server = await startGuarded({}, 3, 300);
  for (let i = 0; i < 3; i++) await send(`${server.origin}/metrics`, bearer("wrong"));
  const replies = await Promise.all(
    Array.from({ length: 3 }, () => send(`${server.origin}/metrics`, bearer(TOKEN))),
  );
  assert.deepEqual(replies.map(({ status }) => status), [200, 200, 200]);
  assert.equal((await login(server.origin)).status, 303);
});

Deno.test("admin refuses even the right token if its turn is beyond the time limit", async () => {
  await using server = await startGuarded({}, 3);
  for (let i = 0; i < 3; i++) {
    assert.equal((await send(`${server.origin}/metrics`, bearer("wrong"))).status, 401);
  }
  assert.equal((await send(`${server.origin}/metrics`, bearer(TOKEN))).status, 429);
  assert.equal((await login(server.origin)).status, 429);
  // Liveness needs no token, so a blocked client still gets an answer.
  assert.equal((await send(`${server.origin}/healthz`, bearer(TOKEN))).status, 200);
});

Deno.test("admin keeps a browser logged in until it logs out", async () => {
  await using server = await startGuarded();
  const { origin } = server;
  const wrong = await login(origin, "wrong");
  assert.equal(wrong.status, 403);
  assert.match(wrong.text, /This token is not valid here\./);
  const { status, headers, cookie } = await login(origin);
  assert.deepEqual([status, headers.get("location")], [303, "/"]);
  assert.match(headers.get("set-cookie")!, /; Path=\/; HttpOnly; SameSite=Strict$/);
  assert.equal((await send(`${origin}/state`, { headers: { cookie } })).status, 200);

  const body = '{"enabled":false}';
  const post = (extra: Record<string, string>) =>
    send(`${origin}/services/kv`, { method: "POST", body, headers: { cookie, ...extra } });
  assert.equal((await post({})).status, 403, "a cookie alone is not enough for changes");
  assert.equal((await post({ origin: "https://evil.example" })).status, 403);
  assert.equal((await post({ origin })).status, 200);

  const out = await send(`${origin}/logout`, { method: "POST", headers: { cookie, origin } });
  assert.match(out.headers.get("set-cookie")!, /; Max-Age=0;/);
  assert.equal((await send(`${origin}/state`, { headers: { cookie } })).status, 401);
});

Deno.test("admin refuses a login from a foreign page", async () => {
  await using server = await startGuarded();
  const body = new URLSearchParams({ token: TOKEN });
  const headers = { origin: "https://evil.example" };
  const answer = await send(`${server.origin}/login`, { method: "POST", body, headers });
  assert.deepEqual([answer.status, answer.headers.get("set-cookie")], [403, null]);
});

Deno.test("admin ends sessions on a reload, as the token may have changed", async () => {
  await using server = await startGuarded();
  const { cookie } = await login(server.origin);
  server.reload();
  assert.equal((await send(`${server.origin}/state`, { headers: { cookie } })).status, 401);
});

Deno.test("Sessions are limited in number; a new one ends the oldest", () => {
  const address: Address = { transport: "tcp", hostname: "127.0.0.1", port: 8088 };
  const sessions = new Sessions({ address, secure: false });
  const guard = newGuard();
  const requests = Array.from({ length: 1001 }, () => {
    const cookie = sessions.start(guard, guard.find(TOKEN)!).split(";")[0]!;
    const query = new URLSearchParams();
    return { method: "GET", path: "/", query, remote: "127.0.0.1", headers: { cookie }, body: "" };
  });
  assert.deepEqual(requests.map((request) => sessions.token(request, guard) !== undefined), [
    false,
    ...Array(1000).fill(true),
  ]);
});

Deno.test("admin closes connections beyond the limit per address", async () => {
  await using server = await startAdmin(new FakeDaemon(), { max_clients_per_address: 1 });
  using first = await TestClient.connect(server.address);
  await first.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.match(await first.line(), / 200 /);
  using second = await TestClient.connect(server.address);
  assert.equal(await second.rest(), "");
  const rejected = rejectedIn(server.running.metrics());
  assert.deepEqual(rejected, { server_full: 0, address_full: 1, proxy_header: 0 });
});

Deno.test('admin behind a proxy judges "this machine" by the address in the PROXY header', async () => {
  await using server = await startAdmin(new FakeDaemon());
  server.running.adjust!(v.parse(adminConfigSchema, { proxy_protocol: ["127.0.0.0/8"] }));
  const ask = async (header: Uint8Array, request: string, fields: string) => {
    using client = await TestClient.connect(server.address);
    await client.send(header);
    await client.send(`${request} HTTP/1.1\r\n${fields}\r\nConnection: close\r\n\r\n`);
    const [head = "", body = ""] = (await client.rest()).split("\r\n\r\n");
    return { status: Number(head.split(" ")[1]), body };
  };
  const elsewhere = v1("PROXY TCP4 192.0.2.7 198.51.100.1 5 80");
  const here = v1("PROXY TCP4 127.0.0.1 127.0.0.1 5 80");
  const local = v1("PROXY UNKNOWN");
  const readOnly = async (header: Uint8Array, host: string) => {
    const { status, body } = await ask(header, "GET /state", `Host: ${host}`);
    return status === 200 ? /"readOnly":("?)/.exec(body)![1] !== "" : status;
  };
  assert.equal(await readOnly(elsewhere, "admin.example"), true);
  assert.equal(await readOnly(here, "localhost"), false);
  assert.equal(await readOnly(local, "localhost"), false);
  // DNS rebinding: a browser on this machine with a foreign name for it.
  assert.equal(await readOnly(here, "evil.example"), 421);
  const change = (header: Uint8Array) => {
    const fields = "Host: localhost\r\nOrigin: http://localhost\r\nContent-Length: 0";
    return ask(header, "POST /services/kv", fields);
  };
  assert.match((await change(elsewhere)).body, /other machines can reach this address/);
  assert.equal((await change(elsewhere)).status, 403);
  assert.notEqual((await change(here)).status, 403);
});

/** Sends a request over TLS; returns the reply and the serial number of the certificate. */
function ask(port: number, ca: string) {
  const { promise, resolve, reject } = Promise.withResolvers<[string, string]>();
  const options = { port, host: "127.0.0.1", servername: "localhost", path: "/healthz", ca };
  const request = httpsRequest({ ...options, agent: false }, (response) => {
    // deno-lint-ignore no-explicit-any -- a TLS socket, which the type does not say
    const serial = (response.socket as any).getPeerCertificate().serialNumber as string;
    let text = "";
    response.on("data", (chunk: Uint8Array) => text += new TextDecoder().decode(chunk));
    response.on("end", () => resolve([text, serial]));
  });
  request.on("error", reject);
  request.end();
  return within(60_000, "an answer over TLS", promise);
}

Deno.test("admin speaks TLS, and applies a new certificate without a restart", async () => {
  await using files = await makeCertificates();
  const config = { tls: files.server, request_timeout: "2s" };
  await using server = await startAdmin(new FakeDaemon(), config);
  const { port } = server.address as { port: number };
  const [text, serial] = await ask(port, files.ca);
  assert.equal(text, "ok\n");
  await files.renew();
  server.running.reread!();
  assert.notEqual((await ask(port, files.ca))[1], serial);
  using silent = await TestClient.connect(server.address);
  await silent.rest();
});

Deno.test("admin keeps its certificate if the new one cannot be used", async () => {
  await using files = await makeCertificates();
  await using server = await startAdmin(new FakeDaemon(), { tls: files.server });
  await Deno.writeTextFile(files.server.cert, "none");
  assert.throws(() => server.running.reread!(), /not in PEM form/);
  const { port } = server.address as { port: number };
  assert.equal((await ask(port, files.ca))[0], "ok\n");
});

Deno.test("admin cuts a client that sends requests and reads no replies, with TLS and without", async () => {
  await using certificates = await makeCertificates();
  for (const tls of [undefined, certificates.server]) {
    await using server = await startGuarded(tls ? { tls } : {});
    const { hostname, port } = server.address as { hostname: string; port: number };
    const caCerts = [certificates.ca];
    using conn = tls
      ? await Deno.connectTls({ hostname: "localhost", port, caCerts })
      : await Deno.connect({ hostname, port });
    const requests = new TextEncoder().encode(
      "GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(200),
    );
    const flood = async () => {
      for (let sent = 0; sent < 32 * 1024 * 1024;) sent += await conn.write(requests);
    };
    const ends = ["ConnectionReset", "BrokenPipe", "UnexpectedEof", "ConnectionAborted"];
    await assert.rejects(within(60_000, "the end of the connection", flood()), (error: Error) => {
      return ends.includes(error.name);
    });
  }
});

Deno.test("admin refuses every change to a token that may only look, however it is shown", async () => {
  const daemon = new FakeDaemon();
  let acted = 0;
  const act = () => {
    acted++;
    return Promise.resolve("done");
  };
  daemon.add("task", { actions: { kick: act }, queries: { jobs: act } });
  daemon.views[0] = { ...daemon.views[0]!, refusals: 7 };
  const guards = {
    look: guardWithRights(adminRights, "look"),
    act: guardWithRights(adminRights, "act"),
  };
  let guard = guards.look;
  await using server = await startAdmin(daemon, {}, () => guard);
  const { origin } = server;
  const changes: [method: string, path: string][] = [
    ["POST", "/services/task"],
    ["POST", "/services/task/actions/kick"],
    ["POST", "/services/task/queries/jobs"],
    ["GET", "/consoles/echo"],
    ["POST", "/consoles/x"],
  ];
  const shownBy = async (token: string) => [
    { authorization: `Bearer ${token}` },
    { cookie: (await login(origin, token)).cookie, origin },
  ];
  for (const headers of await shownBy(LIMITED_TOKEN)) {
    for (const [method, path] of changes) {
      const body = method === "POST" ? '{"enabled":false,"line":"x"}' : null;
      const { status, text } = await send(origin + path, { method, body, headers });
      assert.deepEqual(
        [status, JSON.parse(text).error],
        [403, "This token may look, but not change anything."],
        `${method} ${path}`,
      );
    }
    const metrics = (await send(`${origin}/metrics`, { headers })).text;
    assert.match(metrics, /^quartet_rights_refusals_total\{service="task"\} 7$/m);
    for (const path of ["/metrics", "/state", "/"]) {
      assert.equal((await send(origin + path, { headers })).status, 200, path);
    }
    const state = JSON.parse((await send(`${origin}/state`, { headers })).text);
    assert.equal(state.readOnly, "This token may look, but not change anything.");
  }
  assert.deepEqual([acted, daemon.switched], [0, []]);
  assert.equal(server.log.matching("Token lacks the right").length, 1);
  for (const headers of await shownBy(FULL_TOKEN)) {
    const kick = { method: "POST", body: "{}", headers };
    assert.equal((await send(`${origin}/services/task/actions/kick`, kick)).status, 200);
    assert.equal(JSON.parse((await send(`${origin}/state`, { headers })).text).readOnly, null);
  }
  guard = guards.act;
  for (const headers of await shownBy(LIMITED_TOKEN)) {
    const kick = { method: "POST", body: "{}", headers };
    assert.equal((await send(`${origin}/services/task/actions/kick`, kick)).status, 200);
  }
  assert.equal(acted, 4);
  const logout = { method: "POST", headers: (await shownBy(LIMITED_TOKEN))[1]! };
  assert.equal((await send(`${origin}/logout`, logout)).status, 303);
});
