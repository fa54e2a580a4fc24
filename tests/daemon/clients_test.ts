/**
 * The list of clients that each service offers, with clients of every protocol.
 *
 * @module
 */

import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { Daemon } from "../../lib/daemon/daemon.ts";
import type { ClientsJson } from "../../lib/net/client_list.ts";
import { RecentLog } from "../../lib/recent_log.ts";
import { SERVICES } from "../../lib/services.ts";
import { TestClient } from "../support/client.ts";
import { TestLog } from "../support/log.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { until } from "../support/within.ts";

const CONFIG = `
  [storage]
  url = "memory:"
  [echo]
  listen = "127.0.0.1:0"
  nats = "127.0.0.1:0"
  websocket = "127.0.0.1:0"
  [kv]
  listen = "127.0.0.1:0"
  [task]
  listen = "127.0.0.1:0"
  beanstalk = "127.0.0.1:0"
  generator = { enabled = false }
  [mesh]
  listen = "127.0.0.1:0"
  nodes = ["127.0.0.1:1"]
  [admin]
  listen = "127.0.0.1:0"`;

Deno.test("every service lists its clients with protocol, name and state", async () => {
  await using started = await start(CONFIG);
  const { daemon, clients, connect } = started;
  const listed = async (service: string) => {
    const list = await daemon.running.get(service)!.queries!["clients"]!({}) as ClientsJson;
    return list.clients.map(({ protocol, name, state }) => `${protocol}|${name}|${state}`).sort();
  };
  async function assertListed(service: string, wanted: string[]): Promise<void> {
    let last: string[] = [];
    const isSame = async () => {
      last = await listed(service);
      return last.join() === wanted.sort().join();
    };
    await until(`${service} lists ${wanted.join()}`, isSame, 20_000).catch((error) => {
      throw new Error(`${error.message}, but: ${last.join()}`);
    });
  }

  await connect("echo", 0, "hello\nhal");
  await connect("echo", 1, 'CONNECT {"name":"tram 4"}\r\nSUB a.> 1\r\n');
  await connect("echo", 1, "");
  await connect(
    "echo",
    2,
    "GET /nats HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  clients.use(consoleOf(daemon));
  await assertListed("echo", [
    "lines||idle",
    "lines||sends a request",
    "NATS|tram 4|waits for messages",
    "NATS||idle",
    "NATS, WebSocket||idle",
  ]);

  await connect("kv", 0, "CLIENT SETNAME till-3\r\nSUBSCRIBE news\r\n");
  await connect("kv", 0, "CLIENT SETINFO LIB-NAME redis-py\r\n");
  await connect("kv", 0, "MONITOR\r\n");
  await connect("kv", 0, "FOLLOW app:\n");
  await connect("kv", 0, "COUNT\n");
  await connect("kv", 0, "");
  await assertListed("kv", [
    "Redis|till-3|waits for messages",
    "Redis|redis-py|idle",
    "Redis||watches commands",
    "text||waits for changes",
    "text||idle",
    "||idle",
  ]);

  await connect("task", 0, "");
  await connect("task", 1, "watch mail\r\nreserve\r\n");
  await connect("task", 1, "stats\r\n");
  await assertListed("task", [
    "push||waits for a job",
    "beanstalk||waits for a job",
    "beanstalk||idle",
  ]);

  await connect("mesh", 0, "STATUS\n");
  await assertListed("mesh", ["console||idle"]);
  await connect("admin", 0, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  await assertListed("admin", ["HTTP||idle"]);
});

/** A console of echo, as the admin page opens it. */
function consoleOf(daemon: Daemon): Disposable {
  const connection = daemon.running.get("echo")!.console!.connect();
  return { [Symbol.dispose]: () => connection.close() };
}

/** Starts all services, and connects clients that are closed in the end. */
async function start(config: string) {
  const directory = await makeTempDirectory();
  const text = `daemon.data_dir = "${directory.path}/data"\n${config}`;
  const env = (name: string) => `secret-of-${name}`;
  const source = { file: "q.toml", text, overrides: [], env, readFile: () => "" };
  const log = new TestLog();
  const daemon = await Daemon.start(loadConfig(source, SERVICES).config, {
    services: SERVICES,
    createLog: () => log.log,
    recentLog: new RecentLog(),
  });
  const clients = new AsyncDisposableStack();
  clients.use(directory);
  clients.defer(() => daemon.drain(0));
  async function connect(service: string, port: number, words: string): Promise<TestClient> {
    const client = await TestClient.connect(daemon.running.get(service)!.addresses[port]!);
    clients.use(client);
    await client.send(Uint8Array.from(words, (byte) => byte.charCodeAt(0)));
    return client;
  }
  const dispose = () => clients.disposeAsync();
  return { daemon, clients, connect, [Symbol.asyncDispose]: dispose };
}

const HANDSHAKE =
  "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/** A message of one line, masked with zeros. */
const FRAME = "\x81\x81\0\0\0\0a";

const NATS_HANDSHAKE = HANDSHAKE.replace("GET /", "GET /nats");

const NATS_FRAME = "\x82\x86\0\0\0\0PING\r\n";

const GET = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/** Two requests of each protocol. */
const REQUESTS: [service: string, port: number, first: string, second: string][] = [
  ["echo", 0, "a\n", "b\n"],
  ["echo", 1, "PING\r\n", "PUB a 1\r\nx\r\n"],
  ["echo", 2, HANDSHAKE, FRAME],
  ["echo", 2, NATS_HANDSHAKE, NATS_FRAME],
  ["kv", 0, "PING\r\n", "GET a\r\n"],
  ["kv", 0, "COUNT\n", "GET a\n"],
  ["task", 0, "a\n", "b\n"],
  ["task", 1, "use a\r\n", "use b\r\n"],
  ["admin", 0, GET, GET],
];

Deno.test("rate_limit: each protocol counts its requests", async () => {
  const limits = 'rate_limit = "1/d"\n  rate_burst = 2';
  const proxied = 'proxy_protocol = ["127.0.0.1"]\n  insecure = true';
  const config = CONFIG.replaceAll(
    /\[(echo|kv|task|mesh|admin)\]/g,
    (header, name) => `${header}\n  ${limits}\n  ${name === "mesh" ? "" : proxied}`,
  );
  await using started = await start(config);
  const { daemon, connect } = started;
  const stateOf = async (service: string, host: string, bytes: number) => {
    const all = await clientsOf(daemon, service);
    return all.find(({ address, receivedBytes }) =>
      address.startsWith(`${host}:`) && receivedBytes === bytes
    )?.state;
  };
  async function assertState(service: string, host: string, words: string, held: boolean) {
    const what = `${JSON.stringify(words)} is ${held ? "over" : "within"} the limit of ${service}`;
    await until(what, async () => {
      const state = await stateOf(service, host, words.length);
      return state !== undefined && (state === "is over its rate limit") === held;
    }, 20_000);
  }
  let client = 0;
  const header = (host: string) => `PROXY TCP4 ${host} 10.0.0.1 999 1\r\n`;
  for (const [service, port, first, second] of REQUESTS) {
    const one = `10.1.0.${++client}`, two = `10.2.0.${client}`;
    await connect(service, port, header(one) + first);
    await assertState(service, one, first, false);
    await connect(service, port, header(two) + first + second);
    await assertState(service, two, first + second, true);
  }
  // mesh takes no headers, so both connections have one address.
  await connect("mesh", 0, "NODES\n");
  await assertState("mesh", "127.0.0.1", "NODES\n", false);
  await connect("mesh", 0, "STATUS\n");
  await assertState("mesh", "127.0.0.1", "STATUS\n", true);
});

Deno.test("rate_limit: a client that is held back is not taken for a dead one", async () => {
  const config = CONFIG.replace(
    "[echo]",
    `[echo]
    rate_limit = "1/d"
    rate_burst = 2
    ping_interval = "20ms"
    insecure = true
    proxy_protocol = ["127.0.0.1"]`,
  );
  await using started = await start(config);
  const { daemon, connect } = started;
  const header = (host: string) => `PROXY TCP4 ${host} 10.0.0.1 999 1\r\n`;
  const nats = "PUB a 1\r\nx\r\nPUB a 1\r\nx\r\n";
  await connect("echo", 1, header("10.1.0.1") + nats);
  await connect("echo", 2, header("10.1.0.2") + HANDSHAKE + FRAME);
  await connect("echo", 2, header("10.1.0.5") + NATS_HANDSHAKE + NATS_FRAME);
  const heldBack = async () => {
    const held = (await clientsOf(daemon, "echo"))
      .filter(({ state }) => state === "is over its rate limit");
    return held.map(({ address }) => address.split(":")[0]).sort().join();
  };
  const all = "10.1.0.1,10.1.0.2,10.1.0.5";
  await until("all are held back", async () => await heldBack() === all);
  // By the time that two silent ones in a row are found dead, these would have been, too.
  for (const [i, port] of [1, 1, 2, 2].entries()) {
    // An address of its own, or it would be held back as well.
    const words = header(`10.1.1.${i}`) + (port === 2 ? HANDSHAKE : "");
    const silent = await connect("echo", port, words);
    await silent.rest();
  }
  assert.equal(await heldBack(), all);
});

/** A login with a token and two requests, in each protocol. */
const LOGINS: [service: string, port: number, words: (token: string) => string][] = [
  ["echo", 0, (token) => `AUTH ${token}\na\nb\n`],
  ["echo", 1, (token) => `CONNECT {"auth_token":"${token}"}\r\nPING\r\nPING\r\n`],
  ["echo", 2, (token) => bearing(HANDSHAKE, token) + FRAME + FRAME],
  ["kv", 0, (token) => `AUTH ${token}\r\nPING\r\nGET a\r\n`],
  ["kv", 0, (token) => `AUTH ${token}\nCOUNT\nGET a\n`],
  ["task", 0, (token) => `AUTH ${token}\na\nb\n`],
  ["task", 1, (token) => `auth ${token}\r\nuse a\r\nuse b\r\n`],
  ["mesh", 0, (token) => `AUTH ${token}\nNODES\nNODES\n`],
  ["admin", 0, (token) => bearing(GET.replace("healthz", "state"), token)],
];

function bearing(request: string, token: string): string {
  return request.replace("\r\n\r\n", `\r\nAuthorization: Bearer ${token}\r\n\r\n`);
}

Deno.test("token_rate_limit: each protocol tells with which token its client is logged in", async () => {
  const limits = 'token_rate_limit = "1/d"\n  token_rate_burst = 2';
  const services = '["echo", "kv", "task", "mesh", "admin"]';
  const tokens = LOGINS.map((_, i) =>
    `[auth.tokens.t${i}]\n  env = "TOKEN_${i}"\n  services = ${services}\n`
  );
  const config = CONFIG.replaceAll(/\[(?!storage|")\w+\]/g, (header) => `${header}\n  ${limits}`);
  await using started = await start(config + "\n" + tokens.join(""));
  const { daemon, connect } = started;
  for (const [i, [service, port, words]] of LOGINS.entries()) {
    const shown = words(`secret-of-TOKEN_${i}`);
    const client = await connect(service, port, shown);
    await until(`the token is over its limit: ${words("…")}`, async () => {
      // Over HTTP each request has the token, and the next read begins before it is checked.
      if (service === "admin") await client.send(shown);
      const states = (await clientsOf(daemon, service)).map(({ state }) => state);
      return states.includes("is over its rate limit");
    }, 20_000);
    for (const { id } of await clientsOf(daemon, service)) {
      await daemon.running.get(service)!.actions!["disconnect"]!({ client: id });
    }
  }
});

async function clientsOf(daemon: Daemon, service: string): Promise<ClientsJson["clients"]> {
  const list = await daemon.running.get(service)!.queries!["clients"]!({}) as ClientsJson;
  return list.clients;
}
