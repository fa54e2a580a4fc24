import assert from "node:assert/strict";
import type { Address } from "../../lib/net/address.ts";
import { ConnectTimeoutError, connectWithin } from "../../lib/net/connect.ts";
import { Connection } from "../../lib/net/connection.ts";
import { selfSigned } from "../support/certificates.ts";
import { untilAtRest, within } from "../support/within.ts";

const { cert, key } = selfSigned("shared");
const tls = { caCerts: [Deno.readTextFileSync(cert)] };

function addressOf(listener: Deno.Listener): Address {
  const { hostname, port } = listener.addr as Deno.NetAddr;
  return { transport: "tcp", hostname, port };
}

Deno.test("connectWithin(): gives up on a server that never begins TLS", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  const connecting = connectWithin(addressOf(listener), { timeoutMs: 200, tls });
  await assert.rejects(within(60_000, "the timeout", connecting), (error) => (
    error instanceof ConnectTimeoutError && /did not answer within 0.2 s/.test(error.message)
  ));
  (await accepting).close();
});

Deno.test("connectWithin(): over TLS, a server that does not read makes the sender wait", async () => {
  using listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: await Deno.readTextFile(cert),
    key: await Deno.readTextFile(key),
  });
  const accepting = listener.accept().then(async (conn) => {
    await conn.handshake();
    return conn;
  });
  const address = addressOf(listener);
  const conn = await connectWithin(address, { timeoutMs: 10_000, tls });
  const connection = new Connection(conn, 1, "server");
  using server = await accepting;
  const block = new Uint8Array(256 * 1024);
  const total = 400 * block.length;
  const writing = (async () => {
    while (connection.bytesSent < total) await connection.write(block);
  })();
  const last = await untilAtRest("the number of bytes sent", () => connection.bytesSent);
  // What the socket buffers of both sides hold, and not much more.
  assert.ok(last < 32 * 1024 * 1024, `${last} bytes were taken`);
  const scratch = new Uint8Array(1024 * 1024);
  for (let received = 0; received < total;) {
    received += await within(60_000, "the bytes", server.read(scratch)) ?? NaN;
    assert.ok(!Number.isNaN(received));
  }
  await within(60_000, "the rest of the writes", writing);
  connection.close();
});
