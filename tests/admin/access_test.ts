import assert from "node:assert/strict";
import { request as httpsRequest } from "node:https";
import { FailureCounter, Guard } from "../../lib/auth.ts";
import { makeCertificates } from "../support/certificates.ts";
import { TestClient } from "../support/client.ts";
import { rejectedIn } from "../support/rejected.ts";
import { within } from "../support/within.ts";
import { FakeDaemon, startAdmin } from "./support.ts";

const TOKEN = "correct-horse-battery";

function newGuard(maxFailures = 10): Guard {
  return new Guard([TOKEN], new FailureCounter(maxFailures, 60_000));
}

async function startGuarded(config: Record<string, unknown> = {}, maxFailures?: number) {
  let guard = newGuard(maxFailures);
  const daemon = new FakeDaemon();
  daemon.add("kv", { problems: () => ["the disk is full"] });
  const server = await startAdmin(daemon, config, () => guard);
  return { ...server, daemon, reload: () => guard = newGuard() };
}

/** A request that follows no redirect; its body is read. */
async function send(url: string, init: RequestInit = {}) {
  const response = await fetch(url, { redirect: "manual", ...init });
  const { status, headers } = response;
  return { status, headers, text: await response.text() };
}

function bearer(token: string): RequestInit {
  return { headers: { authorization: `Bearer ${token}` } };
}

/** Logs in as a browser does, and gives the cookie. */
async function login(origin: string, token = TOKEN) {
  const body = new URLSearchParams({ token });
  const answer = await send(`${origin}/login`, { method: "POST", body, headers: { origin } });
  return { ...answer, cookie: answer.headers.get("set-cookie")?.split(";")[0] ?? "" };
}

Deno.test("admin: with a token, strangers learn whether it is alive and ready, and no more", async () => {
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

Deno.test("admin: programs show the token in a header, from any machine", async () => {
  await using server = await startGuarded({ listen: "0.0.0.0:0" });
  const { port } = server.address as { port: number };
  const origin = `http://127.0.0.1:${port}`;
  assert.equal((await send(`${origin}/metrics`, bearer(TOKEN))).status, 200);
  assert.equal((await send(`${origin}/metrics`, bearer("wrong"))).status, 401);
  assert.equal(server.log.matching("Client showed a wrong token").length, 1);
  assert.equal(server.log.matching(TOKEN).length, 0);
  const change = { ...bearer(TOKEN), method: "POST", body: '{"enabled":false}' };
  assert.equal((await send(`${origin}/services/kv`, change)).status, 200);
  assert.deepEqual(server.daemon.switched, [["kv", false]]);
});

Deno.test("admin: after too many wrong tokens even the right one waits", async () => {
  await using server = await startGuarded({}, 3);
  for (let i = 0; i < 3; i++) {
    assert.equal((await send(`${server.origin}/metrics`, bearer("wrong"))).status, 401);
  }
  assert.equal((await send(`${server.origin}/metrics`, bearer(TOKEN))).status, 429);
  assert.equal((await login(server.origin)).status, 429);
  // Whether it is alive needs no token, so it does not matter that one is shown.
  assert.equal((await send(`${server.origin}/healthz`, bearer(TOKEN))).status, 200);
});

Deno.test("admin: a browser logs in once, and out", async () => {
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
  assert.equal((await post({})).status, 403, "a cookie alone changes nothing");
  assert.equal((await post({ origin: "https://evil.example" })).status, 403);
  assert.equal((await post({ origin })).status, 200);

  const out = await send(`${origin}/logout`, { method: "POST", headers: { cookie, origin } });
  assert.match(out.headers.get("set-cookie")!, /; Max-Age=0;/);
  assert.equal((await send(`${origin}/state`, { headers: { cookie } })).status, 401);
});

Deno.test("admin: a login from a page elsewhere is refused", async () => {
  await using server = await startGuarded();
  const body = new URLSearchParams({ token: TOKEN });
  const headers = { origin: "https://evil.example" };
  const answer = await send(`${server.origin}/login`, { method: "POST", body, headers });
  assert.deepEqual([answer.status, answer.headers.get("set-cookie")], [403, null]);
});

Deno.test("admin: a new configuration ends the sessions, for the token may be gone", async () => {
  await using server = await startGuarded();
  const { cookie } = await login(server.origin);
  server.reload();
  assert.equal((await send(`${server.origin}/state`, { headers: { cookie } })).status, 401);
});

Deno.test("admin: there is a limit to sessions; the oldest makes way", async () => {
  await using server = await startGuarded();
  const { cookie } = await login(server.origin);
  for (let i = 0; i < 1000; i++) await login(server.origin);
  assert.equal((await send(`${server.origin}/state`, { headers: { cookie } })).status, 401);
});

Deno.test("admin: connections beyond the limit of an address are closed", async () => {
  await using server = await startAdmin(new FakeDaemon(), { max_clients_per_address: 1 });
  using first = await TestClient.connect(server.address);
  await first.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.match(await first.line(), / 200 /);
  using second = await TestClient.connect(server.address);
  assert.equal(await second.rest(), "");
  const rejected = rejectedIn(server.running.metrics());
  assert.deepEqual(rejected, { server_full: 0, address_full: 1 });
});

/** Asks over TLS; gives the answer and the serial number of the certificate. */
function ask(port: number, ca: string) {
  const { promise, resolve, reject } = Promise.withResolvers<[string, string]>();
  const options = { port, host: "127.0.0.1", servername: "localhost", path: "/healthz", ca };
  const request = httpsRequest({ ...options, agent: false }, (response) => {
    // deno-lint-ignore no-explicit-any -- a TLS socket, whose type the request does not tell
    const serial = (response.socket as any).getPeerCertificate().serialNumber as string;
    let text = "";
    response.on("data", (chunk: Uint8Array) => text += new TextDecoder().decode(chunk));
    response.on("end", () => resolve([text, serial]));
  });
  request.on("error", reject);
  request.end();
  return within(10_000, "an answer over TLS", promise);
}

Deno.test("admin: speaks TLS, and takes a new certificate without a restart", async () => {
  await using files = await makeCertificates();
  const config = { tls: files.server, request_timeout: "300ms" };
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

Deno.test("admin: a certificate that cannot be used is named, and the one in force stays", async () => {
  await using files = await makeCertificates();
  await using server = await startAdmin(new FakeDaemon(), { tls: files.server });
  await Deno.writeTextFile(files.server.cert, "none");
  assert.throws(() => server.running.reread!(), /not in PEM form/);
  const { port } = server.address as { port: number };
  assert.equal((await ask(port, files.ca))[0], "ok\n");
});

Deno.test("admin: one who asks and asks and does not read is cut, with TLS and without", async () => {
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
    await assert.rejects(within(20_000, "the end of the connection", flood()), (error: Error) => {
      return ends.includes(error.name);
    });
  }
});
