import assert from "node:assert/strict";
import { makeCertificates } from "../support/certificates.ts";
import { TestClient } from "../support/client.ts";
import { startListener } from "../support/listener.ts";
import { within } from "../support/within.ts";

const GREETING = "hello in plain text\n";

/** A TLS listener with a greeting, which sends each client whether it was greeted. */
async function startGreeter(waitMs: number) {
  const files = await makeCertificates();
  const server = await startListener({
    tls: files.server,
    greeting: () => ({ text: new TextEncoder().encode(GREETING), waitMs }),
    handle: (connection) =>
      connection.write(new TextEncoder().encode(`greeted: ${connection.greeted}\n`)),
  });
  return {
    ...server,
    caCerts: [files.ca],
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await files[Symbol.asyncDispose]();
    },
  };
}

for (const waitMs of [0, 20]) {
  Deno.test(`Listener: a client that waits hears the greeting, then begins TLS (${waitMs} ms)`, async () => {
    await using server = await startGreeter(waitMs);
    const plain = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    const bytes = new Uint8Array(100);
    const count = await within(60_000, "the greeting", plain.read(bytes));
    assert.equal(new TextDecoder().decode(bytes.subarray(0, count ?? 0)), GREETING);
    const { caCerts } = server;
    const conn = await Deno.startTls(plain, { hostname: "localhost", caCerts });
    using client = TestClient.of(conn);
    assert.equal(await client.line(), "greeted: true\n");
  });
}

Deno.test("Listener: a client that begins TLS at once is not greeted", async () => {
  await using server = await startGreeter(60_000);
  const { port, caCerts } = server;
  const conn = await Deno.connectTls({ hostname: "localhost", port, caCerts });
  using client = TestClient.of(conn);
  assert.equal(await client.line(), "greeted: false\n");
});

Deno.test("Listener: a client that leaves before the greeting costs nothing", async () => {
  await using server = await startGreeter(60_000);
  const gone = await TestClient.connect(server.listener.address);
  gone.close();
  const { port, caCerts } = server;
  using client = TestClient.of(await Deno.connectTls({ hostname: "localhost", port, caCerts }));
  assert.equal(await client.line(), "greeted: false\n");
});

Deno.test("Listener: a client that says nothing during the wait is closed in time", async () => {
  const files = await makeCertificates();
  await using server = await startListener({
    tls: files.server,
    handshakeTimeoutMs: 50,
    greeting: () => ({ text: new TextEncoder().encode(GREETING), waitMs: 60_000 }),
  });
  using silent = await TestClient.connect(server.listener.address);
  assert.equal(await silent.rest(), "");
  await files[Symbol.asyncDispose]();
});
