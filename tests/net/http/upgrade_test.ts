import assert from "node:assert/strict";
import { delay } from "@std/async/delay";
import type { HttpRefusal, HttpRequest, HttpUpgrade } from "../../../lib/net/http/messages.ts";
import { HttpServer } from "../../../lib/net/http/server.ts";
import { TestClient } from "../../support/client.ts";
import { TestLog } from "../../support/log.ts";
import { within } from "../../support/within.ts";

/** Answers each byte with the next one, until the client ends; then says "end". */
const COUNTING: HttpUpgrade = {
  headers: { "x-counting": "yes" },
  serve: async (connection, head) => {
    const buffer = new Uint8Array(100);
    let bytes: Uint8Array = head;
    while (bytes.length > 0) {
      await connection.write(bytes.map((byte) => byte + 1));
      bytes = buffer.subarray(0, await connection.read(buffer) ?? 0);
    }
    await connection.write(new TextEncoder().encode("end"));
  },
};

/** Starts a server that upgrades to the protocol "counting". */
async function start(
  answer: (request: HttpRequest) => HttpUpgrade | HttpRefusal | Promise<HttpUpgrade> = () =>
    COUNTING,
) {
  const log = new TestLog();
  const server = await HttpServer.listen({ transport: "tcp", hostname: "127.0.0.1", port: 0 }, {
    maxClients: 10,
    requestTimeoutMs: 10_000,
    maxBodyBytes: 100,
    headers: { "x-common": "yes" },
    log: log.log,
    handle: ({ path }) => ({ status: 200, type: "text/plain", body: path }),
    upgrade: { protocol: "counting", requestTimeoutMs: 0, answer },
  });
  return {
    server,
    log,
    connect: () => TestClient.connect(server.address),
    [Symbol.asyncDispose]: () => server.drain(AbortSignal.timeout(5000)),
  };
}

function request(protocol: string, path = "/"): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`;
}

/** Reads the lines of a reply up to the empty one. */
async function headOf(client: TestClient): Promise<string[]> {
  const lines: string[] = [];
  for (let line; (line = (await client.line()).trim()) !== "";) lines.push(line);
  return lines;
}

Deno.test("HttpServer: hands over a connection with all bytes after the request", async () => {
  await using server = await start();
  using client = await server.connect();
  // Names of protocols are compared without regard to case.
  await client.send(`${request("Counting")}ab`);
  assert.deepEqual(await headOf(client), [
    "HTTP/1.1 101 Switching Protocols",
    "connection: Upgrade",
    "upgrade: counting",
    "x-counting: yes",
  ]);
  assert.equal(new TextDecoder().decode(await client.bytes(2)), "bc");
  await client.send("cd");
  assert.equal(new TextDecoder().decode(await client.bytes(2)), "de");
  await client.closeWrite();
  assert.equal(await client.rest(), "end");
  assert.deepEqual([...server.server.answers], [[101, 1]]);
});

Deno.test("HttpServer: what arrives while a request to upgrade is answered is not lost", async () => {
  const asked = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<HttpUpgrade>();
  await using server = await start(() => {
    asked.resolve();
    return answered.promise;
  });
  using client = await server.connect();
  await client.send(`${request("counting")}a`);
  await within(60_000, "the request", asked.promise);
  await client.send("b");
  // Long enough for the server to read it, if it did.
  await delay(50);
  answered.resolve(COUNTING);
  await headOf(client);
  assert.equal(new TextDecoder().decode(await client.bytes(2)), "bc");
});

Deno.test("HttpServer: ends upgraded connections when it drains", async () => {
  const server = await start();
  using client = await server.connect();
  await client.send(`${request("counting")}a`);
  await headOf(client);
  await client.bytes(1);
  await server.server.drain(AbortSignal.timeout(5000));
  assert.equal(await client.rest(), "end");
});

Deno.test("HttpServer: a refused upgrade gets a reply, and the connection is closed", async () => {
  await using server = await start(({ path }) => ({
    status: 403,
    body: `Not on ${path}.\n`,
    headers: { "x-reason": "path" },
  }));
  using client = await server.connect();
  await client.send(request("counting", "/no"));
  const reply = await client.rest();
  assert.match(reply, /^HTTP\/1.1 403 Forbidden\r\n/);
  assert.match(reply, /\r\nconnection: close\r\n/);
  assert.match(reply, /\r\nx-common: yes\r\n/);
  assert.match(reply, /\r\nx-reason: path\r\n/);
  assert.match(reply, /\r\ncontent-length: 12\r\n/);
  assert.match(reply, /\r\n\r\nNot on \/no.\n$/);
});

Deno.test("HttpServer: an error while a request to upgrade is answered ends in status 500", async () => {
  await using server = await start(() => Promise.reject(new Error("no luck")));
  using client = await server.connect();
  await client.send(request("counting"));
  assert.match(
    await client.rest(),
    /^HTTP\/1.1 500 [\s\S]*Internal error; see the server's log.\n$/,
  );
  assert.equal(server.log.matching("Request failed").length, 1);
});

Deno.test("HttpServer: a request for a protocol that it does not have is an ordinary one", async () => {
  await using server = await start();
  using client = await server.connect();
  await client.send(request("h2c", "/plain"));
  assert.equal((await headOf(client))[0], "HTTP/1.1 200 OK");
  assert.equal(new TextDecoder().decode(await client.bytes(6)), "/plain");
});

Deno.test("HttpServer: an upgrade behind a request that is not yet answered is cut off", async () => {
  await using server = await start();
  using client = await server.connect();
  // Both are parsed at once, before the first one can be answered.
  const first = "POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na";
  await client.send(first + request("counting"));
  assert.doesNotMatch(await client.rest().catch(() => ""), /101/);
});
