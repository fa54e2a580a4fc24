import assert from "node:assert/strict";
import postgres from "postgres";
import { isLost, PostgresClient } from "../../../lib/storage/postgres/postgres_client.ts";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { TestLog } from "../../support/log.ts";
import { until, within } from "../../support/within.ts";

const TEST_DEADLINE_MS = 60_000;

/** A deadline that no test reaches. */
const FAR_DEADLINE_MS = 600_000;

/** An error of the server with one of PostgreSQL's states. */
function serverError(code: string): postgres.PostgresError {
  const error = new Error(`state ${code}`);
  return Object.setPrototypeOf(Object.assign(error, { code }), postgres.PostgresError.prototype);
}

/** An error of the system, as the driver passes it on when a connection breaks. */
function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** A set of connections that {@linkcode FakeServer} has handed out. */
interface Connections {
  name: string;
  count: number;
  /** Tells the client that one of them was closed. */
  close(): void;
}

/** Stands for the driver and the server: hands out connections and records what is done with them. */
class FakeServer {
  /** All that happened, in order. */
  readonly events: string[] = [];
  readonly connections: Connections[] = [];
  /** What connecting comes to; replace it to make it fail. */
  open: () => Promise<unknown> = () => Promise.resolve();
  /** The rows of the statement that ends the old server processes. */
  fence: () => Promise<{ ended: boolean }[]> = () => Promise.resolve([{ ended: true }]);

  connect(name: string, count: number, onClose?: () => void): postgres.Sql {
    const label = name.replace(/ [0-9a-f]{8}\./, " ");
    this.events.push(`connect ${count} as ${label}`);
    this.connections.push({ name, count, close: () => onClose?.() });
    const tag = async (_: TemplateStringsArray, ...values: unknown[]) => {
      this.events.push(`end ${String(values[1]).replace(/ [0-9a-f]{8}\./, " ")}`);
      return await this.fence();
    };
    const end = () => {
      this.events.push(`close ${label}`);
      return Promise.resolve();
    };
    return Object.assign(tag, { unsafe: () => this.open(), end }) as unknown as postgres.Sql;
  }
}

/** Runs a test on a client of a fake server. */
async function withClient(
  run: (client: PostgresClient, server: FakeServer, log: TestLog) => Promise<void>,
  { server = new FakeServer(), deadlineMs = FAR_DEADLINE_MS, checkMs = FAR_DEADLINE_MS } = {},
): Promise<void> {
  const log = new TestLog();
  const client = new PostgresClient({
    name: "test",
    connections: 2,
    connect: (name, connections, onClose) => server.connect(name, connections, onClose),
    describe: (error) => (error as Error).message,
    deadlineMs,
    checkMs,
    log: log.log,
  });
  try {
    await within(TEST_DEADLINE_MS, "the test", run(client, server, log));
  } finally {
    await client.close();
  }
}

const back = (client: PostgresClient) =>
  until("the client has recovered", () => client.problem() === undefined);

/** A piece of work that ends when the test says so. */
function pendingWork(): { work: () => Promise<void>; fail(error: Error): void } {
  const { promise, reject } = Promise.withResolvers<void>();
  return { work: () => promise, fail: reject };
}

Deno.test("PostgresClient: after a loss, ends the old server processes before it uses new connections", async () => {
  await withClient(async (client, server) => {
    await client.run(() => Promise.resolve());
    const first = pendingWork();
    const second = pendingWork();
    const running = [client.run(first.work), client.run(second.work)];
    // The second one never gets an answer of its own.
    first.fail(systemError("ECONNRESET"));
    for (const outcome of await Promise.allSettled(running)) {
      assert.ok(outcome.status === "rejected");
      assert.ok(outcome.reason instanceof StorageUnavailableError, String(outcome.reason));
      assert.equal(outcome.reason.message, "storage unavailable: ECONNRESET");
    }
    assert.deepEqual(client.metrics(), { up: false, losses: 1, reconnects: 0, errors: 0 });
    await back(client);
    const later = () => new Promise((resolve) => setTimeout(() => resolve(7), 0));
    assert.equal(await client.run(later), 7, "the loss of before is over");
    assert.deepEqual(client.metrics(), { up: true, losses: 1, reconnects: 1, errors: 0 });
    assert.deepEqual(server.events, [
      "connect 2 as test 1",
      "close test 1",
      "connect 1 as recovery",
      "end quartet test 1",
      "close recovery",
      "connect 2 as test 2",
    ]);
    const [lost, , current] = server.connections.map(({ name }) => name.split(".")[0]);
    assert.equal(lost, current, "the id of the client stays the same");
  });
});

Deno.test("PostgresClient: refuses work while the old server processes cannot be ended", async () => {
  await withClient(async (client, server, log) => {
    let tries = 0;
    server.fence = () => {
      tries++;
      if (tries === 1) return Promise.reject(new Error("no route"));
      return Promise.resolve(tries === 2 ? [{ ended: true }, { ended: false }] : []);
    };
    await assert.rejects(client.run(() => Promise.reject(serverError("57P01"))));
    await until("a try has failed", () => tries >= 1 && client.problem() === "no route");
    let ran = false;
    await assert.rejects(
      client.run(() => Promise.resolve(ran = true)),
      /^StorageUnavailableError: storage unavailable: /,
    );
    assert.equal(ran, false);
    await back(client);
    assert.equal(tries, 3);
    // Every try is about the connections that were lost; only the last one is followed by others.
    assert.equal(server.events.filter((event) => event === "end quartet test 1").length, 3);
    assert.equal(server.events.filter((event) => event.startsWith("connect 2")).length, 2);
    assert.equal(log.matching("Database lost").length, 1);
    assert.equal(log.matching("Database works again").length, 1);
  });
});

Deno.test("PostgresClient: if the new connections fail too, the next ones have yet another name", async () => {
  await withClient(async (client, server) => {
    await client.run(() => Promise.resolve());
    let opens = 0;
    server.open = () => {
      // Two connections open at once, and the first of them is refused.
      return ++opens === 1 ? Promise.reject(systemError("ECONNREFUSED")) : Promise.resolve();
    };
    await assert.rejects(client.run(() => Promise.reject(systemError("EPIPE"))));
    await back(client);
    const names = server.connections.map(({ name }) => name.replace(/ .*\./, " "));
    assert.deepEqual(names, ["test 1", "recovery", "test 2", "recovery", "test 3"]);
    assert.deepEqual(client.metrics(), { up: true, losses: 1, reconnects: 1, errors: 0 });
  });
});

Deno.test("PostgresClient: work that cannot connect at first fails, and the client recovers", async () => {
  const server = new FakeServer();
  server.open = () => Promise.reject(systemError("ECONNREFUSED"));
  await withClient(async (client) => {
    let ran = false;
    await assert.rejects(client.run(() => Promise.resolve(ran = true)), /ECONNREFUSED/);
    assert.equal(ran, false);
    assert.equal(client.metrics().losses, 1);
    server.open = () => Promise.resolve();
    await back(client);
    await client.run(() => Promise.resolve(ran = true));
    assert.ok(ran);
  }, { server });
});

Deno.test("PostgresClient: an answer that does not come in time is a loss", async () => {
  await withClient(async (client) => {
    await client.run(() => Promise.resolve());
    await assert.rejects(
      client.run(pendingWork().work, 20),
      /^StorageUnavailableError: storage unavailable: no answer within 20 ms$/,
    );
    assert.equal(client.metrics().losses, 1);
    await back(client);
  });
});

Deno.test("PostgresClient: reports that the database is silent, and that it answers again", async () => {
  await withClient(async (client, server, log) => {
    const answer = Promise.withResolvers<void>();
    server.open = () => answer.promise;
    await until("it is silent", () => client.problem() === "the database does not answer");
    assert.equal(client.metrics().up, false);
    assert.equal(log.matching("Database does not answer").length, 1);
    await client.run(() => Promise.resolve(), 1000);
    assert.equal(client.problem(), undefined, "an answer to anything counts");
    await until("it is silent", () => client.problem() !== undefined);
    let asked = 0;
    server.open = () => Promise.resolve(asked++);
    answer.resolve();
    await until("it answers", () => client.problem() === undefined);
    await until("it is asked again and again", () => asked > 2);
    assert.equal(client.problem(), undefined);
    assert.equal(log.matching("Database answers again").length, 2);
    assert.equal(client.metrics().losses, 0);
  }, { checkMs: 5 });
});

Deno.test("PostgresClient: the deadline of the client holds where the work has none of its own", async () => {
  await withClient(async (client) => {
    await assert.rejects(client.run(pendingWork().work), /no answer within 300 ms/);
    await back(client);
  }, { deadlineMs: 300 });
});

Deno.test("PostgresClient: errors of a statement and of the work leave the connections alone", async () => {
  await withClient(async (client, server) => {
    const refused = serverError("23505");
    await assert.rejects(client.run(() => Promise.reject(refused)), (error) => error === refused);
    const own = new RangeError("a mistake in the work");
    await assert.rejects(client.run(() => Promise.reject(own)), (error) => error === own);
    assert.deepEqual(client.metrics(), { up: true, losses: 0, reconnects: 0, errors: 1 });
    assert.deepEqual(server.events, ["connect 2 as test 1"]);
  });
});

Deno.test("PostgresClient: notices a closed connection that nobody uses, but none of an old generation", async () => {
  await withClient(async (client, server) => {
    await client.run(() => Promise.resolve());
    const [old] = server.connections;
    old!.close();
    await until("the loss is noticed", () => client.metrics().losses === 1);
    await back(client);
    old!.close();
    // What was put off by `close` runs before this.
    await new Promise((resolve) => setTimeout(resolve, 0));
    await client.run(() => Promise.resolve());
    assert.deepEqual(client.metrics(), { up: true, losses: 1, reconnects: 1, errors: 0 });
  });
});

Deno.test("PostgresClient.close: ends a recovery that gets nowhere", async () => {
  const server = new FakeServer();
  let tries = 0;
  server.fence = () => {
    tries++;
    return Promise.reject(new Error("no route"));
  };
  await withClient(async (client) => {
    await assert.rejects(client.run(() => Promise.reject(systemError("ECONNRESET"))));
    await until("it has tried twice", () => tries >= 2);
    const before = tries;
    await client.close();
    await assert.rejects(client.run(() => Promise.resolve()), /it is closed/);
    assert.equal(tries, before);
  }, { server });
});

Deno.test("isLost(): tells a lost connection from an error of a statement or of the work", () => {
  // 08: connection, 57P: shutdown, 53300: no connection left, 25P03: idle too long, XX: internal.
  for (const state of ["08006", "57P01", "57P03", "53300", "25P03", "XX000"]) {
    assert.ok(isLost(serverError(state)), state);
  }
  // 57014 is a statement that took too long; the connection is as good as before.
  for (const state of ["57014", "40001", "40P01", "23505", "42P01", "53100"]) {
    assert.ok(!isLost(serverError(state)), state);
  }
  for (const code of ["ECONNRESET", "EPIPE", "CONNECT_TIMEOUT", "CONNECTION_CLOSED"]) {
    assert.ok(isLost(systemError(code)), code);
  }
  for (const error of [new RangeError("own"), { code: "EPIPE" }, systemError("lower"), "text"]) {
    assert.ok(!isLost(error), String(error));
  }
});
