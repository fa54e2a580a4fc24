import assert from "node:assert/strict";
import postgresDriver from "postgres";
import { backup } from "../../lib/cli/backup.ts";
import { restore } from "../../lib/cli/restore.ts";
import { type RestoredService, restoreInto } from "../../lib/cli/restore_storage.ts";
import { type Address, formatAddress } from "../../lib/net/address.ts";
import { SERVICES } from "../../lib/services.ts";
import { BackupFile } from "../../lib/storage/backup/backup_file.ts";
import { openStorage } from "../../lib/storage/open.ts";
import { TestClient } from "../support/client.ts";
import { startDaemon } from "../support/daemon.ts";
import { TestLog } from "../support/log.ts";
import { execute, usePostgres } from "../support/postgres.ts";
import { quartet } from "../support/quartet.ts";
import { mountSmall } from "../support/small_disk.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { until, within } from "../support/within.ts";
import { assertFails, FOREVER, namesIn, run, startService, writeFile } from "./backup_support.ts";

const DEADLINE_MS = 60_000;

const postgres = usePostgres();

/** Starts a quartet command in a process of its own. */
function spawn(...words: string[]): Deno.ChildProcess {
  const { path, words: before } = quartet();
  return new Deno.Command(path, {
    args: [...before, ...words],
    ...{ stdin: "null", stdout: "null", stderr: "null" },
  }).spawn();
}

async function kill(child: Deno.ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await within(DEADLINE_MS, "the end of the process", child.status);
}

async function sizeOf(path: string): Promise<number> {
  return (await Deno.stat(path).catch(() => undefined))?.size ?? 0;
}

Deno.test("quartet backup: what a killed one leaves has another name, and the next one replaces it", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/b`;
  const killed = Promise.withResolvers<void>();
  await using daemon = await startService(async (records) => {
    for (let n = 0; n < 20_000; n++) await records.put("kv_0", `${n}`, "x".repeat(100), FOREVER);
    await killed.promise;
  });
  const child = spawn("backup", path, ...daemon.options);
  await until("a part of the backup is there", async () => await sizeOf(`${path}.part`) > 0);
  await kill(child);
  assert.deepEqual(await namesIn(directory.path), ["b.part"]);
  killed.resolve();
  // The service notices the end of the first one a moment later.
  await until("the next backup works", async () => {
    return await run(backup, path, ...daemon.options).catch(() => 1) === 0;
  });
  assert.deepEqual(await namesIn(directory.path), ["b"]);
  assert.equal(await run(restore, path, "--check"), 0);
});

Deno.test("quartet backup: a daemon that is killed meanwhile leaves one line and no file", async () => {
  await using directory = await makeTempDirectory();
  await using daemon = await startDaemon({
    config: '[storage]\nurl = "memory:"\n[kv]\nlisten = "127.0.0.1:0"\n' +
      '[admin]\nlisten = "127.0.0.1:0"\n',
  });
  // More than the buffers of two sockets take.
  using client = await TestClient.connect(daemon.address("kv"));
  for (let n = 0; n < 20; n++) {
    await client.send(`*3\r\n$3\r\nSET\r\n$2\r\n${10 + n}\r\n$1000000\r\n${"x".repeat(1e6)}\r\n`);
    assert.equal(await client.line(), "+OK\r\n");
  }
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const relayed = (async () => {
    using near = await listener.accept();
    using far = await Deno.connect(daemon.address("admin") as Deno.ConnectOptions);
    const asking = near.readable.pipeTo(far.writable, { preventCancel: true }).catch(() => {});
    const answer = far.readable.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, output) => {
          daemon.signal("SIGKILL");
          output.enqueue(chunk);
        },
      }),
    );
    await answer.pipeTo(near.writable).catch(() => {});
    await asking;
  })();
  const where = formatAddress({ ...listener.addr, transport: "tcp" } as Address);
  await assertFails(
    run(backup, `${directory.path}/b`, "--address", where),
    `${where} ended the backup before it was complete`,
  );
  await within(DEADLINE_MS, "the end of the connection", relayed);
  assert.deepEqual(await namesIn(directory.path), []);
});

const DISK_BYTES = 12 * 1024 * 1024;
const BALLAST_BYTES = 11 * 1024 * 1024;

Deno.test("A full disk ends backup and restore with one line and no file; the next try works", async (t) => {
  await using directory = await makeTempDirectory();
  const disk = `${directory.path}/disk`;
  await Deno.mkdir(disk);
  await using mounted = await mountSmall(disk, DISK_BYTES);
  await t.step({
    name: "on a full tmpfs",
    ignore: mounted === undefined, // Mounting needs the rights of root.
    fn: async () => {
      const path = `${disk}/b`;
      const ballast = `${disk}/ballast`;
      const value = new Uint8Array(1_500_000).fill(7);
      await using daemon = await startService(async (records) => {
        for (const key of ["a", "b"]) await records.put("kv_0", key, value, FOREVER);
      });
      await Deno.writeFile(ballast, new Uint8Array(BALLAST_BYTES));
      await assertFails(
        run(backup, path, ...daemon.options),
        `Cannot write "${path}.part": the disk is full`,
      );
      assert.deepEqual(await namesIn(disk), ["ballast"]);
      await Deno.remove(ballast);
      assert.equal(await run(backup, path, ...daemon.options), 0);

      const saved = `${directory.path}/saved`;
      await Deno.copyFile(path, saved);
      await Deno.remove(path);
      const options = ["--set", `daemon.data_dir=${disk}`, "--set", "kv.storage=sqlite:kv.db"];
      await Deno.writeFile(ballast, new Uint8Array(BALLAST_BYTES));
      await assertFails(
        run(restore, saved, ...options),
        `Cannot restore: cannot write "${disk}/kv.db.restoring": the disk is full`,
      );
      assert.deepEqual(await namesIn(disk), ["ballast", "kv.db.lock"]);
      await Deno.remove(ballast);
      assert.equal(await run(restore, saved, ...options), 0);
      assert.deepEqual(await namesIn(disk), ["kv.db", "kv.db.lock"]);
    },
  });
});

/** Creates the tables of task in a database. */
async function createTables(url: string): Promise<void> {
  const storage = await openStorage(url, { dataDir: ".", log: new TestLog().log });
  const { restore } = SERVICES.find(({ name }) => name === "task")!;
  await storage.match<Promise<void>>({
    database: (database) => restore!.prepare(database),
    log: () => Promise.reject(new Error("not a database")),
  });
  await storage.close();
}

Deno.test("quartet restore into two storages fails, or is killed, for both or for none", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/b`;
  const dataDir = `${directory.path}/new`;
  const url = await postgres.createDatabase();
  await createTables(url);
  await writeFile(path, ["kv"], ["task"]);
  const options = [
    ...["--set", `daemon.data_dir=${dataDir}`, "--set", "kv.storage=sqlite:kv.db"],
    ...["--set", `task.storage=${url}`],
  ];
  await execute(url, "INSERT INTO quartet.task_after (id, job) VALUES (1, 2)");
  await assertFails(
    run(restore, path, ...options),
    "Cannot restore: its table quartet.task_after is not empty, and nothing is overwritten",
  );
  assert.deepEqual(await namesIn(dataDir), ["kv.db.lock"]);
  const other = await postgres.createDatabase();
  await assertFails(
    run(restore, path, ...options, "--set", `kv.storage=${other}`),
    "Cannot restore: its table quartet.task_after is not empty, and nothing is overwritten",
  );
  assert.equal((await execute(other, "SELECT FROM quartet.kv")).length, 0);
  await execute(url, "TRUNCATE quartet.task_after");

  // It waits in its transaction, and the file is complete.
  const sql = postgresDriver(url, { max: 1 });
  await sql.begin(async (transaction) => {
    await transaction.unsafe("LOCK TABLE quartet.task_after");
    const child = spawn("restore", path, ...options);
    await until("it waits for the table", async () => {
      const query = "SELECT FROM pg_locks WHERE NOT granted AND relation IS NOT NULL";
      return (await execute(url, query)).length > 0;
    });
    await kill(child);
    assert.deepEqual(await namesIn(dataDir), ["kv.db.lock", "kv.db.restoring"]);
  });
  await sql.end({ timeout: 5 });
  assert.equal(await run(restore, path, ...options), 0);
  assert.deepEqual(await namesIn(dataDir), ["kv.db", "kv.db.lock"]);
});

Deno.test("quartet restore says which of two storages has its data if only the end fails", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/b`;
  await writeFile(path, ["kv"], ["task"]);
  const file = await BackupFile.open(path);
  const services = ["kv", "task"].map((name): RestoredService => ({
    name,
    section: file.sectionOf(name)!,
    restore: SERVICES.find((service) => service.name === name)!.restore!,
  }));
  const targets = new Map(services.map((service) => [`sqlite:${service.name}.db`, [service]]));
  const rows = file.rows.bind(file);
  file.rows = async function* (section) {
    // The file of kv is written, and now another program takes its name.
    if (section.services[0] === "task") await Deno.writeTextFile(`${directory.path}/kv.db`, "");
    yield* rows(section);
  };
  await assertFails(
    restoreInto(targets, { file, dataDir: directory.path }),
    `Cannot restore kv: "${directory.path}/kv.db" exists, and nothing is overwritten; ` +
      'task in "sqlite:task.db" is restored: remove it before the next try',
  );
  assert.deepEqual(
    await namesIn(directory.path),
    ["b", "kv.db", "kv.db.lock", "task.db", "task.db.lock"],
  );
});
