import assert from "node:assert/strict";
import type { Connection } from "../../lib/net/connection.ts";
import { Listener } from "../../lib/net/listener.ts";
import { makeCertificates } from "../support/certificates.ts";
import { TestClient } from "../support/client.ts";
import { echoLines, startListener, type TestListenerOptions } from "../support/listener.ts";
import { TestLog } from "../support/log.ts";
import { freePorts } from "../support/ports.ts";
import { isInstalled } from "../support/programs.ts";
import { v1, v2 } from "../support/proxy_headers.ts";
import { signal } from "../support/signal.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { until, within } from "../support/within.ts";

const HERE = ["127.0.0.0/8"];
const ELSEWHERE = ["192.0.2.0/24"];
const CLIENT_7 = v1("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443");
const CLIENT_8 = v2({ family: 0x11, body: [192, 0, 2, 8, 198, 51, 100, 1, 1, 2, 1, 187] });
const LOCAL = v2({ command: 0, family: 0, body: [] });

/** A listener that tells each client its address, and then sends lines back. */
function listen(options: TestListenerOptions = {}) {
  const handle = async (connection: Connection) => {
    await connection.write(new TextEncoder().encode(`${connection.remote}\n`));
    await echoLines(connection);
  };
  return startListener({ handle, proxyProtocol: HERE, ...options });
}

/** Connects, sends a header and a line in one packet, and returns the address that came back. */
async function visit(server: Awaited<ReturnType<typeof listen>>, header: Uint8Array) {
  const client = await TestClient.connect(server.listener.address);
  await client.send(new Uint8Array([...header, ...new TextEncoder().encode("a\n")]));
  const remote = (await client.line()).trim();
  if (remote !== "FULL") assert.equal(await client.line(), "a\n");
  return { client, remote };
}

Deno.test("ProxyEntry: a trusted sender names the client; LOCAL and UNKNOWN name none", async () => {
  await using server = await listen();
  for (
    const [header, expected] of [
      [CLIENT_7, /^192\.0\.2\.7:56324$/],
      [CLIENT_8, /^192\.0\.2\.8:258$/],
      [v1("PROXY TCP6 2001:db8:0::7 ::1 9 443"), /^\[2001:db8::7\]:9$/],
      [LOCAL, /^127\.0\.0\.1:\d+$/],
      [v1("PROXY UNKNOWN"), /^127\.0\.0\.1:\d+$/],
    ] as const
  ) {
    const { client, remote } = await visit(server, header);
    assert.match(remote, expected);
    client.close();
  }
  assert.ok(server.log.matching("address=192.0.2.7:56324").length > 0);
});

Deno.test("ProxyEntry: a header may come in any number of parts", async () => {
  await using server = await listen();
  for (
    const [header, expected] of [[CLIENT_7, "192.0.2.7:56324\n"], [
      CLIENT_8,
      "192.0.2.8:258\n",
    ]] as const
  ) {
    using client = await TestClient.connect(server.listener.address);
    (client.conn as Deno.TcpConn).setNoDelay(true);
    for (const byte of header) await client.send(Uint8Array.of(byte));
    assert.equal(await client.line(), expected);
  }
});

Deno.test("ProxyEntry: limits per address count the clients, and not their proxy", async () => {
  await using server = await listen({ maxClientsPerAddress: 1 });
  const visits = [await visit(server, CLIENT_7), await visit(server, CLIENT_8)];
  const again = await visit(server, CLIENT_7);
  assert.equal(again.remote, "FULL");
  for (const { client } of [...visits, again]) client.close();
  const { accepted, addressFull } = server.listener.metrics();
  assert.deepEqual([accepted, addressFull], [2, 1]);
});

Deno.test("ProxyEntry: a connection counts while its header is missing, and not for ever", async () => {
  await using server = await listen({ maxClients: 1, handshakeTimeoutMs: 2000 });
  using slow = await TestClient.connect(server.listener.address);
  await slow.send(CLIENT_7.subarray(0, 20));
  await until("it counts", () => server.listener.metrics().connections === 1);
  using refused = await TestClient.connect(server.listener.address);
  assert.equal(await refused.rest(), "FULL\n");
  await slow.rest().catch(() => "");
  const { connections, serverFull, proxyHeader } = server.listener.metrics();
  assert.deepEqual([connections, serverFull, proxyHeader], [0, 1, 1]);
  assert.match(server.log.matching("PROXY header").join(), /it sent no PROXY header within 2 s/);
  const { client, remote } = await visit(server, CLIENT_7);
  assert.equal(remote, "192.0.2.7:56324");
  client.close();
});

Deno.test("ProxyEntry: a wrong start is refused, counted, and logged once per episode", async () => {
  await using server = await listen();
  for (const text of ["hello\n", "PROXY TCP4 1.2.3 4\r\n"]) {
    using client = await TestClient.connect(server.listener.address);
    await client.send(text);
    assert.equal(await client.rest().catch(() => ""), "");
  }
  // The health checks of some load balancers.
  const check = await TestClient.connect(server.listener.address);
  check.close();
  using half = await TestClient.connect(server.listener.address);
  await half.send(CLIENT_8.subarray(0, 20));
  await half.closeWrite();
  assert.equal(await half.rest().catch(() => ""), "");
  await until("the check has left", () => server.log.matching("Client left before").length === 1);
  assert.equal(server.listener.metrics().proxyHeader, 3);
  const warnings = server.log.matching("Connection closed for its PROXY header");
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /address=127\.0\.0\.1:\d+ reason="it does not begin with a PROXY/);
});

Deno.test("ProxyEntry: other senders are served as they are, but not with a header", async () => {
  await using server = await listen({ proxyProtocol: ELSEWHERE });
  using direct = await TestClient.connect(server.listener.address);
  assert.match(await direct.line(), /^127\.0\.0\.1:\d+\n$/);
  await direct.send("one\n");
  assert.equal(await direct.line(), "one\n");
  // Only the beginning of a connection is suspicious.
  await direct.send("PROXY TCP4 \n");
  assert.equal(await direct.line(), "PROXY TCP4 \n");
  for (const header of [CLIENT_7, CLIENT_8]) {
    using forger = await TestClient.connect(server.listener.address);
    await forger.line();
    await forger.send(header);
    assert.equal(await forger.rest().catch(() => ""), "");
  }
  await until("both are gone", () => server.listener.metrics().connections === 1);
  assert.equal(server.listener.metrics().proxyHeader, 2);
  const warnings = server.log.matching("Connection closed for its PROXY header");
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /it is not in proxy_protocol/);
});

Deno.test("ProxyEntry: without the setting, nothing is looked for", async () => {
  await using server = await listen({ proxyProtocol: [] });
  using client = await TestClient.connect(server.listener.address);
  await client.line();
  await client.send(CLIENT_7);
  assert.equal(await client.line(), "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n");
});

Deno.test("ProxyEntry: a change holds for the connections to come", async () => {
  await using server = await listen({ proxyProtocol: [] });
  using before = await TestClient.connect(server.listener.address);
  assert.match(await before.line(), /^127\.0\.0\.1:/);
  server.listener.setLimits({ maxClients: 100, idleTimeoutMs: 0, proxyProtocol: HERE });
  const { client, remote } = await visit(server, CLIENT_7);
  assert.equal(remote, "192.0.2.7:56324");
  client.close();
  await before.send("still\n");
  assert.equal(await before.line(), "still\n");
});

Deno.test("ProxyEntry: a stop closes the connections that wait", async () => {
  await using server = await listen();
  using waiting = await TestClient.connect(server.listener.address);
  await until("it waits", () => server.listener.metrics().connections === 1);
  await within(60_000, "the drain", server.listener.drain(AbortSignal.timeout(60_000)));
  assert.equal(await waiting.rest().catch(() => ""), "");
  assert.deepEqual([server.listener.metrics().connections, server.listener.metrics().proxyHeader], [
    0,
    0,
  ]);
});

Deno.test("ProxyEntry: the header comes before TLS, whose client it names", async () => {
  await using files = await makeCertificates();
  await using server = await listen({ tls: files.server });
  const raw = await Deno.connect({ port: server.port, hostname: "127.0.0.1" });
  await raw.write(CLIENT_7);
  const conn = await Deno.startTls(raw, { hostname: "localhost", caCerts: [files.ca] });
  using client = TestClient.of(conn);
  assert.equal(await client.line(), "192.0.2.7:56324\n");
  await client.send("over TLS\n");
  assert.equal(await client.line(), "over TLS\n");
});

Deno.test("ProxyEntry: a direct client of a TLS listener can begin with no header either", async () => {
  await using files = await makeCertificates();
  await using server = await listen({ tls: files.server, proxyProtocol: ELSEWHERE });
  using forger = await TestClient.connect(server.listener.address);
  await forger.send(CLIENT_7);
  assert.equal(await forger.rest().catch(() => ""), "");
  assert.equal(server.listener.metrics().proxyHeader, 1);
  const conn = await Deno.connectTls({
    hostname: "localhost",
    port: server.port,
    caCerts: [files.ca],
  });
  using client = TestClient.of(conn);
  assert.match(await client.line(), /^127\.0\.0\.1:/);
});

Deno.test('ProxyEntry: on a unix socket, "unix" trusts whoever may connect', async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/socket`;
  const listener = await Listener.listen({ transport: "unix", path }, {
    ...{ maxClients: 9, idleTimeoutMs: 0, fullReply: new Uint8Array(0), log: new TestLog().log },
    proxyProtocol: ["unix"],
    handle: (connection) => connection.write(new TextEncoder().encode(`${connection.remote}\n`)),
  });
  try {
    for (const [header, expected] of [[CLIENT_8, "192.0.2.8:258\n"], [LOCAL, "unix\n"]] as const) {
      using client = await TestClient.connect({ transport: "unix", path });
      await client.send(header);
      assert.equal(await client.line(), expected);
    }
    listener.setLimits({ maxClients: 9, idleTimeoutMs: 0, proxyProtocol: HERE });
    using direct = await TestClient.connect({ transport: "unix", path });
    assert.equal(await direct.line(), "unix\n");
  } finally {
    await listener.close();
  }
});

Deno.test({
  name: "ProxyEntry: understands the headers of HAProxy, versions 1 and 2",
  ignore: !await isInstalled("haproxy", "-v"),
  async fn() {
    await using server = await listen({ proxyProtocol: ["127.0.0.2"] });
    await using directory = await makeTempDirectory();
    const ports = freePorts(2);
    const part = (port: number, option: string) => `
listen port${port}
  mode tcp
  bind 127.0.0.1:${port}
  server quartet 127.0.0.1:${server.port} source 127.0.0.2 ${option}`;
    const file = `${directory.path}/haproxy.cfg`;
    await Deno.writeTextFile(
      file,
      `defaults
  timeout connect 60s
  timeout client 60s
  timeout server 60s
${part(ports[0]!, "send-proxy")}
${part(ports[1]!, "send-proxy-v2 proxy-v2-options unique-id,crc32c")}
`,
    );
    const args = ["-db", "-f", file];
    const haproxy = new Deno.Command("haproxy", { args, stdout: "null", stderr: "null" }).spawn();
    try {
      for (const port of ports) {
        const address = { transport: "tcp", hostname: "127.0.0.1", port } as const;
        let client: TestClient | undefined;
        await until("HAProxy listens", async () => {
          client = await TestClient.connect(address).catch(() => undefined);
          return client !== undefined;
        });
        const { port: own } = client!.conn.localAddr as Deno.NetAddr;
        assert.equal(await client!.line(), `127.0.0.1:${own}\n`);
        await client!.send("through it\n");
        assert.equal(await client!.line(), "through it\n");
        client!.close();
      }
      // Other clients on the machine of the proxy need no header.
      using direct = await TestClient.connect(server.listener.address);
      assert.match(await direct.line(), /^127\.0\.0\.1:/);
      assert.equal(server.listener.metrics().proxyHeader, 0);
    } finally {
      signal(haproxy, "SIGKILL");
      await haproxy.status;
    }
  },
});
