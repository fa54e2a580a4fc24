import assert from "node:assert/strict";
import { formatAddress } from "../../lib/net/address.ts";
import { makeCertificates } from "../support/certificates.ts";
import { TestClient } from "../support/client.ts";
import { runHere } from "../support/command_line.ts";
import { spawnDaemon, startDaemon, withOthersOff } from "../support/daemon.ts";
import { quartet, runQuartet } from "../support/quartet.ts";
import { signal } from "../support/signal.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { until, within } from "../support/within.ts";

const ECHO = '[echo]\nlisten = "127.0.0.1:0"\n';

/** Sends a line and expects it back. */
async function echo(client: TestClient, line: string): Promise<void> {
  await client.send(`${line}\n`);
  assert.equal(await client.line(), `${line}\n`);
}

Deno.test("serve: exits with 1 if a port is taken, naming the service and the address", async () => {
  await using first = await startDaemon({ config: ECHO });
  const address = formatAddress(first.address("echo"));
  await using second = await spawnDaemon({ config: `[echo]\nlisten = "${address}"\n` });
  assert.equal((await second.ended()).code, 1);
  assert.equal(
    second.log,
    `Cannot start echo: Cannot listen on ${address}: the address is taken by another program\n`,
  );
});

Deno.test("serve: exits with 78 on a faulty configuration, before anything starts", async () => {
  await using daemon = await spawnDaemon({ config: "[echo]\nlisten = 5\nqueu = 5\n" });
  assert.equal((await daemon.ended()).code, 78);
  assert.match(daemon.log, /^\S+quartet\.toml:2: echo\.listen: found 5, allowed is an address/);
  assert.match(daemon.log, /quartet\.toml:3: echo\.queu: unknown key, did you mean "queue"\?\n$/);
});

Deno.test("serve: exits with 0 on SIGTERM and on SIGINT", async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    await using daemon = await startDaemon({ config: ECHO });
    daemon.signal(signal);
    assert.equal((await daemon.ended()).code, 0);
    assert.match(daemon.log, /msg=Draining signal=SIG\w+\n(.*\n)*.*msg=Stopped\n$/);
  }
});

Deno.test("serve: a second SIGINT skips the drain", async () => {
  const slow = '[daemon]\ndrain_timeout = "1h"\n[echo]\nlisten = "127.0.0.1:0"\n';
  await using daemon = await startDaemon({ config: slow });
  using client = await TestClient.connect(daemon.address("echo"));
  // The client never reads, so flushing its output would take the whole drain_timeout.
  const line = `${"x".repeat(60_000)}\n`;
  const sent = (async () => {
    for (let i = 0; i < 300; i++) await client.send(line);
  })().catch((error) =>
    assert.ok(
      error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe,
      String(error),
    )
  );
  await daemon.logged(/msg="Client is slow"/);
  daemon.signal("SIGINT");
  await daemon.logged(/msg=Draining/);
  // A SIGINT within half a second counts as the first one, forwarded by a parent process.
  const again = setInterval(() => daemon.signal("SIGINT"), 100);
  try {
    assert.equal((await daemon.ended()).code, 130);
  } finally {
    clearInterval(again);
  }
  await sent;
});

/** Accepts connections and never answers, like a database in trouble. */
function listenMute(): { url: string } & Disposable {
  const mute = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `postgres://me:secret@127.0.0.1:${mute.addr.port}/db`;
  return { url, [Symbol.dispose]: () => mute.close() };
}

Deno.test("serve: a second SIGINT ends a start that hangs", async () => {
  using mute = listenMute();
  const task = '[task]\nlisten = "127.0.0.1:0"\nbeanstalk = "127.0.0.1:0"\n';
  const config = `${ECHO}[storage]\nurl = "${mute.url}"\n${task}`;
  await using daemon = await spawnDaemon({ config });
  await daemon.logged(/msg=Listening service=echo/);
  const again = setInterval(() => daemon.signal("SIGINT"), 100);
  try {
    assert.equal((await daemon.ended()).code, 130);
  } finally {
    clearInterval(again);
  }
});

Deno.test("serve: while kv loads, clients are told so, and SIGTERM ends the start", async () => {
  using mute = listenMute();
  const services = '[kv]\nlisten = "127.0.0.1:0"\n[admin]\nlisten = "127.0.0.1:0"\n';
  await using daemon = await spawnDaemon({
    config: `[storage]\nurl = "${mute.url}"\n${services}`,
  });
  await daemon.logged(/msg=Listening service=kv/);
  using redis = await TestClient.connect(daemon.address("kv"));
  await redis.send("PING\r\n");
  assert.equal(await redis.line(), "-LOADING quartet is loading the dataset in memory\r\n");
  using text = await TestClient.connect(daemon.address("kv"));
  await text.send("GET a\n");
  assert.equal(await text.line(), "ERR loading\n");
  const response = await fetch(`http://${formatAddress(daemon.address("admin"))}/readyz`);
  assert.equal(response.status, 503);
  assert.deepEqual(await response.json(), {
    ready: false,
    state: "starting",
    reasons: ["the daemon is starting", "kv: loading"],
  });
  daemon.signal("SIGTERM");
  assert.equal((await daemon.ended()).code, 0);
  assert.match(daemon.log, /msg="Stopped while starting" signal=SIGTERM\n$/);
  assert.doesNotMatch(daemon.log, /msg=Ready/);
});

Deno.test("serve: keeps running when its log cannot be written, as on a full disk", async () => {
  await using directory = await makeTempDirectory();
  const file = `${directory.path}/quartet.toml`;
  const path = `${directory.path}/echo.sock`;
  await Deno.writeTextFile(file, withOthersOff(`[echo]\nlisten = "unix:${path}"\n`));
  const child = new Deno.Command("sh", {
    args: ["-c", 'exec "$0" "$@" 2> /dev/full', Deno.execPath(), ...quartet().words, "serve"]
      .concat("--config", file),
    cwd: directory.path,
    stdin: "null",
    stdout: "null",
  }).spawn();
  try {
    // The file is there a moment before the socket listens.
    const connects = () =>
      Deno.connect({ transport: "unix", path }).then((conn) => (conn.close(), true), () => false);
    await until("it listens", connects);
    using client = await TestClient.connect({ transport: "unix", path });
    await echo(client, "hello");
    client.close();
  } finally {
    signal(child, "SIGTERM");
  }
  assert.equal((await child.status).code, 0);
});

Deno.test("serve: nothing waits for a reader of the log that has stopped", async () => {
  await using directory = await makeTempDirectory();
  const file = `${directory.path}/quartet.toml`;
  const [echoPath, adminPath] = ["echo", "admin"].map((name) => `${directory.path}/${name}.sock`);
  const config = `[echo]\nlisten = "unix:${echoPath}"\nmode = "confirm"\nmax_line = "1MiB"
    [admin]\nlisten = "unix:${adminPath}"\n`;
  await Deno.writeTextFile(file, withOthersOff(config));
  const { path, words } = quartet();
  const child = new Deno.Command(path, {
    args: [...words, "serve", "--config", file],
    cwd: directory.path,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let log = "";
  const logged = async (pattern: RegExp) => {
    while (!pattern.test(log)) {
      const { value } = await within(60_000, `${pattern} in the log`, reader.read());
      assert.ok(value !== undefined, "the log ended");
      log = (log + value).slice(-200_000);
    }
  };
  try {
    await logged(/msg=Ready/);
    using client = await TestClient.connect({ transport: "unix", path: echoPath! });
    const line = `${"x".repeat(1024 * 1024 - 2)}\n`;
    for (let sent = 0; sent < 20; sent++) {
      await client.send(line);
      assert.equal(await client.line(), "Message received.\n");
    }
    using admin = await TestClient.connect({ transport: "unix", path: adminPath! });
    await admin.send("GET /metrics HTTP/1.0\r\n\r\n");
    const lost = /quartet_log_lost_lines_total (\d+)/.exec(await admin.rest())?.[1];
    assert.ok(Number(lost) > 0, `lost lines: ${lost}`);
    await logged(new RegExp(`msg="Log lines were lost" lines=${lost}`));
    for (let sent = 0; sent < 20; sent++) {
      await client.send(line);
      assert.equal(await client.line(), "Message received.\n");
    }
  } finally {
    signal(child, "SIGTERM");
  }
  assert.equal((await within(60_000, "its end", child.status)).code, 0);
  await reader.cancel();
});

Deno.test("serve: a Ctrl-C that arrives twice, as through deno task, is one and drains", async () => {
  await using daemon = await startDaemon({ config: ECHO });
  using client = await TestClient.connect(daemon.address("echo"));
  // A connection that is not yet accepted is reset when the daemon stops listening.
  await echo(client, "before");
  await client.send("unfinished business\n");
  daemon.signal("SIGINT");
  daemon.signal("SIGINT");
  assert.equal(await client.rest(), "unfinished business\n");
  assert.equal((await daemon.ended()).code, 0);
});

Deno.test("serve: SIGHUP keeps the connections of unchanged services", async () => {
  await using daemon = await startDaemon({ config: ECHO });
  using client = await TestClient.connect(daemon.address("echo"));
  await echo(client, "before");
  await Deno.writeTextFile(daemon.configFile, withOthersOff(`[log]\nlevel = "debug"\n${ECHO}`));
  daemon.signal("SIGHUP");
  await daemon.logged(/msg=Reloaded/);
  await echo(client, "after");
  using second = await TestClient.connect(daemon.address("echo"));
  await echo(second, "second");
  await daemon.logged(/level=debug .*msg="Client connected"/);
});

Deno.test("serve: SIGHUP restarts a service whose section changed, and drains a disabled one", async () => {
  await using daemon = await startDaemon({ config: ECHO });
  using client = await TestClient.connect(daemon.address("echo"));
  await echo(client, "before");
  await Deno.writeTextFile(daemon.configFile, withOthersOff(`${ECHO}mode = "confirm"\n`));
  daemon.signal("SIGHUP");
  await daemon.logged(/msg=Reloaded/);
  assert.equal(await client.rest(), "");
  using second = await TestClient.connect(daemon.address("echo"));
  await second.send("hello\n");
  assert.equal(await second.line(), "Message received.\n");
  await Deno.writeTextFile(daemon.configFile, withOthersOff("[echo]\nenabled = false\n"));
  daemon.signal("SIGHUP");
  await daemon.logged(/msg=Reloaded(.*\n)*.*msg=Reloaded/);
  assert.equal(await second.rest(), "");
  await assert.rejects(TestClient.connect(daemon.address("echo")), Deno.errors.ConnectionRefused);
});

Deno.test("serve: SIGHUP with a faulty file changes nothing and logs the fault", async () => {
  await using daemon = await startDaemon({ config: ECHO });
  using client = await TestClient.connect(daemon.address("echo"));
  await echo(client, "before");
  await Deno.writeTextFile(daemon.configFile, "[echo]\nmode = 5\n");
  daemon.signal("SIGHUP");
  await daemon.logged(
    /msg="Not reloaded: the configuration is wrong" fault=".*echo\.mode: found 5/,
  );
  await echo(client, "after");
});

Deno.test("serve: keeps the old section running if the new one cannot start", async () => {
  await using other = await startDaemon({ config: ECHO });
  await using daemon = await startDaemon({ config: ECHO });
  const taken = formatAddress(other.address("echo"));
  await Deno.writeTextFile(daemon.configFile, withOthersOff(`[echo]\nlisten = "${taken}"\n`));
  daemon.signal("SIGHUP");
  await daemon.logged(/msg="Cannot apply the new configuration" error=".*is taken/);
  await daemon.logged(/msg=Reloaded/);
  using client = await TestClient.connect(daemon.address("echo"));
  await echo(client, "still here");
});

Deno.test("serve: listens on a unix socket and removes its file afterwards", async () => {
  await using daemon = await startDaemon({ config: '[echo]\nlisten = "unix:echo.sock"\n' });
  const path = `${daemon.directory}/echo.sock`;
  using client = await TestClient.connect({ transport: "unix", path });
  await echo(client, "over a file");
  client.close();
  assert.equal((await daemon.stop()).code, 0);
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("quartet: --help, --version, and errors in a command line", async () => {
  const help = await runHere(["--help"]);
  assert.equal(help.code, 0);
  for (const name of ["serve", "check", "init"]) {
    assert.match(help.stdout, new RegExp(`^  ${name} `, "m"));
  }
  assert.match(
    (await runHere(["serve", "--help"])).stdout,
    /^Usage: quartet serve \[--config FILE\]/,
  );
  assert.match((await runHere(["--version"])).stdout, /^quartet \d+\.\d+\.\d+\n$/);
  const cases: [string[], RegExp][] = [
    [["serv"], /unknown command "serv"; did you mean "serve"\?/],
    [["--versoin"], /unknown option "--versoin"; did you mean "--version"\?/],
    [["check", "--confg", "x"], /unknown option "--confg"; did you mean --config\?/],
    [["check", "--config"], /--config needs a FILE/],
    [["check", "more"], /unexpected "more"/],
  ];
  for (const [words, message] of cases) {
    const { code, stdout, stderr } = await runHere(words);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, message);
  }
});

Deno.test("quartet check: prints the effective configuration, or its faults with exit code 78", async () => {
  const good = await runQuartet(["check", "--set", "storage.url=postgres://me:secret@host/db"]);
  assert.equal(good.code, 0);
  assert.match(good.stdout, /\[echo\]\nenabled = true\n(?:\w.*\n)*listen = "127\.0\.0\.1:8080"/);
  assert.ok(!good.stdout.includes("secret"), good.stdout);
  const bad = await runQuartet(["check", "--set", "echo.queue=none"]);
  assert.equal(bad.code, 78);
  assert.match(bad.stderr, /^--set echo\.queue: found "none", allowed is a whole number/);
  assert.equal((await runHere(["check", "--config", "missing.toml"])).code, 78);
});

Deno.test("quartet init: writes the commented file, but does not overwrite one", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const file = `${directory}/config.toml`;
    assert.equal((await runHere(["init", file])).code, 0);
    assert.match(
      await Deno.readTextFile(file),
      /^#:schema quartet\.schema\.json\n\n# The configuration of quartet/,
    );
    assert.equal((await runHere(["check", "--config", file])).code, 0);
    await Deno.writeTextFile(file, "# mine\n");
    const again = await runHere(["init", file]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /it already exists; --force replaces it/);
    assert.equal(await Deno.readTextFile(file), "# mine\n");
    assert.equal((await runHere(["init", file, "--force"])).code, 0);
    assert.match(
      await Deno.readTextFile(file),
      /^#:schema quartet\.schema\.json\n\n# The configuration of quartet/,
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("serve: closes the debugger's port that SIGUSR1 opens, and keeps serving", async () => {
  await using daemon = await startDaemon({ config: ECHO });
  using client = await TestClient.connect(daemon.address("echo"));
  for (let times = 1; times <= 2; times++) {
    daemon.signal("SIGUSR1");
    await daemon.loggedTimes("SIGUSR1 had opened the debugger's port; it is closed again", times);
    await echo(client, "still there");
  }
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: 9229 }), /refused/);
});

Deno.test("serve: a drain accepts connections for drain_accept; a second SIGTERM changes nothing", async () => {
  const config = `[daemon]\ndrain_accept = "1500ms"\n${ECHO}[admin]\nlisten = "127.0.0.1:0"\n`;
  await using daemon = await startDaemon({ config });
  const admin = formatAddress(daemon.address("admin"));
  const ready = async () => {
    const response = await fetch(`http://${admin}/readyz`);
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await ready(), 200);
  daemon.signal("SIGTERM");
  await daemon.logged(/msg=Draining/);
  daemon.signal("SIGTERM");
  assert.equal(await ready(), 503);
  using client = await TestClient.connect(daemon.address("echo"));
  await echo(client, "still taken");
  assert.equal(await client.rest(), "");
  assert.equal((await daemon.ended()).code, 0);
});

Deno.test("serve: SIGHUP reloads certificates and keeps connections", async () => {
  await using files = await makeCertificates();
  const { cert, key } = files.server;
  const config = `${ECHO}tls = { cert = "${cert}", key = "${key}" }\n`;
  await using daemon = await startDaemon({ config });
  const { port } = daemon.address("echo") as { port: number };
  const options = { hostname: "localhost", port, caCerts: [files.ca] };
  using before = TestClient.of(await Deno.connectTls(options));
  await echo(before, "before");
  await files.renew();
  daemon.signal("SIGHUP");
  await daemon.logged(/msg=Reloaded/);
  await echo(before, "still here");
  using after = TestClient.of(await Deno.connectTls(options));
  await after.send("after\n");
  assert.equal(await before.line(), "after\n");
});
