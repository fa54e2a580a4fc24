import assert from "node:assert/strict";
import { formatAddress } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";
import { type DaemonProcess, startDaemon, withOthersOff } from "../support/daemon.ts";
import { runQuartet } from "../support/quartet.ts";

const ADMIN = '[admin]\nlisten = "127.0.0.1:0"\n';
const MEMORY = '[storage]\nurl = "memory:"\n';

/** A configuration with echo and kv on these ports. */
function ports(echo: number | string, kv: number | string): string {
  return `${MEMORY}${ADMIN}[echo]\nlisten = "127.0.0.1:${echo}"\n[kv]\nlisten = "127.0.0.1:${kv}"\n`;
}

/** Reloads a daemon with a new configuration. */
async function reload(daemon: DaemonProcess, config: string): Promise<void> {
  const times = daemon.log.split("msg=Reloaded").length;
  await Deno.writeTextFile(daemon.configFile, withOthersOff(config));
  daemon.signal("SIGHUP");
  await daemon.loggedTimes("msg=Reloaded", times);
}

async function readiness(daemon: DaemonProcess): Promise<unknown> {
  const reply = await fetch(`http://${formatAddress(daemon.address("admin"))}/readyz`);
  return (await reply.json()).reasons;
}

/** Switches a service as the admin page does; returns the status and the message. */
async function switchService(daemon: DaemonProcess, name: string, enabled: boolean) {
  const origin = `http://${formatAddress(daemon.address("admin"))}`;
  const reply = await fetch(`${origin}/services/${name}`, {
    method: "POST",
    headers: { origin },
    body: JSON.stringify({ enabled }),
  });
  const { message, error } = await reply.json();
  return { status: reply.status, text: message ?? error };
}

/** Asks a daemon what a reload would do; returns the exit code and what is printed. */
async function diff(daemon: DaemonProcess) {
  const admin = formatAddress(daemon.address("admin"));
  const { code, stdout, stderr } = await runQuartet(["check", "--diff", "--address", admin]);
  return [code, (stdout + stderr).trimEnd().split("\n")] as const;
}

/** Sends a line to a service and returns its reply. */
async function ask(daemon: DaemonProcess, service: string, line: string): Promise<string> {
  using client = await TestClient.connect(daemon.address(service));
  await client.send(`${line}\n`);
  return await client.line();
}

function portOf(daemon: DaemonProcess, service: string): number {
  const address = daemon.address(service);
  assert(address.transport === "tcp");
  return address.port;
}

Deno.test("reload: services can exchange their addresses", async () => {
  await using daemon = await startDaemon({ config: ports(0, 0) });
  const [echo, kv] = [portOf(daemon, "echo"), portOf(daemon, "kv")];
  await reload(daemon, ports(kv, echo));
  assert.deepEqual(await readiness(daemon), []);
  assert.deepEqual([portOf(daemon, "echo"), portOf(daemon, "kv")], [kv, echo]);
  assert.equal(await ask(daemon, "echo", "hello"), "hello\n");
  assert.equal(await ask(daemon, "kv", "PING"), "+PONG\r\n");
  // The address of a disabled service is free too, even for a service earlier in start order.
  await reload(daemon, ports(echo, 0).replace(/\[kv\][^[]*/, "[kv]\nenabled = false\n"));
  assert.deepEqual(await readiness(daemon), []);
  assert.equal(portOf(daemon, "echo"), echo);
});

Deno.test("reload: returning to the configuration still in force makes the daemon ready again", async () => {
  await using other = await startDaemon({ config: '[echo]\nlisten = "127.0.0.1:0"\n' });
  await using daemon = await startDaemon({ config: ports(0, 0) });
  await reload(daemon, ports(portOf(other, "echo"), 0));
  assert.match(String(await readiness(daemon)), /^echo: Cannot start echo: .* is taken by another/);
  await reload(daemon, ports(0, 0));
  assert.deepEqual(await readiness(daemon), []);
});

Deno.test("reload: a service that keeps its old section keeps requiring its token", async () => {
  await using other = await startDaemon({ config: '[echo]\nlisten = "127.0.0.1:0"\n' });
  const withToken = `${ADMIN}[echo]\nlisten = "0.0.0.0:0"\n` +
    '[auth.tokens.people]\nenv = "ECHO_TOKEN"\nservices = ["echo"]\n';
  const env = { ECHO_TOKEN: "open-sesame" };
  await using daemon = await startDaemon({ config: withToken, env });
  assert.equal(await ask(daemon, "echo", "hello"), "ERR AUTH token expected first\n");
  await reload(daemon, `${ADMIN}[echo]\nlisten = "127.0.0.1:${portOf(other, "echo")}"\n`);
  assert.match(String(await readiness(daemon)), /is taken by another/);
  assert.equal(await ask(daemon, "echo", "hello"), "ERR AUTH token expected first\n");
});

Deno.test("admin: refuses to switch on a service that other machines could use without a token", async () => {
  const config = `${MEMORY}${ADMIN}[echo]\nenabled = false\nlisten = "0.0.0.0:0"\n`;
  await using daemon = await startDaemon({ config });
  const { status, text } = await switchService(daemon, "echo", true);
  assert.equal(status, 409);
  assert.match(text, /^echo\.listen: other machines could connect to 0\.0\.0\.0:0 without a token/);
  assert.equal(daemon.addresses("echo").length, 0);
});

Deno.test("admin: switching one service does not restart another whose reload failed", async () => {
  await using other = await startDaemon({ config: '[echo]\nlisten = "127.0.0.1:0"\n' });
  await using daemon = await startDaemon({ config: ports(0, 0) });
  await reload(daemon, ports(portOf(other, "echo"), 0));
  using client = await TestClient.connect(daemon.address("echo"));
  await client.send("before\n");
  assert.equal(await client.line(), "before\n");
  for (const name of ["nobody", "constructor"]) {
    assert.equal((await switchService(daemon, name, false)).status, 400);
  }
  const { status, text } = await switchService(daemon, "kv", false);
  assert.deepEqual([status, text], [200, "kv is off until the next reload."]);
  await client.send("after\n");
  assert.equal(await client.line(), "after\n");
  assert.match(String(await readiness(daemon)), /^echo: Cannot start echo/);
  // Switching on a service that should run and still cannot must not make the daemon ready.
  assert.equal((await switchService(daemon, "echo", true)).status, 409);
  assert.match(String(await readiness(daemon)), /^echo: Cannot start echo/);
});

Deno.test("quartet check --diff: the daemon says what a reload would do, and changes nothing", async () => {
  await using daemon = await startDaemon({ config: ports(0, 0) });
  using client = await TestClient.connect(daemon.address("kv"));
  await client.send("PING\n");
  assert.equal(await client.line(), "+PONG\r\n");
  const changed = `${MEMORY}${ADMIN}[echo]\nlisten = "127.0.0.1:0"\nmax_clients = 5\n` +
    '[kv]\nlisten = "127.0.0.1:0"\nstorage = "sqlite:kv.db"\n[log]\nlevel = "debug"\n';
  await Deno.writeTextFile(daemon.configFile, withOthersOff(changed));
  assert.deepEqual(await diff(daemon), [3, [
    "echo   keeps running, with a new value of max_clients",
    "kv     restarts because of storage; closes 1 connection",
    "task   stays off",
    "mesh   stays off",
    "admin  keeps running",
    "log.level changes at once",
  ]]);
  await Deno.writeTextFile(daemon.configFile, withOthersOff(`${changed}x = 1\n`));
  const [code, [fault]] = await diff(daemon);
  assert.equal(code, 78);
  assert.match(fault!, /quartet\.toml:\d+: log\.x: unknown key/);
  await client.send("PING\n");
  assert.equal(await client.line(), "+PONG\r\n");
  assert.doesNotMatch(daemon.log, /Adjusted|Restarting|Not reloaded|Reloaded/);
  await reload(daemon, changed);
  assert.match(daemon.log, /Adjusted service=echo keys=max_clients/);
  assert.match(daemon.log, /Restarting service=kv keys=storage/);
});
