import assert from "node:assert/strict";
import { allConnected, ask, freeAddresses, jobEnd, nodeConfig } from "../mesh/support/daemons.ts";
import { selfSigned } from "../support/certificates.ts";
import { TestClient } from "../support/client.ts";
import { runHere } from "../support/command_line.ts";
import { startDaemon, withOthersOff } from "../support/daemon.ts";
import { usePostgres } from "../support/postgres.ts";
import { quartet, runQuartet } from "../support/quartet.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";

const server = usePostgres();

Deno.test("quartet permissions: its flags are enough for all services, and grant nothing else", async () => {
  await using directory = await makeTempDirectory();
  const file = `${directory.path}/some file.toml`;
  const services = ["echo", "kv", "task", "admin"].map((name) =>
    `[${name}]\nlisten = "127.0.0.1:0"\n`
  );
  services[2] += 'beanstalk = "127.0.0.1:0"\n';
  const config = withOthersOff(
    `[daemon]\ndata_dir = "${directory.path}/\${SUB}"\n${services.join("")}` +
      `[storage]\nurl = "sqlite:../elsewhere.db"\n`,
  );
  await Deno.writeTextFile(file, config);
  const { code, stdout } = await runQuartet(["permissions", "--config", file], {
    env: { SUB: "d" },
  });
  assert.equal(code, 0);
  const words = /^(.*?) '(.*)' (.*) (.*) (.*)\n$/.exec(stdout)!.slice(1);
  assert.equal(words[0], "--allow-net=127.0.0.1");
  const converting = [".converting", ".converting-journal", ".converting-shm", ".converting-wal"];
  const database = ["", "-journal", "-shm", "-wal", ...converting, ".lock", ".reserve", ".v1"]
    .map((end) => `${directory.path}/elsewhere.db${end}`).join();
  assert.equal(words[1], `--allow-read=${directory.path}/d,${database},${file}`);
  assert.equal(words[2], `--allow-write=${directory.path}/d,${database}`);
  assert.equal(words[3], "--allow-env=NOTIFY_SOCKET,SUB,WATCHDOG_USEC");
  assert.equal(words[4], "--allow-sys=statfs");
  await using daemon = await startDaemon({
    program: quartet(words),
    configFile: file,
    env: { SUB: "d" },
  });
  using client = await TestClient.connect(daemon.address("echo"));
  await client.send("hello\n");
  assert.equal(await client.line(), "hello\n");
  using kv = await TestClient.connect(daemon.address("kv"));
  await kv.send("PUT a b\nGET a\n");
  assert.equal(await kv.line(), "OK\n");
  assert.equal(await kv.line(), "VALUE b\n");
  daemon.signal("SIGHUP");
  await daemon.logged(/msg=Reloaded/);
  assert.equal((await daemon.stop()).code, 0);
  assert.ok(!daemon.log.includes("level=error"), daemon.log);
});

Deno.test("quartet permissions: its flags cover PostgreSQL, unix sockets, TLS and tokens", async () => {
  await using directory = await makeTempDirectory();
  const { path } = directory;
  const { cert, key } = selfSigned("shared");
  const tls = `tls = { cert = "${cert}", key = "${key}" }\n`;
  await Deno.writeTextFile(`${path}/token`, "open-sesame\n");
  await Deno.writeTextFile(
    `${path}/quartet.toml`,
    withOthersOff(`
      [daemon]
      data_dir = "${path}/data"
      [storage]
      url = "${await server.createDatabase()}"
      [auth.tokens.people]
      file = "${path}/token"
      services = ["kv"]
      [echo]
      listen = "127.0.0.1:0"
      ${tls}
      [kv]
      listen = "unix:${path}/kv.sock"
      [task]
      listen = "127.0.0.1:0"
      beanstalk = "unix:${path}/task.sock"
      [admin]
      listen = "unix:${path}/admin.sock"`),
  );
  const configFile = `${path}/quartet.toml`;
  const { stdout } = await runHere(["permissions", "--config", configFile]);
  const words = stdout.trim().split(" ");
  await using daemon = await startDaemon({ program: quartet(words), configFile });
  using kv = await TestClient.connect({ transport: "unix", path: `${path}/kv.sock` });
  await kv.send("AUTH open-sesame\nPUT a b\n");
  assert.equal(await kv.line(), "OK\n");
  assert.equal(await kv.line(), "OK\n");
  using task = await TestClient.connect({ transport: "unix", path: `${path}/task.sock` });
  await task.send("put 0 0 60 1\r\nx\r\n");
  assert.match(await task.line(), /^INSERTED /);
  daemon.signal("SIGHUP");
  await daemon.logged(/msg=Reloaded/);
  assert.equal((await daemon.stop()).code, 0);
  assert.ok(!daemon.log.includes("level=error"), daemon.log);
});

Deno.test("quartet permissions: its flags let two mesh daemons connect, and read their TLS files", async () => {
  const { cert, key } = selfSigned("shared");
  const addresses = freeAddresses(2);
  await using stack = new AsyncDisposableStack();
  const daemons = await Promise.all(addresses.map(async (_, node) => {
    const directory = stack.use(await makeTempDirectory());
    const file = `${directory.path}/quartet.toml`;
    const clientCa = `${directory.path}/clients.crt`;
    await Deno.copyFile(cert, clientCa);
    const tls = `dir = "${directory.path}/sort"\n` +
      `tls = { cert = "${cert}", key = "${key}", ca = "${cert}", client_ca = "${clientCa}" }\n`;
    const data = `[daemon]\ndata_dir = "${directory.path}/data"\n`;
    await Deno.writeTextFile(file, withOthersOff(data + nodeConfig(addresses, node, tls)));
    const { stdout } = await runQuartet(["permissions", "--config", file]);
    const words = stdout.trim().split(" ");
    assert.equal(words[0], `--allow-net=${addresses.toSorted().join(",")}`);
    const daemon = stack.use(await startDaemon({ program: quartet(words), configFile: file }));
    await Deno.writeTextFile(`${directory.path}/sort/in`, "b\na\n");
    return daemon;
  }));
  const pem = await Deno.readTextFile(cert);
  const ca = { ca: pem, cert: pem, key: await Deno.readTextFile(key) };
  await allConnected(daemons[0]!, ca);
  await ask(daemons[0]!, "SORT in out lines", ca);
  assert.equal(await jobEnd(daemons[0]!, 1, ca), "job 1 done in out records=4");
});

Deno.test("quartet permissions: a path that Deno's flags cannot express is an error", async () => {
  const words = ["permissions", "--set", "daemon.data_dir=/tmp/a,b"];
  const { code, stderr } = await runHere(words);
  assert.equal(stderr, `Cannot allow "/tmp/a,b": Deno's flags use the comma as a separator\n`);
  assert.equal(code, 1);
});
