/**
 * The list of clients that each service offers, with clients of every protocol.
 *
 * @module
 */

import { loadConfig } from "../../lib/config/load.ts";
import { Daemon } from "../../lib/daemon/daemon.ts";
import type { ClientsJson } from "../../lib/net/client_list.ts";
import { RecentLog } from "../../lib/recent_log.ts";
import { SERVICES } from "../../lib/services.ts";
import { TestClient } from "../support/client.ts";
import { TestLog } from "../support/log.ts";
import { makeTempDirectory } from "../support/quartet.ts";
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
  await using directory = await makeTempDirectory();
  const text = `daemon.data_dir = "${directory.path}/data"\n${CONFIG}`;
  const source = { file: "q.toml", text, overrides: [], env: () => undefined, readFile: () => "" };
  const log = new TestLog();
  const daemon = await Daemon.start(loadConfig(source, SERVICES).config, {
    services: SERVICES,
    createLog: () => log.log,
    recentLog: new RecentLog(),
  });
  await using clients = new AsyncDisposableStack();
  clients.defer(() => daemon.drain(0));
  async function connect(service: string, port: number, words: string): Promise<void> {
    const client = await TestClient.connect(daemon.running.get(service)!.addresses[port]!);
    clients.use(client);
    await client.send(words);
  }
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
