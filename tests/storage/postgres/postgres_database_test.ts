import assert from "node:assert/strict";
import postgres from "postgres";
import { PostgresDatabase } from "../../../lib/storage/postgres/postgres_database.ts";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { TestLog } from "../../support/log.ts";
import { execute, PostgresServer, usePostgres } from "../../support/postgres.ts";
import { until, within } from "../../support/within.ts";

const TEST_DEADLINE_MS = 120_000;

const server = usePostgres();

Deno.test("PostgresDatabase.migrate: daemons that start together create the tables once", async () => {
  const url = await server.createDatabase();
  const { log } = new TestLog();
  const steps = ["CREATE TABLE quartet.a (n int)", "INSERT INTO quartet.a VALUES (1)"];
  const start = async () => {
    const database = await PostgresDatabase.open(url, { log });
    await database.migrate("test", steps);
  };
  await within(TEST_DEADLINE_MS, "the migrations", Promise.all([start(), start(), start()]));
  const again = await PostgresDatabase.open(url, { log });
  await again.migrate("test", [...steps, "INSERT INTO quartet.a VALUES (2)"]);
  const rows = await execute(url, "SELECT n FROM quartet.a ORDER BY n");
  assert.deepEqual(rows.map(({ n }) => n), [1, 2]);
  await assert.rejects(
    again.migrate("test", steps),
    /tables of "test" have version 3, and this program knows versions up to 2$/,
  );
});

Deno.test("PostgresDatabase.migrate: a failed step leaves nothing behind", async () => {
  const url = await server.createDatabase();
  const database = await PostgresDatabase.open(url, { log: new TestLog().log });
  await assert.rejects(
    database.migrate("test", ["CREATE TABLE quartet.b (n int)", "SELECT 1 / 0"]),
    /division by zero/,
  );
  await database.migrate("test", ["CREATE TABLE quartet.b (n int)"]);
});

Deno.test("PostgresDatabase.open: says what is wrong without the password", async () => {
  const url = new URL(await server.createDatabase());
  url.password = "top/secret";
  const { log } = new TestLog();
  const refuses = (url: string, why: RegExp, connectMs = 60_000) =>
    assert.rejects(PostgresDatabase.open(url, { log, connectMs }), (error: Error) => {
      assert.match(error.message, why);
      assert.match(error.message, /^Cannot open "postgres:\/\/tester@.*" as storage: /);
      assert.ok(!/secret/.test(error.message));
      return true;
    });
  const elsewhere = new URL(url);
  elsewhere.pathname = "/top%2Fsecret_database";
  await assert.rejects(PostgresDatabase.open(elsewhere.href, { log }), /does not exist/);
  const nobody = new URL(url);
  nobody.port = "1";
  await refuses(nobody.href, /ECONNREFUSED/);
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  nobody.port = String((silent.addr as Deno.NetAddr).port);
  await refuses(nobody.href, /CONNECT_TIMEOUT/, 500);
  silent.close();
});

Deno.test("PostgresClient: fails while the database is down, and recovers", async () => {
  await using own = await PostgresServer.start();
  const testLog = new TestLog();
  const database = await PostgresDatabase.open(own.url(), {
    log: testLog.log,
    statementMs: 100_000,
  });
  const client = database.connect({ name: "test", connections: 2 });
  try {
    await client.run((sql) => sql`SELECT 1`);
    const work = Promise.allSettled(
      Array.from({ length: 4 }, (_, index) =>
        client.run(async (sql) => {
          // Both connections have work queued behind the statement that fails.
          const connection = await sql.reserve();
          try {
            await connection`SELECT pg_sleep(${index + 60})`;
          } finally {
            connection.release();
          }
        })),
    );
    const busy = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE query ~ 'pg_sleep.[$]1'";
    await until("they are at work", async () => (await execute(own.url(), busy))[0]!.n === 2);
    await own.kill();
    for (const outcome of await work) {
      assert.ok(outcome.status === "rejected");
      assert.ok(outcome.reason instanceof StorageUnavailableError);
    }
    assert.ok(client.problem() !== undefined);
    assert.deepEqual(client.metrics(), { up: false, losses: 1, reconnects: 0, errors: 0 });
    await assert.rejects(client.run((sql) => sql`SELECT 1`), /^StorageUnavailableError: storage/);
    await own.restart();
    await until("it is back", () => client.problem() === undefined);
    await client.run((sql) => sql`SELECT 1`);
    assert.deepEqual(client.metrics(), { up: true, losses: 1, reconnects: 1, errors: 0 });
    assert.equal(testLog.matching("Database lost").length, 1);
    assert.equal(testLog.matching("Database works again").length, 1);
    assert.ok(!testLog.lines.some((line) => line.includes("secret")));
  } finally {
    await client.close();
  }
});

Deno.test("PostgresClient: an abandoned statement does not take effect after a later one", async () => {
  const url = await server.createDatabase();
  await execute(url, "CREATE TABLE t AS SELECT 'first' AS v");
  const database = await PostgresDatabase.open(url, {
    log: new TestLog().log,
    statementMs: 60_000,
  });
  const client = database.connect({ name: "test", connections: 2 });
  const other = postgres(url, { max: 1 });
  try {
    await other.unsafe("BEGIN; UPDATE t SET v = v");
    // It waits for the lock of the other connection, so its outcome is unknown at the deadline.
    await assert.rejects(
      client.run((sql) => sql`UPDATE t SET v = 'given up'`, 200),
      /no answer within 200 ms/,
    );
    await until("it is back", () => client.problem() === undefined);
    await other.unsafe("COMMIT");
    await client.run((sql) => sql`UPDATE t SET v = 'later'`);
    const waiting = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE query ~ 'given up'";
    await until("nothing is left", async () => (await execute(url, waiting))[0]!.n === 1);
    assert.deepEqual([...await execute(url, "SELECT v FROM t")], [{ v: "later" }]);
  } finally {
    await other.end({ timeout: 1 });
    await client.close();
  }
});

Deno.test("PostgresClient: passes on errors of the server and of the work", async () => {
  const database = await PostgresDatabase.open(await server.createDatabase(), {
    log: new TestLog().log,
    statementMs: 1_000,
  });
  const client = database.connect({ name: "test", connections: 1 });
  try {
    await assert.rejects(client.run((sql) => sql`SELECT 1 / 0`), { code: "22012" });
    await assert.rejects(client.run((sql) => sql`SELECT pg_sleep(100)`), { code: "57014" });
    await assert.rejects(client.run(() => Promise.reject(new RangeError("mine"))), RangeError);
    assert.equal(client.problem(), undefined);
    assert.deepEqual(client.metrics(), { up: true, losses: 0, reconnects: 0, errors: 2 });
  } finally {
    await client.close();
  }
  await assert.rejects(client.run((sql) => sql`SELECT 1`), /it is closed/);
});

Deno.test("PostgresClient: notices a closed connection and reopens all", async () => {
  const testLog = new TestLog();
  const url = await server.createDatabase();
  const database = await PostgresDatabase.open(url, { log: testLog.log });
  const client = database.connect({ name: "test", connections: 3 });
  try {
    await client.run((sql) => sql`SELECT 1`);
    await execute(
      url,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity " +
        "WHERE application_name ~ '^quartet test' AND datname = current_database() LIMIT 1",
    );
    await until("it says so", () => testLog.matching("closed a connection").length === 1);
    await until("it is back", () => client.problem() === undefined);
    const reserved = await Promise.all([1, 2, 3].map(() => client.run((sql) => sql.reserve())));
    for (const connection of reserved) connection.release();
  } finally {
    await client.close();
  }
});
