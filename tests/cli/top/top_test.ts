import assert from "node:assert/strict";
import { FailureCounter, Guard } from "../../../lib/auth.ts";
import { CommandError } from "../../../lib/cli/command.ts";
import { DaemonReader } from "../../../lib/cli/top/daemon_reader.ts";
import { plainReport } from "../../../lib/cli/top/plain_report.ts";
import { formatAddress } from "../../../lib/net/address.ts";
import { FakeDaemon, startAdmin } from "../../admin/support.ts";
import { HAS_SCRIPT, TestTerminal } from "../../support/terminal.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";

/** A service with one client. */
function withClient(daemon: FakeDaemon): void {
  const client = {
    ...{ id: 7, port: "127.0.0.1:1", address: "10.0.0.9:5", protocol: "NATS", name: "tram 4" },
    ...{ ageMs: 61_000, receivedBytes: 2048, sentBytes: 10, state: "waits for messages" },
  };
  const list = { clients: [client], total: 30, unsorted: false };
  daemon.add("echo", { queries: { clients: () => Promise.resolve(list) } });
}

Deno.test("quartet top --once reports services and clients in plain lines", async () => {
  const daemon = new FakeDaemon();
  withClient(daemon);
  await using server = await startAdmin(daemon);
  const reader = new DaemonReader({ address: server.address, secure: false, trust: [] }, undefined);
  const report = await plainReport(reader);
  assert.match(report, new RegExp(`^quartet \\S+ at ${formatAddress(server.address)}: ready, up`));
  assert.match(report, /\nSERVICE +STATE +CONNS .*\necho +running +0 /);
  assert.match(report, /\nClients of echo \(1 of 30\)\nID +ADDRESS +NAME +PROTOCOL/);
  assert.match(
    report,
    /\n 7 +10\.0\.0\.9:5 +tram 4 +NATS +waits for messages +1 min +2\.00 KiB +10 B/,
  );
  // deno-lint-ignore no-control-regex -- a pipe gets no escape sequences
  assert.doesNotMatch(report, /\x1b/);
});

Deno.test("quartet top says what is wrong: no token, a wrong one, nobody there", async () => {
  const daemon = new FakeDaemon();
  withClient(daemon);
  const guard = new Guard(["secret"], new FailureCounter(10, 60_000));
  const server = await startAdmin(daemon, {}, () => guard);
  const target = { address: server.address, secure: false, trust: [] };
  const fails = (token: string | undefined, why: RegExp) =>
    assert.rejects(new DaemonReader(target, token).read(), (error) => {
      assert.ok(error instanceof CommandError);
      assert.match(error.message, why);
      return true;
    });
  try {
    await fails(undefined, /requires a token: name a file with --token-file/);
    await fails("wrong", /requires a token/);
    assert.match(await plainReport(new DaemonReader(target, "secret")), /tram 4/);
  } finally {
    await server[Symbol.asyncDispose]();
  }
  await fails("secret", /^Cannot ask 127\.0\.0\.1:\d+: nothing listens there$/);
});

Deno.test({
  name: "quartet top uses a screen of its own, survives its daemon, and gives the screen back",
  ignore: !HAS_SCRIPT,
  fn: async () => {
    const daemon = new FakeDaemon();
    withClient(daemon);
    await using directory = await makeTempDirectory();
    const server = await startAdmin(daemon);
    const words = ["top", "--interval", "100ms", "--address", formatAddress(server.address)];
    using terminal = new TestTerminal(words, directory.path);
    try {
      assert.ok((await terminal.seen("tram 4")).includes("\x1b[?1049h\x1b[?25l"));
      await terminal.type("\t");
      await terminal.seen("There are no tubes.");
    } finally {
      await server[Symbol.asyncDispose]();
    }
    await terminal.seen("nothing listens there");
    await terminal.type("q");
    assert.ok((await terminal.ends()).endsWith("\x1b[?25h\x1b[?1049l"));
    assert.equal(await terminal.code, 0);
  },
});
