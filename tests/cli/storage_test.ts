import assert from "node:assert/strict";
import { parseCommandLine } from "../../lib/cli/command.ts";
import { storage } from "../../lib/cli/storage.ts";
import type { Address } from "../../lib/net/address.ts";
import { openStorage } from "../../lib/storage/open.ts";
import type { Store } from "../../lib/storage/store.ts";
import { HAS_REDIS, TestRedis } from "../kv/redis_server.ts";
import { RawClient, TestKv } from "../kv/support.ts";
import { TestLog } from "../support/log.ts";
import { makeTempDirectory, runQuartet, sources } from "../support/quartet.ts";

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
  const store = await opened.openStore({ maxBytes: Infinity });
  try {
    await run(store);
  } finally {
    await store.close();
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
    signal: AbortSignal.timeout(60_000),
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
    const { path: program, words } = sources();
    const child = await new Deno.Command(program, {
      args: [...words, "storage", "dump", path],
      signal: AbortSignal.timeout(60_000),
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
