/**
 * Calls to nodes with a right, a wrong or no TLS configuration.
 *
 * @module
 */

import assert from "node:assert/strict";
import { callNode } from "../../../lib/mesh/link/call.ts";
import { HELLO, MESH_VERSION } from "../../../lib/mesh/link/hello.ts";
import { PeerTlsError, type PeerTlsFiles, readTrust } from "../../../lib/mesh/link/peer_tls.ts";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import { Listener } from "../../../lib/net/listener.ts";
import { makeCertificates, selfSigned } from "../../support/certificates.ts";
import { TestLog } from "../../support/log.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";
import { within } from "../../support/within.ts";

const hello = {
  version: MESH_VERSION,
  job: "some-job",
  node: 0,
  to: 1,
  nodes: 2,
  format: DEFAULT_RECORD_FORMAT,
  partition: "sample",
} as const;

/** Calls a node that has the certificate `called`, or none, as a node that trusts `ca`, or uses no TLS. */
async function call(called: Omit<PeerTlsFiles, "ca"> | undefined, ca: string | undefined) {
  const listener = await Listener.listen({ transport: "tcp", hostname: "127.0.0.1", port: 0 }, {
    maxClients: 10,
    idleTimeoutMs: 0,
    fullReply: new Uint8Array(),
    tls: called,
    log: new TestLog().log,
    handle: async (connection) => {
      if (await connection.read(new Uint8Array(4096)) === null) return;
      await connection.write(new TextEncoder().encode(`${HELLO.LATER}not now\n`));
    },
  });
  try {
    const trust = ca === undefined ? undefined : readTrust({ ...selfSigned("shared"), ca });
    const calling = callNode(listener.address, {
      word: HELLO.PEER,
      hello,
      trust: () => trust,
      timeoutMs: 10_000,
    });
    const { connection, line } = await within(60_000, "an answer", calling);
    connection.close();
    return line;
  } finally {
    await listener.close();
  }
}

Deno.test("callNode() accepts a trusted certificate for the right host", async () => {
  await using files = await makeCertificates();
  const shared = selfSigned("shared");
  assert.equal(await call(shared, shared.cert), "LATER not now");
  assert.equal(await call(files.server, files.caFile), "LATER not now");
  assert.equal(await call(undefined, undefined), "LATER not now");
});

Deno.test("callNode() explains what is wrong with any other, and how to fix it", async () => {
  await using files = await makeCertificates();
  const cases: [Omit<PeerTlsFiles, "ca"> | undefined, string, RegExp][] = [
    [files.server, selfSigned("shared").cert, /^its certificate is not trusted: name its issuer/],
    [selfSigned("shared"), files.caFile, /^its certificate is not trusted/],
    [
      selfSigned("elsewhere"),
      selfSigned("elsewhere").cert,
      /^its certificate is not for "127.0.0.1": it needs .* subject alternative name$/,
    ],
    [selfSigned("authority"), selfSigned("authority").cert, /needs one with .*CA:FALSE$/],
    [selfSigned("expired"), selfSigned("expired").cert, /^its certificate has expired$/],
    [undefined, selfSigned("shared").cert, /^it does not speak TLS, and all nodes have to or none/],
  ];
  for (const [called, ca, message] of cases) {
    await assert.rejects(call(called, ca), (error: Error) => {
      assert.ok(error instanceof PeerTlsError, String(error));
      assert.match(error.message, message);
      return true;
    });
  }
  // This may be a passing failure, so the caller tries again.
  const plain = call(selfSigned("shared"), undefined);
  await assert.rejects(plain, /^Error: it closed the connection; if it speaks TLS, this node has/);
});

Deno.test("readTrust() names a file that has no certificates", async () => {
  await using directory = await makeTempDirectory();
  const ca = `${directory.path}/ca.crt`;
  const { cert, key } = selfSigned("shared");
  assert.throws(() => readTrust({ cert, key, ca }), /Cannot read ".*ca.crt" for TLS: no such file/);
  const good = await Deno.readTextFile(cert);
  for (const text of ["", "nonsense", await Deno.readTextFile(key), good.replace(/[a-z]/g, "A")]) {
    await Deno.writeTextFile(ca, text);
    assert.throws(() => readTrust({ cert, key, ca }), /Cannot use ".*ca.crt" for TLS: not certif/);
  }
  await Deno.writeTextFile(ca, good + await Deno.readTextFile(selfSigned("elsewhere").cert));
  assert.equal(readTrust({ cert, key, ca }).caCerts.length, 1);
});
