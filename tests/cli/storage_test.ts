import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { parseCommandLine } from "../../lib/cli/command.ts";
import { storage } from "../../lib/cli/storage.ts";
import type { Address } from "../../lib/net/address.ts";
import { openStorage } from "../../lib/storage/open.ts";
import type { Store } from "../../lib/storage/store.ts";
import { verifyFile } from "../../lib/storage/sqlite/verify_file.ts";
import { valueText } from "../../lib/storage/value.ts";
import { HAS_REDIS, TestRedis } from "../kv/redis_server.ts";
import { RawClient, TestKv } from "../kv/support.ts";
import { runHere } from "../support/command_line.ts";
import { TestLog } from "../support/log.ts";
import { quartet, runQuartet } from "../support/quartet.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";

/** A key, its database, its value and when it expires. */
type Item = [db: number, key: string, value: string, expiresAtMs: number];

const FAR_MS = Date.now() + 1e10;

const ITEMS: readonly Item[] = [
  [0, "", "the empty key", 0],
  [0, "a\r\n\0\xff", "\xfe\r\n", FAR_MS],
  [0, "long", "x\r\n".repeat(400_000), 0],
  [3, "empty", "", FAR_MS + 1],
  [15, "b", "2", 0],
];

/** Runs a function on the store in a file. */
async function withStore(path: string, run: (store: Store) => Promise<void>): Promise<void> {
  const opened = await openStorage(`sqlite:${path}`, { dataDir: ".", log: new TestLog().log });
  let store: Store | undefined;
  try {
    store = await opened.openStore({ maxBytes: Infinity });
    await run(store);
  } finally {
    await store?.close();
    await opened.close();
  }
}

async function putItems(store: Store): Promise<void> {
  for (const [db, key, value, expiresAtMs] of ITEMS) await store.put(db, key, value, expiresAtMs);
}

/** Runs `quartet storage` in this process. */
function run(...words: string[]): Promise<number> {
  return storage.run(parseCommandLine(storage, words));
}

/** Loads a dump with `redis-cli --pipe`, and returns what that says. */
async function load(dump: Uint8Array, server: string[]): Promise<string> {
  const child = new Deno.Command("redis-cli", {
    args: [...server, "--pipe"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(120_000),
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(dump as Uint8Array<ArrayBuffer>);
  await writer.close();
  const { stdout, stderr } = await child.output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

/** Checks that a server has exactly the items. */
async function assertItems(address: Address): Promise<void> {
  using client = await RawClient.connect(address);
  for (const [db, key, value, expiresAtMs] of ITEMS) {
    assert.equal(await client.ask("SELECT", String(db)), "+OK\r\n");
    assert.equal(await client.ask("GET", key), `$${value.length}\r\n${value}\r\n`);
    assert.equal(await client.ask("PEXPIRETIME", key), `:${expiresAtMs || -1}\r\n`);
    const count = ITEMS.filter(([other]) => other === db).length;
    assert.equal(await client.ask("DBSIZE"), `:${count}\r\n`);
  }
}

Deno.test({
  name: "quartet storage dump: redis-cli --pipe loads it into Redis and into quartet",
  ignore: !HAS_REDIS,
  fn: async () => {
    await using directory = await makeTempDirectory();
    const path = `${directory.path}/kv.db`;
    await withStore(path, putItems);
    const { path: program, words } = quartet();
    const child = await new Deno.Command(program, {
      args: [...words, "storage", "dump", path],
      signal: AbortSignal.timeout(120_000),
    }).output();
    assert.equal(new TextDecoder().decode(child.stderr), "Keys: 5\n");
    assert.equal(child.code, 0);

    await using redis = await TestRedis.start();
    assert.match(await load(child.stdout, ["-s", redis.path]), /errors: 0, replies: 8/);
    await assertItems({ transport: "unix", path: redis.path });

    await using kv = await TestKv.start();
    assert.match(await load(child.stdout, ["-p", String(kv.port)]), /errors: 0, replies: 8/);
    await assertItems(kv.address);
  },
});

Deno.test("quartet storage dump: reads the storage of kv in the configuration, even if kv is off", async () => {
  await using directory = await makeTempDirectory();
  await withStore(
    `${directory.path}/other.db`,
    async (store) => void await store.put(0, "a", "b", 0),
  );
  const config = `${directory.path}/q.toml`;
  await Deno.writeTextFile(
    config,
    `[daemon]\ndata_dir = "${directory.path}"\n[kv]\nenabled = false\nstorage = "sqlite:other.db"\n`,
  );
  const { code, stdout, stderr } = await runQuartet(["storage", "dump", "--config", config]);
  assert.deepEqual([code, stderr], [0, "Keys: 1\n"]);
  assert.equal(
    stdout,
    "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n",
  );
});

Deno.test("quartet storage dump: refuses a file in use, a missing one, and memory", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/kv.db`;
  await withStore(path, async () => {
    await assert.rejects(run("dump", path), {
      name: "CommandError",
      message: `Cannot open "${path}" as storage: another process uses it`,
    });
  });
  const missing = `${directory.path}/missing.db`;
  await assert.rejects(run("dump", missing), {
    name: "CommandError",
    message: `Cannot read "${missing}": no such file or directory`,
  });
  await assert.rejects(Deno.stat(missing), Deno.errors.NotFound);
  await assert.rejects(run("dump", directory.path), {
    message: `Cannot read "${directory.path}": it is not a file`,
  });
  await assert.rejects(run("dump", "--set", 'storage.url="memory:"', "--config", "/dev/null"), {
    message: "kv keeps its keys in memory only",
  });
  await assert.rejects(run("dump", path, "--config", "x"), {
    name: "UsageError",
    message: "FILE and --config exclude each other",
  });
  await assert.rejects(run("eat", path), { name: "UsageError" });
});

/** Damages a file: the log's row with the third last change, or whatever else SQL can reach. */
function damage(
  path: string,
  sql =
    "UPDATE log SET changes = substr(changes, 1, 2) WHERE last = (SELECT max(last) - 2 FROM log)",
): void {
  using database = new DatabaseSync(path);
  database.exec(sql);
}

/** The good rows of the log, as `quartet check --storage` counts them in "quartet.db". */
function rowsIn(report: string): number {
  return Number(/^Checked ".*quartet\.db": .* and (\d+) rows of the log, /m.exec(report)?.[1]);
}

Deno.test("quartet check --storage: names the damaged rows of the files that are in use", async () => {
  await using directory = await makeTempDirectory();
  const config = `${directory.path}/q.toml`;
  await Deno.writeTextFile(
    config,
    `[daemon]\ndata_dir = "${directory.path}"\n[task]\nstorage = "sqlite:task.db"\nmax_attempts = 25\n`,
  );
  const check = () => runQuartet(["check", "--storage", "--config", config]);
  const path = `${directory.path}/quartet.db`, other = `${directory.path}/task.db`;
  let rows = 0;
  const none = await check();
  assert.equal(none.code, 0, none.stderr);
  assert.equal(
    none.stderr,
    `Checked "${path}": it does not exist yet\nChecked "${other}": it does not exist yet\n`,
  );
  assert.match(none.stdout, /^\[daemon\]$/m);

  await Deno.writeTextFile(
    other,
    "this is no database, but long enough to be looked at".repeat(99),
  );
  await withStore(path, async (store) => {
    await putItems(store);
    // One file is in use now, and the other one is no database.
    const { code, stderr } = await check();
    assert.equal(code, 1);
    rows = rowsIn(stderr);
    assert.ok(rows >= ITEMS.length, stderr);
    assert.match(stderr, /^Cannot check ".*task\.db": .*not a database$/m);
    assert.ok(!/\n\s+at /.test(stderr), stderr);
  });
  await Deno.remove(other);
  damage(path);
  const { code, stderr } = await check();
  assert.equal(code, 1);
  assert.match(stderr, /^Damaged: ".*quartet\.db": row \d+ of "log": its checksum is wrong$/m);
  assert.equal(rowsIn(stderr), rows - 1);
});

Deno.test("quartet storage recover: saves what is good, and says what is lost", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/kv.db`;
  await withStore(path, putItems);
  damage(path);
  const before = await Deno.readFile(path);
  await assert.rejects(withStore(path, () => Promise.resolve()), /it is damaged: row \d+ of "log"/);
  const { code, stdout, stderr } = await runHere(["storage", "recover", path]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^Lost: row \d+ of "log": its checksum is wrong$/m);
  assert.match(stdout, /^Saved into ".*kv\.db\.recovered": .*; the rest is lost\n$/);
  assert.deepEqual(await Deno.readFile(path), before);
  await withStore(`${path}.recovered`, async (store) => {
    let found = 0;
    for (const [db, key, value, expiresAtMs] of ITEMS) {
      const entry = await store.get(db, key);
      if (entry === undefined) continue;
      found++;
      assert.equal(valueText(entry.value), value);
      assert.equal(entry.expiresAtMs, expiresAtMs);
    }
    assert.equal(found, ITEMS.length - 1);
    await store.put(0, "new", "1", 0);
  });
});

Deno.test("quartet storage recover, check --storage: a file that this version did not write", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/quartet.db`;
  const cases = [
    [0x71727474, "a previous version wrote it; the next start of the daemon converts it"],
    [0, "it is the database of another program"],
  ] as const;
  for (const [applicationId, reason] of cases) {
    damage(
      path,
      `CREATE TABLE IF NOT EXISTS t_kv_0 (key BLOB, record BLOB);
      PRAGMA application_id = ${applicationId}; PRAGMA user_version = 1`,
    );
    await assert.rejects(run("recover", path), {
      message: `Cannot recover "${path}" into "${path}.recovered": ${reason}`,
    });
    await assert.rejects(Deno.stat(`${path}.recovered`), Deno.errors.NotFound);
    await assert.rejects(verifyFile(path), { message: reason });
  }
});

Deno.test("quartet storage recover: refuses a file in use, and never overwrites one", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/kv.db`;
  await withStore(path, async () => {
    await assert.rejects(run("recover", path), {
      name: "CommandError",
      message: `Cannot open "${path}" as storage: another process uses it`,
    });
  });
  await assert.rejects(Deno.stat(`${path}.recovered`), Deno.errors.NotFound);
  await assert.rejects(run("recover", path, "--output", path), {
    message: `Cannot write "${path}": a file of that name is in the way`,
  });
  const foreign = `${directory.path}/foreign.db`, output = `${directory.path}/new.db`;
  await Deno.writeTextFile(foreign, "this is no database, but long enough".repeat(99));
  await assert.rejects(run("recover", foreign, "--output", output), {
    name: "CommandError",
    message: /^Cannot recover ".*foreign\.db" into ".*new\.db": .*not a database$/,
  });
  await assert.rejects(Deno.stat(output), Deno.errors.NotFound);
  const nowhere = `${directory.path}/none/new.db`;
  await assert.rejects(run("recover", path, "--output", nowhere), {
    message: `Cannot recover "${path}" into "${nowhere}": no such file or directory`,
  });
  await assert.rejects(run("recover"), { name: "UsageError" });
  await assert.rejects(run("recover", path, "--config", "x"), { name: "UsageError" });
  await assert.rejects(run("dump", path, "--output", "x"), { name: "UsageError" });
});
