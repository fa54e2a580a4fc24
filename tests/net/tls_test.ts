import assert from "node:assert/strict";
import { connect } from "node:tls";
import type { Connection } from "../../lib/net/connection.ts";
import { readTlsFiles, type TlsFiles } from "../../lib/net/tls.ts";
import { makeCertificates } from "../support/certificates.ts";
import { TestClient } from "../support/client.ts";
import { echoLines, startListener, type TestListenerOptions } from "../support/listener.ts";
import { until, untilAtRest, within } from "../support/within.ts";

/** A listener that sends lines back, long ones too. */
function listen(tls: TlsFiles, options: TestListenerOptions = {}) {
  const handle = (connection: Connection) => echoLines(connection, { maxLineBytes: 1_000_000 });
  return startListener({ tls, handle, ...options });
}

/** Sends a text, closes its side, and gives what came back and the serial number of the server. */
function exchange(port: number, text: string, options: Record<string, string>) {
  const { promise, resolve, reject } = Promise.withResolvers<{ text: string; serial: string }>();
  const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ...options }, () => {
    socket.end(text);
  });
  let received = "";
  let serial = "";
  socket.on("secureConnect", () => serial = socket.getPeerCertificate().serialNumber);
  socket.on("data", (chunk: Uint8Array) => received += new TextDecoder().decode(chunk));
  socket.on("end", () => resolve({ text: received, serial }));
  socket.on("error", reject);
  return within(60_000, "the answer", promise).finally(() => socket.destroy());
}

Deno.test("Listener: over TLS, lines of any length are echoed, and a half-close is answered", async () => {
  await using files = await makeCertificates();
  await using server = await listen(files.server);
  const long = "x".repeat(300_000);
  const conn = await Deno.connectTls({
    hostname: "localhost",
    port: server.port,
    caCerts: [files.ca],
  });
  const received = within(60_000, "the answer", new Response(conn.readable).text());
  const bytes = new TextEncoder().encode(`one\n${long}\nlast`);
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
  await conn.closeWrite();
  const text = await received;
  assert.ok(text === `one\n${long}\nlast\n`, `${text.length} characters`);
});

Deno.test("Listener: over TLS, a client that does not read makes the server wait", async () => {
  await using files = await makeCertificates();
  await using server = await listen(files.server);
  const conn = await Deno.connectTls({
    hostname: "localhost",
    port: server.port,
    caCerts: [files.ca],
  });
  const line = new TextEncoder().encode(`${"x".repeat(65_535)}\n`);
  let sent = 0;
  const writing = (async () => {
    for (; sent < 500; sent++) {
      for (let at = 0; at < line.length;) at += await conn.write(line.subarray(at));
    }
  })();
  await untilAtRest("the number of bytes sent", () => sent);
  assert.ok(sent < 500, "all was taken");
  let received = 0;
  const scratch = new Uint8Array(65_536);
  while (received < 500 * line.length) {
    received += await within(60_000, "the lines", conn.read(scratch)) ?? NaN;
    assert.ok(!Number.isNaN(received));
  }
  await writing;
  conn.close();
});

Deno.test("Listener: a client without TLS on a TLS port does not disturb others", async () => {
  await using files = await makeCertificates();
  await using server = await listen(files.server);
  const plain = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await plain.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  assert.equal((await exchange(server.port, "a\n", { ca: files.ca })).text, "a\n");
  await until("both are gone", () => server.listener.metrics().connections === 0);
  plain.close();
  const [left, ...more] = server.log.matching("Client left").filter((line) => /shake/.test(line));
  assert.match(left!, /level=debug .*reason="No TLS handshake with 127.0.0.1:\d+: [^"\n]+"\n$/);
  assert.deepEqual(more, []);
  assert.deepEqual(server.log.matching("level=warn"), []);
  assert.deepEqual(server.log.matching("level=error"), []);
});

Deno.test("Listener: a client that never begins a handshake is disconnected", async () => {
  await using files = await makeCertificates();
  let served = 0;
  await using server = await listen(files.server, {
    maxClients: 2,
    handshakeTimeoutMs: 200,
    handle: async (connection) => {
      served++;
      await echoLines(connection);
    },
  });
  const address = { hostname: "127.0.0.1", port: server.port };
  using _silent = await Deno.connect(address);
  using half = await Deno.connect(address);
  await half.write(new Uint8Array([0x16, 3, 1, 1, 0, 1]));
  await until("both are there", () => server.listener.metrics().connections === 2);
  await until("both are cut", () => server.listener.metrics().connections === 0);
  assert.equal(served, 0);
  assert.equal(server.log.matching("it took longer than 0.2 s").length, 2);
  // The socket is gone as well, though this side is still open.
  const end = half.read(new Uint8Array(1)).catch((error: Error) => error.name);
  assert.ok(
    [null, "ConnectionReset"].includes(await within(60_000, "the end", end) as null | string),
  );
  assert.equal((await exchange(server.port, "a\n", { ca: files.ca })).text, "a\n");
});

Deno.test("Listener: the handshake limit ends with the handshake", async () => {
  await using files = await makeCertificates();
  await using server = await listen(files.server, { handshakeTimeoutMs: 300 });
  const tls = { hostname: "localhost", port: server.port, caCerts: [files.ca] };
  using quiet = TestClient.of(await Deno.connectTls(tls));
  await (quiet.conn as Deno.TlsConn).handshake();
  // Somebody else is cut meanwhile, so the limit has passed.
  using _silent = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await until("the other one is there", () => server.listener.metrics().connections === 2);
  await until("the other one is cut", () => server.listener.metrics().connections === 1);
  await quiet.send("a\n");
  assert.equal(await quiet.line(), "a\n");
});

Deno.test("Listener: refused clients that never complete a handshake do not block others", async () => {
  await using files = await makeCertificates();
  const full = new TextEncoder().encode("FULL\n");
  await using server = await listen(files.server, { maxClients: 0, fullReply: full });
  const silent = await Promise.all(
    Array.from({ length: 64 }, () => Deno.connect({ hostname: "127.0.0.1", port: server.port })),
  );
  await until("they are refused", () => server.listener.metrics().serverFull === 64);
  await until(
    "another one gets the reply",
    () =>
      exchange(server.port, "", { ca: files.ca }).then(
        ({ text }) => text === "FULL\n",
        () => false,
      ),
  );
  silent.forEach((conn) => conn.close());
});

Deno.test("Listener.drain(): does not wait for a handshake", async () => {
  await using files = await makeCertificates();
  const server = await listen(files.server);
  using _silent = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await until("it is there", () => server.listener.metrics().connections === 1);
  await within(60_000, "the drain", server.listener.drain(new AbortController().signal));
});

Deno.test("Listener.reloadTls(): new clients get the new certificate, open connections stay", async () => {
  await using files = await makeCertificates();
  await using server = await listen(files.server);
  const before = await exchange(server.port, "a\n", { ca: files.ca });
  await files.renew();
  server.listener.reloadTls();
  const after = await exchange(server.port, "a\n", { ca: files.ca });
  assert.notEqual(after.serial, before.serial);
  await Deno.writeTextFile(files.server.cert, "nonsense");
  assert.throws(() => server.listener.reloadTls());
  assert.equal((await exchange(server.port, "a\n", { ca: files.ca })).serial, after.serial);
});

Deno.test("Listener: the error names a missing TLS file", async () => {
  await assert.rejects(listen({ cert: "/nowhere.crt", key: "/nowhere.key" }), {
    message: /Cannot read "\/nowhere\.crt" for TLS: no such file/,
  });
});

Deno.test("readTlsFiles() names the faulty file", async () => {
  await using files = await makeCertificates();
  const { cert, key } = files.server;
  await Deno.copyFile(files.otherKeyFile, key);
  assert.throws(() => readTlsFiles(files.server), {
    message: `Cannot use "${cert}" for TLS: "${key}" is not its key`,
  });
  await Deno.writeTextFile(key, "nonsense");
  assert.throws(() => readTlsFiles(files.server), /not in PEM form/);
});
