/**
 * Tokens from a user's point of view: in the configuration, in files, and on the wire.
 *
 * @module
 */

import assert from "node:assert/strict";
import { formatAddress, parseAddress } from "../../lib/net/address.ts";
import { SERVICES } from "../../lib/services.ts";
import { makeCertificates } from "../support/certificates.ts";
import { TestClient } from "../support/client.ts";
import { runHere } from "../support/command_line.ts";
import { startDaemon } from "../support/daemon.ts";
import { quartet, runQuartet } from "../support/quartet.ts";
import { signal } from "../support/signal.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { within } from "../support/within.ts";

const TOKEN = "a-token-of-the-test";

/** A section `[auth]` with a token for a service. */
function auth(service: string, more = ""): string {
  return `[auth]\n${more}[auth.tokens.test]\nenv = "TEST_TOKEN"\nservices = ["${service}"]\n`;
}

/** Starts a worker, which is killed at the end of the scope. */
function startWorker(words: string[], env: Record<string, string> = {}): AsyncDisposable {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...quartet().words, "work", ...words],
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      signal(child, "SIGKILL");
      await child.status;
    },
  };
}

Deno.test("quartet put and work run jobs on both ports, with a token from a file, over TLS", async () => {
  await using certificates = await makeCertificates();
  await using directory = await makeTempDirectory();
  const { cert, key } = certificates.server;
  await using daemon = await startDaemon({
    config: `[storage]\nurl = "memory:"\n[task]\nlisten = "127.0.0.1:0"\n` +
      `beanstalk = "127.0.0.1:0"\ntube = "pushed"\ngenerator = { enabled = false }\n` +
      `tls = { cert = "${cert}", key = "${key}" }\n${auth("task")}`,
    env: { TEST_TOKEN: TOKEN },
  });

  const all = [...daemon.log.matchAll(/Listening service=task address=(\S+)/g)].map((m) => m[1]!);
  const [push, beanstalk] = all as [string, string];
  const [tokenFile, caFile] = [`${directory.path}/token`, `${directory.path}/ca.crt`];
  await Deno.writeTextFile(tokenFile, `${TOKEN}\n`);
  await Deno.writeTextFile(caFile, certificates.ca);
  const trust = ["--ca", caFile, "--token-file", tokenFile];
  await using _worker = startWorker([beanstalk, ...trust]);
  await using _pushed = startWorker([push, "--push", "--ca", caFile], { QUARTET_TOKEN: TOKEN });
  for (const tube of ["default", "pushed"]) {
    const put = await runHere(["put", beanstalk, ...trust, "--tube", tube, "--wait", "12"]);
    assert.equal(put.stderr, "");
    assert.equal(put.stdout, "144");
  }
  const stranger = await runQuartet(["put", beanstalk, "--ca", caFile, "12"], {
    env: { QUARTET_TOKEN: "wrong-token" },
  });
  assert.match(stranger.stderr, /Cannot log in: the server rejected the token/);
  assert.equal(stranger.code, 1);
  assert.ok(!daemon.log.includes(TOKEN) && !daemon.log.includes("wrong-token"), daemon.log);
});

Deno.test("quartet client sends a token first, and says if it is refused or not expected", async () => {
  await using daemon = await startDaemon({
    config: `[echo]\nlisten = "127.0.0.1:0"\n${auth("echo")}`,
    env: { TEST_TOKEN: TOKEN },
  });
  const address = formatAddress(daemon.address("echo"));
  const ask = (env: Record<string, string>, ...more: string[]) =>
    runQuartet(["client", address, ...more], { stdin: "hello\n", env });
  const right = await ask({ QUARTET_TOKEN: TOKEN });
  assert.deepEqual([right.stdout, right.stderr, right.code], ["hello\n", "", 0]);
  const wrong = await ask({ QUARTET_TOKEN: "wrong-token" });
  assert.match(wrong.stderr, /Cannot log in: the server said ERR wrong token/);
  assert.equal(wrong.code, 1);
  const missing = await ask({}, "--token-file", "/nowhere/token");
  assert.match(missing.stderr, /Cannot read "\/nowhere\/token"/);
  const blank = await ask({ QUARTET_TOKEN: "two words" });
  assert.match(blank.stderr, /Cannot use the token in QUARTET_TOKEN/);
  await using open = await startDaemon({ config: '[echo]\nlisten = "127.0.0.1:0"\n' });
  const unwanted = await runQuartet(["client", formatAddress(open.address("echo"))], {
    env: { QUARTET_TOKEN: TOKEN },
  });
  assert.match(unwanted.stderr, /Cannot log in: it does not expect a token/);
  assert.ok(!unwanted.stderr.includes(TOKEN));
});

Deno.test("quartet serve disconnects clients that send no token within login_timeout", async () => {
  await using daemon = await startDaemon({
    config: `[storage]\nurl = "memory:"\n[kv]\nlisten = "127.0.0.1:0"\n` +
      auth("kv", 'login_timeout = "3s"\n'),
    env: { TEST_TOKEN: TOKEN },
    args: ["--set", "log.level=debug"],
  });
  using inside = await TestClient.connect(daemon.address("kv"));
  await inside.send(`AUTH ${TOKEN}\n`);
  assert.equal(await inside.line(), "OK\n");
  using silent = await TestClient.connect(daemon.address("kv"));
  assert.equal(await silent.rest(), "");
  await daemon.logged(/Client presented no token in time/);
  await inside.send("COUNT\n");
  assert.equal(await inside.line(), "VALUE 0\n");
});

Deno.test("quartet serve disconnects the clients of an old token when a reload brings a new one", async () => {
  await using directory = await makeTempDirectory();
  const tokenFile = `${directory.path}/token`;
  await Deno.writeTextFile(tokenFile, "the-old-token\n");
  await using daemon = await startDaemon({
    config: `[echo]\nlisten = "127.0.0.1:0"\n[auth.tokens.test]\nfile = "${tokenFile}"\n` +
      `services = ["echo"]\n`,
  });
  using old = await TestClient.connect(daemon.address("echo"));
  await old.send("AUTH the-old-token\n");
  assert.equal(await old.line(), "OK\n");
  await Deno.writeTextFile(tokenFile, "the-new-token\n");
  daemon.signal("SIGHUP");
  await daemon.logged(/msg="?(Reloaded|Configuration reloaded)/i);
  using late = await TestClient.connect(daemon.address("echo"));
  await late.send("AUTH the-old-token\n");
  assert.equal(await late.rest(), "ERR wrong token\n");
  using fresh = await TestClient.connect(daemon.address("echo"));
  await fresh.send("AUTH the-new-token\nhello\n");
  assert.equal(await fresh.line(), "OK\n");
  assert.equal(await fresh.line(), "hello\n");
  assert.equal(await old.rest(), "");
});

Deno.test("every service with a token asks for it, at each of its addresses", async () => {
  const names = SERVICES.map(({ name }) => name);
  const sections = names.map((name) => (
    `[${name}]\nlisten = "127.0.0.1:0"\n${name === "task" ? 'beanstalk = "127.0.0.1:0"\n' : ""}`
  ));
  await using daemon = await startDaemon({
    config: `[storage]\nurl = "memory:"\n${sections.join("")}[auth.tokens.test]\n` +
      `env = "TEST_TOKEN"\nservices = ${JSON.stringify(names)}\n`,
    env: { TEST_TOKEN: TOKEN },
  });
  const found = [...daemon.log.matchAll(/Listening service=(\S+) address=(\S+)/g)];
  assert.deepEqual(new Set(found.map(([, name]) => name)), new Set(names));
  for (const [, name, address] of found) {
    if (name === "admin") {
      for (const path of ["/", "/metrics", "/state", "/consoles/echo"]) {
        const reply = await fetch(`http://${address}${path}`, { redirect: "manual" });
        await reply.body?.cancel();
        assert.ok([303, 401].includes(reply.status), `${path}: ${reply.status}`);
      }
      continue;
    }
    using client = await TestClient.connect(parseAddress(address!));
    await client.send("hello\r\n");
    await client.closeWrite();
    assert.match(await client.rest(), /^(-NOAUTH |ERR AUTH token |TOKEN_EXPECTED)/, `${name}`);
  }
});

/** Opens an echo console as the page does: returns its events and a way to send a line. */
async function openConsole(origin: string) {
  const response = await fetch(`${origin}/consoles/echo`, { headers: { origin } });
  const events = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const until = async (pattern: RegExp) => {
    while (!pattern.test(text)) {
      const { value, done } = await within(60_000, `${pattern} in ${text}`, events.read());
      if (done) throw new Error(`The events ended: ${text}`);
      text += value;
    }
    return pattern.exec(text)!;
  };
  const [, id] = await until(/"id":"([^"]+)"/);
  const say = async (line: string) => {
    const body = JSON.stringify({ line });
    const url = `${origin}/consoles/${id}`;
    const reply = await fetch(url, { method: "POST", headers: { origin }, body });
    await reply.body?.cancel();
  };
  return { until, say, close: () => events.cancel() };
}

Deno.test("the page's echo console has to send the token too", async () => {
  await using daemon = await startDaemon({
    config: `[admin]\nlisten = "127.0.0.1:0"\n[echo]\nlisten = "127.0.0.1:0"\n${auth("echo")}`,
    env: { TEST_TOKEN: TOKEN },
  });
  const origin = `http://${formatAddress(daemon.address("admin"))}`;
  const stranger = await openConsole(origin);
  await stranger.until(/"asksForToken":true/);
  await stranger.say("hello");
  await stranger.until(/ERR AUTH token expected first[^]*event: left/);
  await stranger.close();
});

Deno.test("the page's echo console works over TLS, also after the certificate has changed", async () => {
  await using certificates = await makeCertificates();
  const { cert, key } = certificates.server;
  await using daemon = await startDaemon({
    config: `[admin]\nlisten = "127.0.0.1:0"\n[echo]\nlisten = "127.0.0.1:0"\n` +
      `tls = { cert = "${cert}", key = "${key}" }\n${auth("echo")}`,
    env: { TEST_TOKEN: TOKEN },
  });
  const origin = `http://${formatAddress(daemon.address("admin"))}`;
  const first = await openConsole(origin);
  await first.say(`AUTH ${TOKEN}`);
  await first.until(/"lines":\["OK"\]/);
  await certificates.renew();
  daemon.signal("SIGHUP");
  await daemon.logged(/msg="?(Reloaded|Configuration reloaded)/i);
  const second = await openConsole(origin);
  await second.say(`AUTH ${TOKEN}`);
  await second.until(/"lines":\["OK"\]/);
  const { hostname, port } = daemon.address("echo") as { hostname: string; port: number };
  using client = TestClient.of(
    await Deno.connectTls({ hostname, port, caCerts: [certificates.ca] }),
  );
  await client.send(`AUTH ${TOKEN}\nfrom outside\n`);
  assert.equal(await client.line(), "OK\n");
  for (const console of [first, second]) await console.until(/from outside/);
  await second.say("from the page");
  assert.equal(await client.line(), "from outside\n");
  assert.equal(await client.line(), "from the page\n");
  await first.until(/from the page/);
  for (const console of [first, second]) await console.close();
});
