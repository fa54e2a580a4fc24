import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { formatAddress } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon.ts";
import { PostgresServer } from "../support/postgres.ts";
import { until, within } from "../support/within.ts";

/** How long a test may take, even on a busy machine. */
const TEST_DEADLINE_MS = 180_000;

function config(storage: string): string {
  return `
    [daemon]
    data_dir = "."
    drain_timeout = "1s"
    [storage]
    url = ${JSON.stringify(storage)}
    [kv]
    listen = "127.0.0.1:0"
    [admin]
    listen = "127.0.0.1:0"`;
}

/** Whether the daemon reports that it is ready, and the text of its report. */
async function readiness(daemon: DaemonProcess): Promise<{ ready: boolean; text: string }> {
  const response = await fetch(`http://${formatAddress(daemon.address("admin"))}/readyz`);
  return { ready: response.ok, text: await response.text() };
}

/** Breaks the storage of a daemon and repairs it, and checks the replies to clients. */
async function checkFailure(
  daemon: DaemonProcess,
  steps: { breakIt(): Promise<void>; repair(): Promise<void>; why: RegExp; readsFail: boolean },
): Promise<void> {
  using text = await TestClient.connect(daemon.address("kv"));
  using redis = await TestClient.connect(daemon.address("kv"));
  const ask = async (client: TestClient, line: string) => {
    await client.send(`${line}\r\n`);
    return (await client.line()).trimEnd();
  };
  assert.equal(await ask(text, "PUT a 1"), "OK");
  assert.equal(await ask(redis, "SET b 1"), "+OK");
  assert.ok((await readiness(daemon)).ready);

  await steps.breakIt();
  const reply = await ask(text, "PUT a 2");
  assert.match(reply, /^ERR storage unavailable: /);
  assert.match(reply, steps.why);
  assert.match(await ask(redis, "SET b 2"), /^-ERR storage unavailable: /);
  if (steps.readsFail) assert.match(await ask(text, "GET a"), /^ERR storage unavailable: /);
  else assert.equal(await ask(text, "GET a"), "VALUE 1");
  const { ready, text: said } = await readiness(daemon);
  assert.ok(!ready);
  assert.match(said, steps.why);

  await steps.repair();
  await until("it is ready", async () => (await readiness(daemon)).ready);
  assert.equal(await ask(text, "GET a"), "VALUE 1");
  assert.equal(await ask(text, "PUT a 3"), "OK");
  assert.equal(await ask(redis, "SET b 3"), "+OK");
  assert.equal(await ask(text, "GET b"), "VALUE 3");
}

Deno.test("kv on sqlite: a locked file fails writes and the health check until it is unlocked", async () => {
  await using daemon = await startDaemon({ config: config("sqlite:test.db") });
  const other = new DatabaseSync(`${daemon.directory}/test.db`);
  try {
    await within(
      TEST_DEADLINE_MS,
      "the test",
      checkFailure(daemon, {
        breakIt: () => Promise.resolve(other.exec("BEGIN IMMEDIATE")),
        repair: () => Promise.resolve(other.exec("ROLLBACK")),
        why: /another process has locked the file/,
        readsFail: false,
      }),
    );
  } finally {
    other.close();
  }
});

Deno.test("kv on postgres: a database that is down fails requests and the health check until it is back", async () => {
  await using server = await PostgresServer.start();
  const task = '[task]\nlisten = "127.0.0.1:0"\nbeanstalk = "127.0.0.1:0"\n';
  await using daemon = await startDaemon({
    config: `${config(await server.createDatabase())}\n${task}`,
  });
  await within(
    TEST_DEADLINE_MS,
    "the test",
    checkFailure(daemon, {
      breakIt: () => server.kill(),
      repair: () => server.restart(),
      why: /ECONNREFUSED|ended by the other party|closed a connection|CONNECTION_CLOSED|ECONNRESET/,
      readsFail: true,
    }),
  );
  assert.ok(!daemon.log.includes("secret"), daemon.log);
  await within(TEST_DEADLINE_MS, "the frozen database", checkFrozen(daemon, server));
});

/** Freezes a database whose connections stay open: both services say so, and the daemon can stop. */
async function checkFrozen(daemon: DaemonProcess, server: PostgresServer): Promise<void> {
  await server.pause();
  try {
    // Nobody sends a request. Without watching, nobody would notice.
    await until(
      "both report it",
      async () =>
        /kv: the database does not answer.*task: the database does not answer/.test(
          (await readiness(daemon)).text,
        ),
      60_000,
      100,
    );
    using client = await TestClient.connect(daemon.address("kv"));
    await client.send("PUT a 1\n");
    const stoppedMs = performance.now();
    assert.equal((await daemon.stop()).code, 0);
    const tookMs = performance.now() - stoppedMs;
    assert.ok(tookMs < 6000, `${tookMs} ms`);
  } finally {
    await server.resume();
  }
}
