import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { Daemon } from "../../lib/daemon/daemon.ts";
import { echo } from "../../lib/echo/mod.ts";
import { RecentLog } from "../../lib/recent_log.ts";
import type { DaemonView, Service } from "../../lib/service.ts";
import { makeCertificates } from "../support/certificates.ts";
import { SERVICES } from "../../lib/services.ts";
import { TestClient } from "../support/client.ts";
import { TestLog } from "../support/log.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { until, within } from "../support/within.ts";

Deno.test("Daemon.reload() fails while a certificate cannot be read again, and the service says why", async () => {
  await using files = await makeCertificates();
  await using directory = await makeTempDirectory();
  let view: DaemonView | undefined;
  // Shows the daemon as the services see it.
  const service: Service = {
    ...echo as Service,
    start: (section, context) => {
      view = context.daemon;
      return (echo as Service).start(section, context);
    },
  };
  const text = `
    [daemon]
    data_dir = "${directory.path}/data"
    [echo]
    listen = "127.0.0.1:0"
    tls = { cert = "${files.server.cert}", key = "${files.server.key}" }`;
  const source = { file: "q.toml", text, env: () => undefined, readFile: () => "" };
  const { config } = loadConfig(source, [service]);
  const log = new TestLog();
  const daemon = await Daemon.start(config, {
    services: [service],
    createLog: () => log.log,
    recentLog: new RecentLog(),
  });
  try {
    const problems = () => view!.services().flatMap((one) => one.problems());
    await Deno.remove(files.server.key);
    await daemon.reload(config);
    assert.equal(view!.lastReload.successful, false);
    assert.match(problems().join(), /the old ones stay in use: Cannot read ".*" for TLS: no such/);
    assert.equal(log.matching("Cannot read files again").length, 1);
    assert.ok(view!.services()[0]!.running, "it goes on with the old certificate");
    await files.renew();
    await daemon.reload(config);
    assert.equal(view!.lastReload.successful, true);
    assert.deepEqual(problems(), []);
  } finally {
    await daemon.drain(0);
  }
});

Deno.test("Daemon.reload() changes limits without closing connections", async () => {
  await using directory = await makeTempDirectory();
  const configOf = (keys: string, extra: Record<string, string> = {}) => {
    const sections = SERVICES.map(({ name }) =>
      `[${name}]\nlisten = "127.0.0.1:0"\n${keys}\n${extra[name] ?? ""}\n`
    );
    const text = `[daemon]\ndata_dir = "${directory.path}/data"
      [storage]\nurl = "memory:"\n${sections.join("")}`;
    return loadConfig({ file: "q.toml", text, env: () => undefined, readFile: () => "" }, SERVICES)
      .config;
  };
  const fixed = {
    echo: 'websocket = "127.0.0.1:0"\nnats = "127.0.0.1:0"\n',
    task: 'beanstalk = "127.0.0.1:0"\ngenerator = { enabled = false }\n',
  };
  const log = new TestLog();
  const daemon = await Daemon.start(configOf("", fixed), {
    services: SERVICES,
    createLog: () => log.log,
    recentLog: new RecentLog(),
  });
  const clients: TestClient[] = [];
  const connect = async (service: string, port = 0) => {
    const client = await TestClient.connect(daemon.running.get(service)!.addresses[port]!);
    clients.push(client);
    return client;
  };
  const ask = async (client: TestClient, line: string) => {
    await client.send(`${line}\r\n`);
    return (await client.line()).trimEnd();
  };
  const upgrade = async (origin: string) => {
    const client = await connect("echo", 2);
    await client.send(
      "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" +
        `Origin: ${origin}\r\n\r\n`,
    );
    return (await client.line()).slice(9, 12);
  };
  try {
    const echo = await connect("echo");
    const kv = await connect("kv");
    const beanstalk = await connect("task", 1);
    const mesh = await connect("mesh");
    const admin = await connect("admin");
    assert.equal(await ask(kv, "CONFIG SET maxmemory 7mb"), "+OK");
    assert.equal(await ask(kv, "SET a 12345"), "+OK");
    assert.equal(await ask(echo, "before"), "before");
    assert.equal(await ask(beanstalk, "use mails"), "USING mails");
    assert.match(await ask(mesh, "RETRY 1"), /^ERR/);
    assert.equal(await ask(beanstalk, "put 1 0 60 3\r\nabc"), "INSERTED 1");
    const next = configOf("max_clients = 1", {
      echo: `${fixed.echo} origins = ["http://chat.example"]
        max_line = "9B"\nmax_payload = "9B"\nping_interval = "1h"\nhandshake_first = "1s"
        history = 3\nreply = "No."`,
      kv: `max_value = "4B"\nmax_memory_policy = "allkeys-lru"
        script_timeout = "30ms"\nscript_memory = "4MiB"`,
      task: `${fixed.task}
        max_line = "1KiB"\nmax_job_size = "5B"\nmax_jobs = 2\nmax_memory = "2MiB"\nmax_tubes = 9
        max_results = 9\nresult_ttl = "2h"\nevents = true\nmax_attempts = 3\nbackoff = "1s"
        max_backoff = "2s"\nmax_reserved = 2\nrate = "9/s"\nburst = 5
        [task.tubes.mails]\nmax_reserved = 1\n[[task.schedule]]\nname = "often"\nevery = "1s"
        tube = "often"`,
      mesh: `memory = "64MiB"\nmax_line = "1KiB"\ndial_timeout = "2s"\nstall_timeout = "2s"
        max_queue = 1`,
      admin: 'max_body = "1KiB"',
    });
    await daemon.reload(next);
    // "often" has put its job, although the queue was not opened again.
    await until("a schedule has begun", async () => (await ask(beanstalk, "peek 2"))[0] === "F");
    assert.equal(await beanstalk.line(), "\r\n");
    assert.equal(await ask(beanstalk, "peek 1"), "FOUND 1 3");
    assert.equal(await beanstalk.line(), "abc\r\n");
    assert.equal(await ask(beanstalk, "put 1 0 60 6\r\nabcdef"), "JOB_TOO_BIG");
    assert.equal(await ask(beanstalk, "put 1 0 60 3\r\nabc"), "OUT_OF_MEMORY");
    assert.equal(await ask(echo, "ten bytes!"), "ERR line too long (limit 9 bytes)");
    assert.equal(await ask(echo, "after"), "after");
    assert.equal(await ask(beanstalk, "use calls"), "USING calls");
    assert.match(await ask(mesh, "RETRY 1"), /^ERR/);
    assert.equal(await upgrade("http://chat.example"), "101");
    await kv.send("CONFIG GET maxmemory\r\nCONFIG GET maxmemory-policy\r\n");
    for (const line of ["*2", "$9", "maxmemory", "$7", String(7 * 1024 ** 2)]) {
      assert.equal((await kv.line()).trimEnd(), line, "the file has not changed it");
    }
    for (const line of ["*2", "$16", "maxmemory-policy", "$11", "allkeys-lru"]) {
      assert.equal((await kv.line()).trimEnd(), line);
    }
    for (
      const [service, port, reply] of [
        ["echo", 0, "ERR server full"],
        ["kv", 0, "-ERR max number of clients reached"],
        ["task", 1, "OUT_OF_MEMORY"],
        ["mesh", 0, "ERR server full"],
      ] as const
    ) {
      assert.equal((await (await connect(service, port)).rest()).trimEnd(), reply);
    }
    assert.equal(await (await connect("admin")).rest(), "");
    await admin.send("GET /healthz HTTP/1.0\r\n\r\n");
    assert.match(await admin.rest(), /^HTTP\/1.1 200/);
    await kv.send("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\n");
    assert.match(await kv.rest(), /^-ERR Protocol error: invalid bulk length/);
    await daemon.reload(next);
    assert.equal(log.matching("msg=Adjusted").length, SERVICES.length);
    assert.match(
      log.matching("service=kv keys=").join(),
      /keys=\S*max_value,max_memory_policy/,
    );
  } finally {
    for (const client of clients) client.close();
    await daemon.drain(0);
  }
});

Deno.test("Daemon.reload() closes the connections of tokens that are gone or changed", async () => {
  await using directory = await makeTempDirectory();
  const services = SERVICES.filter(({ name }) => ["echo", "kv"].includes(name));
  const configOf = (tokens: Record<string, string>, onRevoke = "close") => {
    const text = `[daemon]\ndata_dir = "${directory.path}/data"\n[storage]\nurl = "memory:"
      [echo]\nlisten = "127.0.0.1:0"\nwebsocket = "127.0.0.1:0"\n[kv]\nlisten = "127.0.0.1:0"
      [auth]\non_revoke = "${onRevoke}"\n` +
      Object.entries(tokens).map(([name, opened]) =>
        `[auth.tokens.${name}]\nenv = "${name}"\nservices = ${opened}\n`
      ).join("");
    const env = (name: string) => `the-token-${name}`;
    return loadConfig({ file: "q.toml", text, env, readFile: () => "" }, services).config;
  };
  const log = new TestLog();
  const daemon = await Daemon.start(configOf({ a: '["echo", "kv"]', b: '["kv"]' }), {
    services,
    createLog: () => log.log,
    recentLog: new RecentLog(),
  });
  const clients: TestClient[] = [];
  const connect = async (service: string, first: string, port = 0) => {
    const client = await TestClient.connect(daemon.running.get(service)!.addresses[port]!);
    clients.push(client);
    await client.send(`${first}\r\n`);
    return [client, (await client.line()).trimEnd()] as const;
  };
  const ask = async (client: TestClient, line: string) => {
    await client.send(`${line}\r\n`);
    return (await client.line()).trimEnd();
  };
  try {
    const [kvA, ok] = await connect("kv", "AUTH default the-token-a");
    const [kvB] = await connect("kv", "AUTH the-token-b");
    const [echoA] = await connect("echo", "AUTH the-token-a");
    const [webA, status] = await connect(
      "echo",
      "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" +
        "Authorization: Bearer the-token-a\r\n",
      1,
    );
    assert.deepEqual([ok, status], ["+OK", "HTTP/1.1 101 Switching Protocols"]);
    const pending = await TestClient.connect(daemon.running.get("kv")!.addresses[0]!);
    clients.push(pending);
    assert.equal(await ask(pending, "PING"), "-NOAUTH Authentication required.");

    await daemon.reload(configOf({ a: '["echo"]', c: '["kv"]' }, "keep"));
    assert.equal(await ask(kvA, "PING"), "+PONG");
    await daemon.reload(configOf({ a: '["echo"]', b: '["kv"]' }));
    await kvA.rest();
    assert.equal(await ask(kvB, "PING"), "+PONG");
    assert.equal(await ask(echoA, "hello"), "hello");
    assert.equal(
      await ask(pending, "AUTH the-token-c"),
      "-WRONGPASS invalid username-password pair or user is disabled.",
    );
    assert.equal(await ask(pending, "AUTH the-token-b"), "+OK");
    await daemon.reload(
      configOf({ a: '{ echo = { publish = [">"], subscribe = [">"] } }', c: '["kv"]' }),
    );
    await kvB.rest();
    await pending.rest();
    await echoA.rest();
    // Sooner than a client that answers no ping is dropped.
    await within(60_000, "the end of the WebSocket", webA.rest());
    const [again] = await connect("echo", "AUTH the-token-a");
    await daemon.reload(configOf({ a: '{ echo = { publish = [">"], subscribe = [">"] } }' }));
    assert.equal(await ask(again, "still here"), "still here");
    assert.match(log.matching("token was revoked or changed").join(), /token=b/);
  } finally {
    for (const client of clients) client.close();
    await daemon.drain(0);
  }
});
