import assert from "node:assert/strict";
import { FailureCounter, Guard } from "../../../lib/auth.ts";
import { type OriginOptions, refuseOrigin } from "../../../lib/echo/websocket/origin.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { TestClient } from "../../support/client.ts";
import { v1 } from "../../support/proxy_headers.ts";
import { ROOT } from "../../support/quartet.ts";
import { startEcho } from "../support.ts";
import { handshake, TestSocket, webSocketPort } from "./support.ts";

const WEBSOCKET = { websocket: "127.0.0.1:0" };
const TOKEN = "a-token-for-echo";

function withGuard(maxFailures = 10): { guard: () => Guard } {
  const guard = new Guard([TOKEN], new FailureCounter(maxFailures, 60_000));
  return { guard: () => guard };
}

Deno.test("refuseOrigin() lets in programs, pages of this server, and pages that are listed", () => {
  const plain = { origins: [], secure: false };
  const tls = { origins: [], secure: true };
  const listed = { origins: ["https://chat.example"], secure: false };
  const all = { origins: ["*"], secure: false };
  const cases: [string | undefined, string | undefined, OriginOptions, boolean][] = [
    [undefined, "host:8084", plain, true],
    ["http://host:8084", "host:8084", plain, true],
    ["http://HOST:8084", "Host:8084", plain, true],
    // A proxy in front of the server speaks TLS.
    ["https://host", "host", plain, true],
    ["http://host", "host:8084", plain, false],
    ["http://host:8085", "host:8084", plain, false],
    ["http://host.evil.example", "host", plain, false],
    ["http://evil.example", "host", plain, false],
    ["http://evil.example", undefined, plain, false],
    ["null", "host", plain, false],
    ["null", "null", plain, false],
    ["", "host", plain, false],
    ["file://host", "host", plain, false],
    ["chrome-extension://host", "host", plain, false],
    ["https://host:8084", "host:8084", tls, true],
    ["http://host:8084", "host:8084", tls, false],
    ["https://chat.example", "host", listed, true],
    ["http://chat.example", "host", listed, false],
    ["https://chat.example:444", "host", listed, false],
    ["http://host", "host", listed, true],
    ["http://evil.example", "host", all, true],
    ["null", "host", all, false],
  ];
  for (const [origin, host, options, allowed] of cases) {
    const refusal = refuseOrigin(origin, host, options);
    assert.equal(refusal === undefined, allowed, `${origin} at ${host}: ${refusal}`);
  }
});

Deno.test("WebSocket: pages of other hosts, and names that are not this machine's, are refused", async () => {
  await using echo = await startEcho({ ...WEBSOCKET, origins: ["https://chat.example"] });
  const port = webSocketPort(echo);
  const url = `ws://127.0.0.1:${port}/`;
  const connect = async (headers: Record<string, string>) => {
    using _socket = await TestSocket.connect(url, { headers });
  };
  await connect({ origin: `http://127.0.0.1:${port}` });
  await connect({ origin: "https://chat.example" });
  await assert.rejects(connect({ origin: "https://evil.example" }), /403/);
  await assert.rejects(connect({ origin: "null" }), /403/);
  // The page's own name leads to this machine: its Origin is that of the "server".
  const rebound = { host: "evil.example", origin: "http://evil.example" };
  await assert.rejects(connect(rebound), /421/);
  await assert.rejects(TestSocket.connect(`${url}elsewhere`), /404/);
});

Deno.test("WebSocket: a handshake that is not one is refused", async () => {
  await using echo = await startEcho(WEBSOCKET);
  const cases: [string, RegExp][] = [
    [handshake().replace("GET", "POST"), /^HTTP\/1.1 405 /],
    [handshake().replace("Version: 13", "Version: 8"), /^HTTP\/1.1 426 [\s\S]*version: 13\r\n/],
    [handshake().replace(/Sec-WebSocket-Key.*\r\n/, ""), /^HTTP\/1.1 400 /],
    [handshake().replace(/Sec-WebSocket-Key: .*/, "Sec-WebSocket-Key: short"), /^HTTP\/1.1 400 /],
  ];
  for (const [request, reply] of cases) {
    using client = await TestClient.connect(echo.running.addresses.at(-1)!);
    await client.send(request);
    assert.match(await client.rest(), reply);
  }
});

Deno.test("WebSocket: a token is taken from the first message", async () => {
  await using echo = await startEcho(WEBSOCKET, withGuard());
  const url = `ws://127.0.0.1:${webSocketPort(echo)}`;
  using right = await TestSocket.connect(url);
  right.send(`AUTH ${TOKEN}`);
  assert.equal(await right.next(), "OK");
  right.send("hello");
  assert.equal(await right.next(), "hello");
  for (
    const [first, reply] of [
      ["AUTH wrong-token", "ERR wrong token"],
      ["hello", "ERR AUTH token expected first"],
    ] as const
  ) {
    using refused = await TestSocket.connect(url);
    refused.send(first);
    refused.send("never published");
    assert.equal(await refused.next(), reply);
    assert.deepEqual(await refused.ends(), { code: 1008, reason: "" });
  }
  right.send("the end");
  assert.equal(await right.next(), "the end");
});

Deno.test("WebSocket: a client without a token is disconnected after login_timeout", async () => {
  const hasty = new Guard([TOKEN], new FailureCounter(10, 60_000), 100);
  await using echo = await startEcho(WEBSOCKET, { guard: () => hasty });
  using socket = await TestSocket.connect(`ws://127.0.0.1:${webSocketPort(echo)}`);
  assert.equal((await socket.ends()).code, 1006);
});

Deno.test("WebSocket: a token is taken from the handshake", async () => {
  await using echo = await startEcho(WEBSOCKET, withGuard(1));
  const url = `ws://127.0.0.1:${webSocketPort(echo)}`;
  const connect = (authorization: string) =>
    TestSocket.connect(url, { headers: { authorization } });
  using socket = await connect(`Bearer ${TOKEN}`);
  socket.send("hello");
  assert.equal(await socket.next(), "hello");
  await assert.rejects(connect("Bearer wrong-token"), /401/);
  assert.equal(echo.log.matching("Client presented a wrong token").length, 1);
});

Deno.test("WebSocket: with TLS, wss:// works, and ws:// does not", async () => {
  await using certificates = await makeCertificates();
  await using echo = await startEcho({ ...WEBSOCKET, tls: certificates.server });
  const port = webSocketPort(echo);
  using socket = await TestSocket.connect(`wss://localhost:${port}`, { ca: certificates.ca });
  socket.send("x".repeat(60_000));
  assert.equal((await socket.next()).length, 60_000);
  const origin = `http://localhost:${port}`;
  const options = { ca: certificates.ca, headers: { origin } };
  await assert.rejects(TestSocket.connect(`wss://localhost:${port}`, options), /403/);
  await assert.rejects(TestSocket.connect(`ws://localhost:${port}`));
  await certificates.renew();
  echo.running.reread!();
  using renewed = await TestSocket.connect(`wss://localhost:${port}`, { ca: certificates.ca });
  renewed.send("hello");
  assert.equal(await renewed.next(), "hello");
});

Deno.test("WebSocket: a browser that asks for a page gets the chat", async () => {
  await using echo = await startEcho(WEBSOCKET);
  const origin = `http://127.0.0.1:${webSocketPort(echo)}`;
  for (const [path, type] of [["/", "text/html"], ["/chat.js", "text/javascript"]]) {
    const reply = await fetch(origin + path);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.get("content-type"), `${type}; charset=utf-8`);
    assert.match(
      reply.headers.get("content-security-policy")!,
      /^default-src 'none'; script-src 'self'/,
    );
    assert.equal(reply.headers.get("x-content-type-options"), "nosniff");
    await reply.body?.cancel();
  }
  const status = async (path: string, options?: RequestInit) => {
    const reply = await fetch(origin + path, options);
    await reply.body?.cancel();
    return reply.status;
  };
  assert.equal(await status("/chat.css", { method: "HEAD" }), 200);
  assert.equal(await status("/other"), 404);
  assert.equal(await status("/", { method: "POST", body: "x" }), 405);
  using client = await TestClient.connect(echo.running.addresses.at(-1)!);
  await client.send("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
  assert.match(await client.rest(), /^HTTP\/1.1 421 /);
});

Deno.test("docs/protocols.md shows the script of the chat page", async () => {
  const page = await Deno.readTextFile(`${ROOT}docs/protocols.md`);
  const script = await Deno.readTextFile(`${ROOT}lib/echo/websocket/page/chat.js`);
  assert.ok(page.includes(`\n\`\`\`js\n${script}\`\`\`\n`));
});

Deno.test("echo: the WebSocket port takes the client, and who may use which name, from a PROXY header", async () => {
  await using echo = await startEcho({ ...WEBSOCKET, proxy_protocol: ["127.0.0.0/8"] });
  const ask = async (client: string) => {
    const port = webSocketPort(echo);
    using socket = await TestClient.connect({ transport: "tcp", hostname: "127.0.0.1", port });
    await socket.send(v1(`PROXY TCP4 ${client} 198.51.100.1 56324 443`));
    await socket.send("GET / HTTP/1.1\r\nHost: chat.example\r\nConnection: close\r\n\r\n");
    return (await socket.rest()).split(" ")[1];
  };
  assert.equal(await ask("192.0.2.7"), "200");
  assert.equal(await ask("127.0.0.1"), "421");
});
