/**
 * Client certificates from a user's point of view: every port of every service, and the commands
 * that connect to them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { request } from "node:https";
import { createClient } from "redis";
import { type Address, formatAddress } from "../../lib/net/address.ts";
import { SERVICES } from "../../lib/services.ts";
import { CLIENT_CA, clientIdentity, makeCertificates } from "../support/certificates.ts";
import { TestClient } from "../support/client.ts";
import { runHere } from "../support/command_line.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon.ts";
import { runQuartet } from "../support/quartet.ts";
import { within } from "../support/within.ts";

type Certificates = Awaited<ReturnType<typeof makeCertificates>>;
type Identity = { cert: string; key: string } | undefined;

const CLIENT = clientIdentity("client");

/** Starts all services, each of which requires a client certificate. */
function startAll({ server: { cert, key } }: Certificates): Promise<DaemonProcess> {
  const tls = `tls = { cert = "${cert}", key = "${key}", client_ca = "${CLIENT_CA.clients}" }\n`;
  const more: Record<string, string> = {
    task: `beanstalk = "127.0.0.1:0"\ngenerator = { every = "1s" }\n`,
  };
  const sections = SERVICES.map(({ name }) => (
    `[${name}]\nenabled = true\nlisten = "127.0.0.1:0"\n${tls}${more[name] ?? ""}`
  ));
  return startDaemon({ config: `[storage]\nurl = "memory:"\n${sections.join("")}` });
}

function portOf(address: Address): number {
  return address.transport === "tcp" ? address.port : 0;
}

/** A port's reply to a text; "" if it does not let the client in. */
async function answer(files: Certificates, address: Address, text: string, identity: Identity) {
  const port = portOf(address);
  const options = { hostname: "localhost", port, caCerts: [files.ca], ...identity };
  using client = TestClient.of(await Deno.connectTls(options));
  try {
    await client.send(text);
    return await client.line();
  } catch {
    return "";
  }
}

/** The status of admin's reply; 0 if it does not let the client in. */
function status(files: Certificates, address: Address, identity: Identity): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const place = { host: "127.0.0.1", port: portOf(address), path: "/healthz" };
  const options = { ...place, servername: "localhost", ca: files.ca, agent: false as const };
  const sent = request({ ...options, ...identity }, (response) => {
    response.resume();
    resolve(response.statusCode!);
  });
  sent.on("error", () => resolve(0));
  sent.end();
  return within(60_000, "the status", promise);
}

Deno.test("client_ca: every port admits clients with a certificate, and no others", async () => {
  await using files = await makeCertificates();
  await using daemon = await startAll(files);
  const [push, beanstalk] = daemon.addresses("task") as [Address, Address];
  const ports: [Address, string, RegExp][] = [
    [daemon.address("echo"), "hello\n", /^hello\n$/],
    [daemon.address("kv"), "COUNT\n", /^VALUE 0\n$/],
    [daemon.address("kv"), "*1\r\n$4\r\nPING\r\n", /^\+PONG\r\n$/],
    [push, "", /^\d+\n$/],
    [beanstalk, "stats-tube default\r\n", /^(OK|NOT_FOUND)/],
    [daemon.address("mesh"), "STATUS\n", /^END\n$/],
  ];
  for (const [address, text, expected] of ports) {
    assert.match(await answer(files, address, text, CLIENT.pems), expected);
    assert.equal(await answer(files, address, text, undefined), "");
    assert.equal(await answer(files, address, text, clientIdentity("stranger").pems), "");
  }
  await daemon.loggedTimes("Client certificate rejected", 2 * ports.length);
  assert.equal(await status(files, daemon.address("admin"), CLIENT.pems), 200);
  assert.equal(await status(files, daemon.address("admin"), undefined), 0);
  assert.equal(await status(files, daemon.address("admin"), clientIdentity("stranger").pems), 0);
  await daemon.loggedTimes("Client certificate rejected", 2 * ports.length + 2);
});

Deno.test("client_ca: a Redis client with a certificate works as usual", async () => {
  await using files = await makeCertificates();
  await using daemon = await startAll(files);
  const redis = createClient({
    socket: {
      ...{ host: "localhost", port: portOf(daemon.address("kv")), tls: true, ca: files.ca },
      ...CLIENT.pems,
    },
  });
  redis.on("error", () => {});
  try {
    await within(60_000, "the connection", redis.connect());
    const value = "v".repeat(100_000);
    const keys = Array.from({ length: 50 }, (_, i) => `key:${i}`);
    await Promise.all(keys.map((key) => redis.set(key, value)));
    const values = await within(
      60_000,
      "the values",
      Promise.all(keys.map((key) => redis.get(key))),
    );
    assert.ok(values.every((one) => one === value));
  } finally {
    redis.destroy();
  }
});

Deno.test("quartet client, put and health present a certificate with --cert and --key", async () => {
  await using files = await makeCertificates();
  await using daemon = await startAll(files);
  const at = (address: Address) => formatAddress(address).replace("127.0.0.1", "localhost");
  const [, beanstalk] = daemon.addresses("task") as [Address, Address];
  const shown = ["--cert", CLIENT.files.cert, "--key", CLIENT.files.key];
  const trust = ["--ca", files.caFile];
  const echo = ["client", at(daemon.address("echo")), ...trust];
  const client = await runQuartet([...echo, ...shown], { stdin: "hello\n" });
  assert.deepEqual(client, { code: 0, stdout: "hello\n", stderr: "" });
  const refused = await runQuartet(echo, { stdin: "hello\n" });
  assert.equal(refused.stdout, "");
  // The client prints nothing if it was cut before the server read its line.
  assert.match(
    refused.stderr,
    /^(Connection lost: the server cut it off, and may require a client certificate\n)?$/,
  );
  const put = await runHere(["put", at(beanstalk), ...trust, ...shown, "12"]);
  assert.deepEqual([put.code, put.stderr], [0, ""]);
  const health = ["health", "--address", at(daemon.address("admin"))];
  const alive = await runHere([...health, ...trust, ...shown]);
  assert.deepEqual(alive, { code: 0, stdout: "alive\n", stderr: "" });
  assert.equal((await runHere([...health, ...trust])).code, 1);
  const half = await runHere([...echo, "--cert", CLIENT.files.cert]);
  assert.deepEqual([half.code, half.stderr.split("\n")[0]], [
    2,
    "quartet client: --cert needs --key",
  ]);
  const wrongKey = clientIdentity("stranger").files.key;
  const other = await runQuartet([...echo, "--cert", CLIENT.files.cert, "--key", wrongKey]);
  assert.match(other.stderr, /^Cannot use "\S+" for TLS: "\S+" is not its key\n$/);
});
