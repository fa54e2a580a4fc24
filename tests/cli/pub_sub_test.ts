import assert from "node:assert/strict";
import { type Command, parseCommandLine, UsageError } from "../../lib/cli/command.ts";
import { pub } from "../../lib/cli/pub.ts";
import { sub } from "../../lib/cli/sub.ts";
import { formatAddress } from "../../lib/net/address.ts";
import { makeCertificates } from "../support/certificates.ts";
import { TestClient } from "../support/client.ts";
import { runHere } from "../support/command_line.ts";
import { startDaemon } from "../support/daemon.ts";
import { runQuartet } from "../support/quartet.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { HAS_SCRIPT, TestTerminal } from "../support/terminal.ts";
import { until } from "../support/within.ts";

const ECHO = '[echo]\nlisten = "127.0.0.1:0"\nnats = "127.0.0.1:0"\n';
const INFO = 'INFO {"server_id":"x","version":"2.9.0","headers":true,"max_payload":1000}\r\n';
const TOKEN = "a-token-for-echo";

/** Does something again and again until a command has ended, as nothing tells when it listens. */
async function untilEnded<T>(command: Promise<T>, act: () => Promise<void>): Promise<T> {
  let ended = false;
  const result = command.finally(() => (ended = true));
  await until(
    "the command ends",
    async () => {
      if (!ended) await act();
      return ended;
    },
    60_000,
    50,
  );
  return await result;
}

/** A server that sends INFO and answers each PING; `handle` gets all other lines. */
function serveNats(
  handle: (line: string, conn: Deno.TcpConn) => Promise<void> | void,
  info = INFO,
) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const encoder = new TextEncoder();
  (async () => {
    for await (const conn of listener) {
      (async () => {
        using client = TestClient.of(conn);
        await client.send(info);
        for (;;) {
          const line = (await client.line()).trim();
          if (line === "PING") await conn.write(encoder.encode("PONG\r\n"));
          else await handle(line, conn);
        }
      })().catch(() => {});
    }
  })();
  return {
    address: `127.0.0.1:${listener.addr.port}`,
    [Symbol.dispose]: () => listener.close(),
  };
}

Deno.test("pub, sub: messages reach line clients and come from them", async () => {
  await using daemon = await startDaemon({ config: ECHO });
  const [lines, nats] = daemon.addresses("echo");
  using line = await TestClient.connect(lines!);
  await line.send("joined\n");
  assert.equal(await line.line(), "joined\n");
  const server = formatAddress(nats!);

  const one = await runHere(["pub", server, "echo", "a message"]);
  assert.deepEqual(one, { code: 0, stdout: "", stderr: "" });
  assert.equal(await line.line(), "a message\n");
  const piped = await runQuartet(["pub", server, "echo", "-"], { stdin: "two\nlines" });
  assert.equal(piped.code, 0);
  assert.deepEqual([await line.line(), await line.line()], ["two\n", "lines\n"]);
  const count = 3000;
  const input = Array.from({ length: count }, (_, i) => `line ${i}\n`).join("");
  assert.equal((await runQuartet(["pub", server, "echo", "--lines"], { stdin: input })).code, 0);
  for (let i = 0; i < count; i++) assert.equal(await line.line(), `line ${i}\n`);

  const subscribed = runQuartet(["sub", server, "*", "--count", "3", "--subject"]);
  const heard = await untilEnded(subscribed, () => line.send("\x1b[31mred\n"));
  assert.deepEqual(heard, { code: 0, stdout: "echo\t\x1b[31mred\n".repeat(3), stderr: "" });

  const reserved = await runHere(["pub", server, "task.default.put", "x"]);
  assert.match(reserved.stderr, /^Cannot publish: [^\n]*Permissions Violation[^\n]*\n$/);
  assert.equal(reserved.code, 1);
});

Deno.test("pub, sub: speak TLS, and send a token from a file or the environment", async () => {
  await using certificates = await makeCertificates();
  const { cert, key } = certificates.server;
  await using daemon = await startDaemon({
    config: `${ECHO}tls = { cert = "${cert}", key = "${key}" }\n` +
      '[auth.tokens.x]\nenv = "ECHO_TOKEN"\nservices = ["echo"]\n',
    env: { ECHO_TOKEN: TOKEN },
  });
  const server = formatAddress(daemon.addresses("echo")[1]!).replace("127.0.0.1", "localhost");
  const trust = ["--ca", certificates.caFile];
  const env = { QUARTET_TOKEN: TOKEN };
  const subscribed = runQuartet(["sub", server, "a.>", "--count", "1", ...trust], { env });
  const file = `${daemon.directory}/token`;
  await Deno.writeTextFile(file, `${TOKEN}\n`);
  const heard = await untilEnded(subscribed, async () => {
    const words = ["pub", server, "a.b", "secret", ...trust, "--token-file", file];
    assert.deepEqual(await runQuartet(words), { code: 0, stdout: "", stderr: "" });
  });
  assert.deepEqual(heard, { code: 0, stdout: "secret\n", stderr: "" });

  const stranger = await runHere(["pub", server, "a", "x", ...trust]);
  const message = "Cannot log in: the server rejected the token, or expects one\n";
  assert.deepEqual(stranger, { code: 1, stdout: "", stderr: message });
  const wary = await runQuartet(["pub", server, "a", "x", "--tls"], { env });
  assert.match(wary.stderr, /^Cannot connect to localhost:\d+: [^\n]*certificate[^\n]*\n$/);
  assert.equal(wary.code, 1);
});

Deno.test("sub: connects again after a loss, and says so", async () => {
  let connections = 0;
  using server = serveNats(async (line, conn) => {
    if (!line.startsWith("SUB")) return;
    if (++connections === 1) return conn.close();
    await conn.write(new TextEncoder().encode("MSG a 1 5\r\nagain\r\n"));
  });
  const heard = await runHere(["sub", server.address, "a", "--count", "1"]);
  const stderr = "The connection is lost; trying again\nConnected again\n";
  assert.deepEqual(heard, { code: 0, stdout: "again\n", stderr });
});

Deno.test("sub: --timeout is an error only if messages are missing", async () => {
  using server = serveNats(() => {});
  const words = ["sub", server.address, "a", "--timeout", "100ms"];
  assert.deepEqual(await runHere(words), { code: 0, stdout: "", stderr: "" });
  const missing = await runHere([...words, "--count", "2"]);
  const stderr = "Only 0 of 2 messages came in time\n";
  assert.deepEqual(missing, { code: 1, stdout: "", stderr });
});

Deno.test({
  name: "sub: control characters reach a terminal only with --raw",
  ignore: !HAS_SCRIPT,
  fn: async () => {
    const payload = "\x1b[31mred\x07";
    using server = serveNats(async (line, conn) => {
      const message = `MSG a\x1b[m 1 ${payload.length}\r\n${payload}\r\n`;
      if (line.startsWith("SUB")) await conn.write(new TextEncoder().encode(message));
    });
    await using directory = await makeTempDirectory();
    const shows = async (...options: string[]) => {
      const words = ["sub", server.address, "a", "--count", "1", ...options];
      using terminal = new TestTerminal(words, directory.path);
      return await terminal.ends();
    };
    assert.equal(await shows("--subject"), "a\\x1b[m\t\\x1b[31mred\\x07\r\n");
    assert.equal(await shows("--raw"), `${payload}\r\n`);
  },
});

Deno.test("pub: fails if the server does not confirm, refuses the message, or is not there", async () => {
  // The ping behind the message is never read.
  using silent = serveNats((line) => line.startsWith("PUB") ? new Promise(() => {}) : undefined);
  const unconfirmed = await runHere(["pub", silent.address, "a", "x", "--timeout", "2s"]);
  const stderr = "Cannot publish: the server did not confirm it within 2 s\n";
  assert.deepEqual(unconfirmed, { code: 1, stdout: "", stderr });

  using small = serveNats(() => {});
  const long = await runHere(["pub", small.address, "a", "x".repeat(1001)]);
  assert.match(long.stderr, /^Cannot publish: [^\n]*max_payload[^\n]*\n$/);
  assert.equal(long.code, 1);

  using strange = serveNats(() => {}, "INFO {}\r\n");
  const lost = await runHere(["pub", strange.address, "a", "x", "--timeout", "2s"]);
  const reason = "it did not answer within 2 s, or does not speak NATS";
  assert.equal(lost.stderr, `Cannot connect to ${strange.address}: ${reason}\n`);
  assert.deepEqual([lost.code, lost.stdout], [1, ""]);

  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${listener.addr.port}`;
  listener.close();
  const nobody = await runHere(["pub", address, "a", "x"]);
  assert.equal(
    nobody.stderr,
    `Cannot connect to ${address}: nothing listens there; ` +
      '"--retry" keeps trying for half a minute\n',
  );
  assert.equal(nobody.code, 1);
});

Deno.test("pub, sub: say what is wrong with a command line", async () => {
  const cases: [Command, string[], RegExp][] = [
    [pub, ["127.0.0.1:1"], /an argument is missing/],
    [pub, ["127.0.0.1:1", "a.*", "x"], /"a.\*" is not a subject/],
    [pub, ["127.0.0.1:1", "a", "x", "--lines"], /--lines takes no MESSAGE/],
    [pub, ["unix:/path", "a", "x"], /a NATS server has no unix socket/],
    [sub, ["127.0.0.1:1", "a..b"], /"a..b" is not a pattern/],
    [sub, ["127.0.0.1:1", "a", "--count", "0"], /--count must be a whole number from 1/],
    [sub, ["127.0.0.1:1", "a", "--timeout", "soon"], /--timeout "soon" is not a time/],
    [sub, ["127.0.0.1:1", "a", "--timeout", "25d"], /--timeout "25d" is not a time up to 24d/],
  ];
  for (const [command, words, message] of cases) {
    const run = async () => await command.run(parseCommandLine(command, words));
    await assert.rejects(
      run,
      (error) => error instanceof UsageError && message.test(error.message),
    );
  }
});
