/**
 * Listeners that require a client certificate.
 *
 * @module
 */

import assert from "node:assert/strict";
import { connect } from "node:tls";
import type { Connection } from "../../lib/net/connection.ts";
import { CLIENT_CA, clientIdentity, makeCertificates } from "../support/certificates.ts";
import { startListener, type TestListenerOptions } from "../support/listener.ts";
import { opensslTalk, serveAnybody } from "../support/openssl.ts";
import { isInstalled } from "../support/programs.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { until, untilAtRest, within } from "../support/within.ts";

type Certificates = Awaited<ReturnType<typeof makeCertificates>>;

const CLIENT = clientIdentity("client").pems;
const REFUSED = "Client certificate rejected";

/** Sends everything back, then `bye` once the client has closed its side. */
async function echoBytes(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(16_384);
  for (let count = await connection.read(buffer); count !== null;) {
    await connection.write(buffer.subarray(0, count));
    count = await connection.read(buffer);
  }
  await connection.write(new TextEncoder().encode("bye"));
}

function listen(
  files: Certificates,
  { clientCa = CLIENT_CA.clients, ...options }: TestListenerOptions & {
    clientCa?: string;
  } = {},
) {
  return startListener({ tls: { ...files.server, clientCa }, handle: echoBytes, ...options });
}

function dial(files: Certificates, port: number, identity = CLIENT): Promise<Deno.TlsConn> {
  return Deno.connectTls({ hostname: "localhost", port, caCerts: [files.ca], ...identity });
}

async function sendAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Sends a text, closes this side, and returns the reply; "" if the client was rejected. */
async function exchange(
  files: Certificates,
  port: number,
  identity: { cert: string; key: string } | undefined,
  version: "TLSv1.2" | "TLSv1.3" = "TLSv1.3",
): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({
    ...{ port, host: "127.0.0.1", servername: "localhost", ca: files.ca },
    ...{ minVersion: version, maxVersion: version },
    ...identity,
  }, () => socket.end("hello "));
  let received = "";
  socket.on("data", (chunk: Uint8Array) => received += new TextDecoder().decode(chunk));
  for (const event of ["end", "error", "close"]) socket.on(event, () => resolve(received));
  return await within(60_000, "the answer", promise).finally(() => socket.destroy());
}

Deno.test("client_ca: bytes arrive in order in both directions, and a half-close is answered", async () => {
  await using files = await makeCertificates();
  await using server = await listen(files);
  const sent = crypto.getRandomValues(new Uint8Array(65_536));
  const conn = await dial(files, server.port);
  const received = within(60_000, "the answer", new Response(conn.readable).bytes());
  const rounds = 60;
  for (let round = 0; round < rounds; round++) {
    // Pieces of all sizes, smaller and larger than a TLS record.
    for (
      let at = 0, size = 1;
      at < sent.length;
      at += size, size = 1 + (size * 7 + round) % 20_000
    ) {
      await sendAll(conn, sent.subarray(at, at + size));
    }
  }
  await conn.closeWrite();
  const bytes = await received;
  assert.equal(bytes.length, rounds * sent.length + 3);
  for (let i = 0; i < bytes.length - 3; i++) {
    if (bytes[i] !== sent[i % sent.length]) assert.fail(`byte ${i} differs`);
  }
  assert.equal(new TextDecoder().decode(bytes.subarray(-3)), "bye");
});

Deno.test("client_ca: only a certificate that it has signed and that is valid now is accepted", async () => {
  await using files = await makeCertificates();
  let handled = 0;
  await using server = await listen(files, {
    handle: (connection) => {
      handled++;
      return echoBytes(connection);
    },
  });
  const own = { cert: await Deno.readTextFile(files.server.cert), key: "" };
  own.key = await Deno.readTextFile(files.server.key);
  const notGood =
    "it is not signed by client_ca, has expired or is not yet valid, or is not for clients";
  const wrong: [{ cert: string; key: string } | undefined, string][] = [
    [undefined, "there is none"],
    [clientIdentity("stranger").pems, notGood],
    [clientIdentity("former").pems, notGood],
    [own, notGood],
  ];
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    for (const [identity, reason] of wrong) {
      const before = server.log.matching(REFUSED).length;
      assert.equal(await exchange(files, server.port, identity, version), "");
      await until("it is logged", () => server.log.matching(REFUSED).length > before);
      assert.ok(server.log.matching(REFUSED).at(-1)?.includes(reason), server.log.lines.join(""));
    }
    assert.equal(handled, version === "TLSv1.2" ? 0 : 1);
    assert.equal(await exchange(files, server.port, CLIENT, version), "hello bye");
  }
  assert.equal(handled, 2);
});

Deno.test("client_ca: a client that does not read costs no memory", async () => {
  await using files = await makeCertificates();
  const all = 256 * 1024 * 1024;
  const ended = Promise.withResolvers<unknown>();
  await using server = await listen(files, {
    handle: async (connection) => {
      const chunk = new Uint8Array(100_000);
      try {
        while (connection.bytesSent < all) await connection.write(chunk);
        ended.resolve("all was taken");
      } catch (error) {
        ended.resolve(error);
        throw error;
      }
    },
  });
  const conn = await dial(files, server.port);
  await conn.handshake();
  const last = await untilAtRest(
    "the number of bytes sent",
    () => server.listener.metrics().sentBytes,
  );
  assert.ok(last < 32 * 1024 * 1024, `${last} bytes were taken`);
  const scratch = new Uint8Array(65_536);
  for (let received = 0; received < 2 * last;) {
    received += await within(60_000, "more bytes", conn.read(scratch)) ?? NaN;
    assert.ok(!Number.isNaN(received));
  }
  conn.close();
  assert.match(String(await within(60_000, "the end", ended.promise)), /ConnectionClosedError/);
});

Deno.test("client_ca: a client that is not read cannot send without limit", async () => {
  await using files = await makeCertificates();
  const released = Promise.withResolvers<void>();
  await using server = await listen(files, { handle: () => released.promise });
  const conn = await dial(files, server.port);
  const bytes = new Uint8Array(65_536);
  let sent = 0;
  const sending = (async () => {
    for (;; sent += bytes.length) await sendAll(conn, bytes);
  })().catch(() => {});
  const last = await untilAtRest("the number of bytes sent", () => sent);
  assert.ok(last < 32 * 1024 * 1024, `${last} bytes were taken`);
  conn.close();
  released.resolve();
  await sending;
});

Deno.test("client_ca: a client without TLS or with half a handshake does not disturb others", async () => {
  await using files = await makeCertificates();
  await using server = await listen(files, { handshakeTimeoutMs: 300 });
  const plain = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await sendAll(plain, new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  const silent = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  assert.equal(await exchange(files, server.port, CLIENT), "hello bye");
  assert.equal(await within(60_000, "the end", silent.read(new Uint8Array(1))), null);
  await until("both are gone", () => server.listener.metrics().connections === 0);
  assert.ok(server.log.matching(REFUSED).length === 0);
  plain.close();
  silent.close();
});

Deno.test("client_ca: a client beyond max_clients gets the reply after the handshake", async () => {
  await using files = await makeCertificates();
  await using server = await listen(files, { maxClients: 1 });
  const first = await dial(files, server.port);
  await sendAll(first, new Uint8Array(1));
  assert.equal(await first.read(new Uint8Array(1)), 1);
  const second = await dial(files, server.port);
  assert.equal(await within(60_000, "it", new Response(second.readable).text()), "FULL\n");
  first.close();
});

Deno.test("client_ca: reloadTls() reads it again, and open connections stay", async () => {
  await using files = await makeCertificates();
  await using directory = await makeTempDirectory();
  const clientCa = `${directory.path}/clients.crt`;
  await Deno.copyFile(CLIENT_CA.clients, clientCa);
  await using server = await listen(files, { clientCa });
  const { pems: stranger } = clientIdentity("stranger");
  const old = await dial(files, server.port);
  await old.handshake();
  assert.equal(await exchange(files, server.port, stranger), "");
  await Deno.copyFile(CLIENT_CA.impostor, clientCa);
  server.listener.reloadTls();
  assert.equal(await exchange(files, server.port, stranger), "hello bye");
  assert.equal(await exchange(files, server.port, CLIENT), "");
  await Deno.writeTextFile(clientCa, "nonsense");
  assert.throws(() => server.listener.reloadTls(), {
    message: `Cannot use "${clientCa}" for TLS: not certificates in PEM form`,
  });
  assert.equal(await exchange(files, server.port, stranger), "hello bye");
  await sendAll(old, new TextEncoder().encode("still here "));
  await old.closeWrite();
  assert.equal(await new Response(old.readable).text(), "still here bye");
});

Deno.test({
  name: "client_ca: a session resumes only where its certificate was presented",
  ignore: !await isInstalled("openssl", "version"),
}, async () => {
  await using files = await makeCertificates();
  await using directory = await makeTempDirectory();
  await using open = await serveAnybody(files);
  let handled = 0;
  const handle = async (connection: Connection) => {
    handled++;
    await connection.write(new TextEncoder().encode("hello\n"));
  };
  await using guarded = await listen(files, { handle });
  await using other = await listen(files, { handle, clientCa: CLIENT_CA.impostor });
  const { files: { cert, key } } = clientIdentity("client");
  for (const version of ["-tls1_2", "-tls1_3"]) {
    const session = `${directory.path}/session${version}`;
    const talk = (port: number, ...more: string[]) => opensslTalk(port, [version, ...more]);
    // A server that requests no certificate gives every client a session.
    const begun = await talk(open.port, "-sess_out", session);
    assert.deepEqual(begun, { resumed: false, answered: true });
    const stolen = await talk(guarded.port, "-sess_in", session);
    assert.deepEqual(stolen, { resumed: true, answered: false });
    // A session begun with a certificate resumes here, and not where other issuers are trusted.
    const first = await talk(guarded.port, "-sess_out", session, "-cert", cert, "-key", key);
    assert.deepEqual(first, { resumed: false, answered: true });
    const elsewhere = await talk(other.port, "-sess_in", session);
    assert.deepEqual(elsewhere, { resumed: true, answered: false });
    const again = await talk(guarded.port, "-sess_in", session);
    assert.deepEqual(again, { resumed: true, answered: true });
  }
  assert.equal(handled, 4);
  assert.equal(other.log.matching(REFUSED).length, 2);
});
