import assert from "node:assert/strict";
import { delay } from "@std/async/delay";
import { formatAddress } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";
import { runHere } from "../support/command_line.ts";
import { freePort } from "../support/ports.ts";
import { openIn, rejectedIn } from "../support/rejected.ts";
import { makeCertificates } from "../support/certificates.ts";
import { runQuartet } from "../support/quartet.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { until, within } from "../support/within.ts";
import { FakeDaemon, startAdmin } from "./support.ts";

async function get(url: string): Promise<{ status: number; type: string | null; text: string }> {
  const response = await within(60_000, url, fetch(url));
  const { status, headers } = response;
  return { status, type: headers.get("content-type"), text: await response.text() };
}

Deno.test("/healthz answers while the daemon starts and drains", async () => {
  const daemon = new FakeDaemon();
  await using server = await startAdmin(daemon);
  for (const state of ["starting", "ready", "draining"] as const) {
    daemon.state = state;
    const { status, text } = await get(`${server.origin}/healthz`);
    assert.deepEqual([status, text], [200, "ok\n"]);
  }
});

Deno.test("/readyz returns 503 with the reasons while draining or while a service has a problem", async () => {
  const daemon = new FakeDaemon();
  let problems: string[] = [];
  daemon.add("kv", { problems: () => problems });
  await using server = await startAdmin(daemon);
  const readyz = async () => {
    const { status, text } = await get(`${server.origin}/readyz`);
    return [status, JSON.parse(text)];
  };
  assert.deepEqual(await readyz(), [200, { ready: true, state: "ready", reasons: [] }]);
  problems = ["the disk is full"];
  const full = { ready: false, state: "ready", reasons: ["kv: the disk is full"] };
  assert.deepEqual(await readyz(), [503, full]);
  problems = [];
  daemon.state = "draining";
  const draining = { ready: false, state: "draining", reasons: ["the daemon is draining"] };
  assert.deepEqual(await readyz(), [503, draining]);
});

Deno.test("admin refuses unknown paths and methods", async () => {
  await using server = await startAdmin(new FakeDaemon());
  assert.equal((await get(`${server.origin}/none`)).status, 404);
  const response = await fetch(`${server.origin}/healthz`, { method: "POST", body: "{}" });
  assert.equal(response.status, 405);
  assert.equal(response.headers.get("allow"), "GET");
  await response.body?.cancel();
});

Deno.test("admin blames the client for a malformed request target", async () => {
  await using server = await startAdmin(new FakeDaemon());
  for (
    const [target, status] of [
      ["http://[", 400],
      ["http://localhost/healthz", 200],
      ["//healthz", 404],
      ["//:", 404],
    ] as const
  ) {
    using client = await TestClient.connect(server.address);
    await client.send(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    assert.match(await client.rest(), new RegExp(`^HTTP/1.1 ${status} `), target);
  }
  assert.deepEqual(server.log.matching("Request failed"), []);
});

Deno.test("admin refuses requests for another host, against DNS rebinding", async () => {
  await using server = await startAdmin(new FakeDaemon());
  for (const [host, status] of [["evil.example", 421], ["localhost:1", 200], ["[::1]", 200]]) {
    using client = await TestClient.connect(server.address);
    await client.send(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    assert.ok((await client.line()).startsWith(`HTTP/1.1 ${status} `));
  }
});

Deno.test("admin cuts off a request whose headers or body do not arrive in time", async () => {
  await using server = await startAdmin(new FakeDaemon(), { request_timeout: "200ms" });
  for (
    const start of [
      "",
      "GET / HT",
      "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1",
    ]
  ) {
    using client = await TestClient.connect(server.address);
    await client.send(start);
    assert.match(await client.rest(), start === "" ? /^$/ : /^HTTP\/1\.1 408 /);
  }
});

Deno.test("admin refuses headers and bodies that are too long", async () => {
  await using server = await startAdmin(new FakeDaemon(), { max_body: "1KiB" });
  using client = await TestClient.connect(server.address);
  await client.send(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(20_000)}`);
  assert.match(await client.rest(), /^HTTP\/1\.1 431 /);
  const body = "x".repeat(1025);
  const response = await fetch(`${server.origin}/healthz`, { method: "POST", body });
  assert.equal(response.status, 413);
  assert.equal(await response.text(), "The body is longer than 1024 bytes.\n");
});

Deno.test("admin closes connections beyond the limit, and accepts new ones once others end", async () => {
  await using server = await startAdmin(new FakeDaemon(), { max_clients: 2 });
  const first = await TestClient.connect(server.address);
  using second = await TestClient.connect(server.address);
  using third = await TestClient.connect(server.address);
  assert.equal(await third.rest(), "");
  const gone = first.rest();
  await first.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  assert.match(await gone, /^HTTP\/1\.1 200 /);
  first.close();
  await until("the place is free", () => openIn(server.running.metrics()) === 1);
  using fourth = await TestClient.connect(server.address);
  for (const client of [second, fourth]) {
    await client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert.match(await client.line(), /^HTTP\/1\.1 200 /);
  }
  const rejected = rejectedIn(server.running.metrics());
  assert.deepEqual(rejected, { server_full: 1, address_full: 0, proxy_header: 0 });
});

Deno.test("admin drains while connections are open and idle", async () => {
  const server = await startAdmin(new FakeDaemon());
  using client = await TestClient.connect(server.address);
  await client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await client.line();
  using _silent = await TestClient.connect(server.address);
  await within(60_000, "the drain", server.running.drain(AbortSignal.timeout(100)));
  await assert.rejects(TestClient.connect(server.address), Deno.errors.ConnectionRefused);
});

Deno.test("admin answers one request after another on a connection, with TLS and without", async () => {
  await using files = await makeCertificates();
  for (const tls of [undefined, files.server]) {
    await using server = await startAdmin(new FakeDaemon(), { tls });
    const { port } = server.address as { port: number };
    using client = TestClient.of(
      tls
        ? await Deno.connectTls({ hostname: "localhost", port, caCerts: [files.ca] })
        : await Deno.connect({ hostname: "127.0.0.1", port }),
    );
    for (let request = 0; request < 3; request++) {
      await client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
      assert.match(await client.line(), / 200 /);
      while (await client.line() !== "\r\n");
      assert.equal(await client.line(), "ok\n");
    }
  }
});

Deno.test("admin answers a pending request during a drain, and then closes", async () => {
  const begun = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<string>();
  const daemon = new FakeDaemon();
  daemon.add("kv", {
    actions: {
      wait: () => {
        begun.resolve();
        return finish.promise;
      },
    },
  });
  const server = await startAdmin(daemon);
  using client = await TestClient.connect(server.address);
  const fields = "Host: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 2";
  await client.send(`POST /services/kv/actions/wait HTTP/1.1\r\n${fields}\r\n\r\n{}`);
  await within(60_000, "the action", begun.promise);
  const drained = server.running.drain(AbortSignal.timeout(20_000));
  await assert.rejects(TestClient.connect(server.address));
  // The drain ends the input after 50 ms without any, which nothing shows from outside.
  await delay(300);
  finish.resolve("Done at last.");
  assert.match(await client.rest(), /^HTTP\/1\.1 200 [^]*connection: close[^]*Done at last\./i);
  client.close();
  await within(60_000, "the drain", drained);
});

Deno.test("quartet health exits with 0 if the daemon is alive or ready, and 1 with a reason if not", async () => {
  const daemon = new FakeDaemon();
  daemon.add("kv", { problems: () => ["the disk is full"] });
  await using server = await startAdmin(daemon);
  const address = formatAddress(server.address);
  const alive = await runQuartet(["health", "--set", `admin.listen=${address}`]);
  assert.deepEqual(alive, { code: 0, stdout: "alive\n", stderr: "" });
  const ready = await runHere(["health", "--ready", "--address", address]);
  assert.deepEqual(ready, {
    code: 1,
    stdout: "",
    stderr: `${address}: not ready: kv: the disk is full\n`,
  });
});

Deno.test("quartet health says why it cannot ask", async () => {
  const address = `127.0.0.1:${freePort()}`;
  const cases: [string[], number, RegExp][] = [
    [["--address", address], 1, /^Cannot ask 127\.0\.0\.1:\d+: nothing listens there\n$/],
    [["--address", "nowhere"], 2, /Cannot read "nowhere" as an address/],
    [["--set", "admin.enabled=false"], 1, /admin is disabled in its configuration/],
    [["--set", "admin.listen=127.0.0.1:0"], 2, /name it with --address/],
  ];
  for (const [words, code, message] of cases) {
    const result = await runHere(["health", ...words]);
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, message);
  }
});

Deno.test("quartet health asks over TLS and over a Unix socket", async () => {
  await using files = await makeCertificates();
  const secure = await startAdmin(new FakeDaemon(), { tls: files.server });
  await using directory = await makeTempDirectory();
  const plain = await startAdmin(new FakeDaemon(), { listen: `unix:${directory.path}/admin` });
  try {
    for (
      const words of [
        ["--address", formatAddress(secure.address), "--ca", files.caFile],
        ["--address", formatAddress(secure.address), "--tls", "--insecure"],
        ["--address", formatAddress(plain.address)],
      ]
    ) {
      const alive = await runHere(["health", ...words]);
      assert.deepEqual(alive, { code: 0, stdout: "alive\n", stderr: "" });
    }
    const untrusted = await runHere([
      ...["health", "--address", formatAddress(secure.address), "--tls"],
    ]);
    assert.equal(untrusted.code, 1);
    assert.match(untrusted.stderr, /^Cannot ask 127[^\n]+certificate[^\n]+--ca[^\n]+\n$/);
  } finally {
    await secure[Symbol.asyncDispose]();
    await plain[Symbol.asyncDispose]();
  }
  await assert.rejects(Deno.stat(`${directory.path}/admin`), Deno.errors.NotFound);
});

Deno.test("admin replaces the socket of a dead process, and names an address that is taken", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/admin`;
  Deno.listen({ transport: "unix", path }).close();
  // A listener that closes removes its file. One that exits without closing leaves it behind.
  const dead = await new Deno.Command(Deno.execPath(), {
    args: ["eval", `Deno.listen({transport:"unix",path:${JSON.stringify(path)}}); Deno.exit(0)`],
  }).output();
  assert.ok(dead.success);
  assert.ok((await Deno.stat(path)).isSocket);
  await using _server = await startAdmin(new FakeDaemon(), { listen: `unix:${path}` });
  await assert.rejects(startAdmin(new FakeDaemon(), { listen: `unix:${path}` }), {
    message: `Cannot listen on unix:${path}: the address is taken by another program`,
  });
});
