import assert from "node:assert/strict";
import { formatAddress } from "../../lib/net/address.ts";
import { makeCertificates } from "../support/certificates.ts";
import { TestClient } from "../support/client.ts";
import { startDaemon } from "../support/daemon.ts";
import { runHere } from "../support/command_line.ts";
import { freePort } from "../support/ports.ts";
import { quartet, runQuartet } from "../support/quartet.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { HAS_SCRIPT, TestTerminal } from "../support/terminal.ts";
import { within } from "../support/within.ts";

const ECHO = '[echo]\nlisten = "127.0.0.1:0"\n';

/** Starts a server on a free port that runs `handle` for each connection. */
function serve(handle: (conn: Deno.TcpConn) => Promise<void>): Disposable & { address: string } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  (async () => {
    for await (const conn of listener) {
      handle(conn).finally(() => conn.close()).catch(() => {});
    }
  })();
  return {
    address: `127.0.0.1:${listener.addr.port}`,
    [Symbol.dispose]: () => listener.close(),
  };
}

/** Reads until the other side closes its sending side. */
async function readAll(conn: Deno.TcpConn): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65_536);
  for (let count; (count = await conn.read(buffer)) !== null;) {
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  return text;
}

Deno.test("client: sends standard input and prints the answers until the server closes", async () => {
  await using daemon = await startDaemon({ config: ECHO });
  const address = formatAddress(daemon.address("echo"));
  const { code, stdout, stderr } = await runQuartet(["client", address], {
    stdin: "one\r\ntwo\n\nlast without a newline",
  });
  assert.equal(stdout, "one\r\ntwo\n\nlast without a newline\n");
  assert.equal(stderr, "");
  assert.equal(code, 0);
});

Deno.test("client: sends and prints more than a buffer holds", async () => {
  await using daemon = await startDaemon({ config: `${ECHO}mode = "confirm"\nreply = "ok"\n` });
  const address = formatAddress(daemon.address("echo"));
  const lines = 20_000;
  const { code, stdout } = await runQuartet(["client", address], {
    stdin: "x".repeat(99).concat("\n").repeat(lines),
  });
  assert.equal(stdout, "ok\n".repeat(lines));
  assert.equal(code, 0);
});

Deno.test("client: prints any bytes unchanged", async () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  using server = serve(async (conn) => {
    await readAll(conn);
    await conn.write(bytes);
  });
  await using directory = await makeTempDirectory();
  const output = await new Deno.Command(Deno.execPath(), {
    args: [...quartet().words, "client", server.address],
    cwd: directory.path,
    stdin: "null",
  }).output();
  assert.deepEqual(output.stdout, bytes);
});

Deno.test("client: sends any bytes unchanged, and ends the last line", async () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  const marked = Uint8Array.of(0xef, 0xbb, 0xbf, ...bytes);
  const sent = Promise.withResolvers<Uint8Array>();
  using server = serve(async (conn) => {
    sent.resolve(await new Response(conn.readable).bytes());
  });
  await runQuartet(["client", server.address], { stdin: marked });
  assert.deepEqual(await within(60_000, "the input", sent.promise), Uint8Array.of(...marked, 10));
});

Deno.test({
  name: "client: reports errors of standard input and output in one line",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using daemon = await startDaemon({ config: ECHO });
    const client = [...quartet().words, "client", formatAddress(daemon.address("echo"))];
    for (const redirection of ["</", ">/dev/full"]) {
      const { code, stderr } = await new Deno.Command("sh", {
        args: ["-c", `echo hello | "$@" ${redirection}`, "sh", Deno.execPath(), ...client],
        cwd: daemon.directory,
        env: { NO_COLOR: "1" },
        signal: AbortSignal.timeout(120_000),
      }).output();
      assert.match(new TextDecoder().decode(stderr), /^quartet client: [^\n]+\n$/);
      assert.equal(code, 1);
    }
  },
});

Deno.test("client: --wait ends the wait for a server that does not close", async () => {
  const held = Promise.withResolvers<void>();
  using server = serve(async (conn) => {
    assert.equal(await readAll(conn), "hello\n");
    await conn.write(new TextEncoder().encode("an answer\n"));
    await held.promise;
  });
  const words = ["client", server.address, "--wait", "300ms"];
  const { code, stdout } = await runQuartet(words, { stdin: "hello\n" });
  held.resolve();
  assert.equal(stdout, "an answer\n");
  assert.equal(code, 0);
});

Deno.test("client: exits when the server closes, even with input still open", async () => {
  using server = serve(async (conn) => {
    await conn.read(new Uint8Array(1));
    await conn.write(new TextEncoder().encode("ERR enough\n"));
  });
  await using directory = await makeTempDirectory();
  const child = new Deno.Command(Deno.execPath(), {
    args: [...quartet().words, "client", server.address],
    cwd: directory.path,
    stdin: "piped",
    stdout: "piped",
    signal: AbortSignal.timeout(120_000),
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("x\n"));
  // Standard input stays open.
  const { code, stdout } = await child.output();
  assert.equal(new TextDecoder().decode(stdout), "ERR enough\n");
  assert.equal(code, 0);
  await writer.close().catch(() => {});
});

Deno.test("client: reports a missing server in one line and exits with 1", async () => {
  const address = `127.0.0.1:${freePort()}`;
  const { code, stdout, stderr } = await runHere(["client", address]);
  assert.equal(
    stderr,
    `Cannot connect to ${address}: nothing listens there; ` +
      '"--retry" keeps trying for half a minute\n',
  );
  assert.equal(stdout, "");
  assert.equal(code, 1);

  const unix = await runHere(["client", "unix:/nonexistent/socket"]);
  assert.match(unix.stderr, /^Cannot connect to unix:\/nonexistent\/socket: [^\n]*\n$/);
  assert.equal(unix.code, 1);
});

Deno.test("client: --retry waits for a server, here on a unix socket", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/echo.sock`;
  const running = runQuartet(["client", `unix:${path}`, "--retry"], { stdin: "late\n" });
  // Long enough for one or two failed attempts. Without any, the test passes all the same.
  await new Promise((resolve) => setTimeout(resolve, 400));
  await using _daemon = await startDaemon({ config: `[echo]\nlisten = "unix:${path}"\n` });
  const { code, stdout } = await running;
  assert.equal(stdout, "late\n");
  assert.equal(code, 0);
});

Deno.test("client: speaks TLS with a server whose certificate --ca trusts", async () => {
  await using certificates = await makeCertificates();
  const { cert, key } = certificates.server;
  await using daemon = await startDaemon({
    config: `${ECHO}tls = { cert = "${cert}", key = "${key}" }\n`,
  });
  const address = formatAddress(daemon.address("echo")).replace("127.0.0.1", "localhost");
  const ca = `${daemon.directory}/ca.crt`;
  await Deno.writeTextFile(ca, certificates.ca);
  const trusting = await runQuartet(["client", address, "--ca", ca], { stdin: "a secret\n" });
  assert.equal(trusting.stderr, "");
  assert.equal(trusting.stdout, "a secret\n");
  assert.equal(trusting.code, 0);

  const wary = await runQuartet(["client", address, "--tls", "--retry"], { stdin: "a secret\n" });
  assert.match(
    wary.stderr,
    /^Cannot connect to localhost:\d+: invalid peer certificate: [^\n]*\n$/,
  );
  assert.equal(wary.stdout, "");
  assert.equal(wary.code, 1);
});

Deno.test("client: exits with 2 on a wrong command line, and says what is expected", async () => {
  const cases: [string[], RegExp][] = [
    [[], /^quartet client: an argument is missing\nUsage: quartet client HOST:PORT/],
    [["8080"], /Cannot read "8080" as an address/],
    [["127.0.0.1:1", "--wait", "soon"], /--wait "soon" is not a time up to 24d such as "10s"/],
    [["127.0.0.1:1", "--wait", "25d"], /--wait "25d" is not a time up to 24d/],
    [["unix:/path", "--tls"], /a unix socket does not speak TLS/],
    [["127.0.0.1:1", "--rety"], /did you mean --retry\?/],
  ];
  for (const [words, message] of cases) {
    const { code, stderr } = await runHere(["client", ...words]);
    assert.match(stderr, message);
    assert.equal(code, 2);
  }
});

Deno.test({
  name: "client: at a terminal, answers appear above the line being typed",
  ignore: !HAS_SCRIPT,
  fn: async () => {
    await using daemon = await startDaemon({ config: ECHO });
    using other = await TestClient.connect(daemon.address("echo"));
    const address = formatAddress(daemon.address("echo"));
    using terminal = new TestTerminal(["client", address], daemon.directory);
    await terminal.seen("> ");
    // The echo shows that the server has accepted the client.
    await terminal.type("hello\r");
    await terminal.seen("hello\r\n");
    await terminal.seen("hello\r\n\r\x1b[K> ");
    assert.equal(await other.line(), "hello\n");
    await terminal.type("my li");
    await terminal.seen("> my li");
    await other.send("from another\n");
    await terminal.seen("\r\x1b[Kfrom another\r\n\r\x1b[K> my li");
    await terminal.type("ne\r");
    await terminal.seen("\r\x1b[K> my line\r\n");
    await terminal.seen("my line\r\n\r\x1b[K> ");
    assert.equal(await other.line(), "from another\n");
    assert.equal(await other.line(), "my line\n");
    await other.send("\x1b[31mred\x1b]0;title\x07\x9b2J\ttab é\n");
    await terminal.seen("\\x1b[31mred\\x1b]0;title\\x07\\xc2\\x9b2J\ttab é\r\n\r\x1b[K> ");
    await terminal.type("exit\r");
    await terminal.ends();
    assert.equal(await terminal.code, 0);
  },
});

Deno.test({
  name: "client: at a terminal, completes commands of task and sends them as it expects",
  ignore: !HAS_SCRIPT,
  fn: async () => {
    const sent = Promise.withResolvers<string>();
    using server = serve(async (conn) => sent.resolve(await readAll(conn)));
    await using directory = await makeTempDirectory();
    const words = ["client", "--service", "task", server.address];
    using terminal = new TestTerminal(words, directory.path);
    await terminal.seen("> ");
    await terminal.type("list-tubes-\t");
    await terminal.seen("> list-tubes-watched ");
    await terminal.type("\x7f\r\x1b[A\rexit\r");
    await terminal.ends();
    assert.equal(await sent.promise, "list-tubes-watched\r\n".repeat(2));
  },
});

Deno.test({
  name: "client: control characters reach a terminal only with --raw",
  ignore: !HAS_SCRIPT,
  fn: async () => {
    const colours = "\x1b[31mred\x1b[0m\n";
    using server = serve(async (conn) => {
      await conn.write(new TextEncoder().encode(colours));
      // The first half of a character: shown when the server closes.
      await conn.write(Uint8Array.of(0xc3));
    });
    await using directory = await makeTempDirectory();
    const shows = async (...options: string[]) => {
      const words = ["client", server.address, ...options];
      using terminal = new TestTerminal(words, directory.path, { redirection: "</dev/null" });
      return await terminal.ends();
    };
    assert.equal(await shows(), "\\x1b[31mred\\x1b[0m\r\n\\xc3");
    assert.equal(await shows("--raw"), "\x1b[31mred\x1b[0m\r\n\ufffd");
  },
});

Deno.test("client: the reason that a server gives cannot control the terminal", async () => {
  using server = serve(async (conn) => {
    await conn.read(new Uint8Array(100));
    await conn.write(new TextEncoder().encode("ERR \x1b[31mno\x07\n"));
  });
  const env = { QUARTET_TOKEN: "a-token-for-it" };
  const { code, stderr } = await runQuartet(["client", server.address], { env });
  assert.equal(stderr, "Cannot log in: the server said ERR \\x1b[31mno\\x07\n");
  assert.equal(code, 1);
});
