import assert from "node:assert/strict";
import { backup } from "../../lib/cli/backup.ts";
import { restore } from "../../lib/cli/restore.ts";
import { formatAddress } from "../../lib/net/address.ts";
import { BACKUP_FORMAT, encodeJson, ITEM } from "../../lib/storage/backup/backup_items.ts";
import { FrameWriter } from "../../lib/storage/backup/frames.ts";
import { openStorage } from "../../lib/storage/open.ts";
import { valueText } from "../../lib/storage/value.ts";
import { FakeDaemon, startAdmin } from "../admin/support.ts";
import { TestLog } from "../support/log.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { HAS_SCRIPT, TestTerminal } from "../support/terminal.ts";
import { within } from "../support/within.ts";
import { assertFails, FOREVER, namesIn, run, startService, writeFile } from "./backup_support.ts";

Deno.test("quartet backup saves into a file that did not exist, and only its owner can read it", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/b`;
  await using daemon = await startService((records) =>
    records.put("kv_0", "key", "value", FOREVER)
  );
  // What a backup that was killed has left.
  await Deno.writeTextFile(`${path}.part`, "x".repeat(10_000));
  assert.equal(await run(backup, path, ...daemon.options), 0);
  assert.equal((await Deno.stat(path)).mode! & 0o77, 0);
  assert.deepEqual(await namesIn(directory.path), ["b"]);
  assert.equal(await run(restore, path, "--check"), 0);
  await assertFails(
    run(backup, path, ...daemon.options),
    `Cannot write "${path}": a file of that name is in the way`,
  );

  const set = (words: string) => ["--set", `daemon.data_dir=${directory.path}/new`, "--set", words];
  assert.equal(await run(restore, path, ...set("kv.storage=sqlite:kv.db")), 0);
  const { log } = new TestLog();
  const storage = await openStorage("sqlite:kv.db", { dataDir: `${directory.path}/new`, log });
  const store = await storage.openStore({ maxBytes: Infinity });
  assert.equal(valueText((await store.get(0, "key"))!.value), "value");
  await store.close();
  await storage.close();
});

Deno.test({
  name: "quartet backup does not write to a terminal",
  ignore: !HAS_SCRIPT,
  fn: async () => {
    await using directory = await makeTempDirectory();
    using terminal = new TestTerminal(["backup", "-", "--address", "127.0.0.1:1"], directory.path);
    const text = await terminal.ends();
    assert.equal(text, "Cannot write the backup to a terminal: name a file, or use a pipe\r\n");
    assert.equal(await terminal.code, 1);
  },
});

Deno.test("quartet backup leaves no file if the daemon cannot finish it, and says why", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/b`;
  {
    await using daemon = await startService(() => Promise.reject(new Error("no luck")));
    await assertFails(run(backup, path, ...daemon.options), "The backup failed: no luck");
  }
  assert.deepEqual(await namesIn(directory.path), []);
  {
    await using daemon = await startService(async () => {
      await Deno.remove(`${path}.part`);
      throw new Error("no luck");
    });
    await assertFails(run(backup, path, ...daemon.options), "The backup failed: no luck");
  }

  const begun = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  const daemon = await startService(async (records) => {
    for (let n = 0; n < 20_000; n++) await records.put("kv_0", `${n}`, "x".repeat(100), FOREVER);
    begun.resolve();
    await stopped.promise;
    for (let n = 0; n < 20_000; n++) await records.put("kv_1", `${n}`, "x".repeat(100), FOREVER);
  });
  const running = assertFails(
    run(backup, path, ...daemon.options),
    `${formatAddress(daemon.address)} ended the backup before it was complete`,
  );
  await within(60_000, "the begin", begun.promise);
  await assertFails(
    run(backup, `${path}2`, ...daemon.options),
    `${formatAddress(daemon.address)} refused: Another backup is being made.`,
  );
  await assertFails(
    run(backup, path, ...daemon.options),
    `Cannot write "${path}.part": another backup is writing it`,
  );
  const drained = daemon.running.drain(AbortSignal.timeout(10_000));
  stopped.resolve();
  await running;
  await drained;
  assert.deepEqual(await namesIn(directory.path), []);
});

Deno.test("quartet backup says what is wrong with the token, and that nothing listens", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/b`;
  const token = `${directory.path}/token`;
  await Deno.writeTextFile(token, "wrong\n");
  const daemon = new FakeDaemon();
  const verdict = () => Promise.resolve("wrong" as const);
  const guard = { checkInTurn: verdict } as never;
  const admin = await startAdmin(daemon, {}, () => guard);
  const where = formatAddress(admin.address);
  const options = ["--address", where];
  await assertFails(
    run(backup, path, ...options),
    `${where} requires a token: name a file with --token-file, or set QUARTET_TOKEN`,
  );
  await assertFails(
    run(backup, path, ...options, "--token-file", token),
    `${where} does not accept the token`,
  );
  await admin[Symbol.asyncDispose]();
  await assertFails(run(backup, path, ...options), `Cannot ask ${where}: nothing listens there`);
  await using other = await startAdmin(daemon);
  await assertFails(
    run(backup, path, "--address", formatAddress(other.address)),
    `${formatAddress(other.address)} refused: No running service keeps data.`,
  );
});

Deno.test("quartet restore refuses what is no good backup, and writes nothing", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/b`;
  const options = ["--set", `daemon.data_dir=${directory.path}/new`];
  await writeFile(path, ["kv", "task"]);
  const good = await Deno.readFile(path);
  const refused = async (bytes: Uint8Array, why: RegExp) => {
    await Deno.writeFile(path, bytes);
    await assertFails(run(restore, path, ...options), why);
  };
  await assertFails(run(restore, `${path}0`, ...options), /b0": no such file or directory$/);
  await refused(new TextEncoder().encode("SQLite format 3\0"), /b": it is not a backup$/);
  await refused(new Uint8Array(0), /it is incomplete: it ends in the middle$/);
  await refused(good.subarray(0, -1), /it is incomplete: it ends in the middle$/);
  // Without its last item.
  await refused(good.subarray(0, -24), /it is incomplete: its end is missing$/);
  await refused(good.with(good.length - 30, 0xff), /it is damaged at byte \d+$/);

  const writeItem = async (item: unknown, kind: number) => {
    const chunks: Uint8Array[] = [];
    const frames = new FrameWriter((bytes) => Promise.resolve(void chunks.push(bytes.slice())));
    const header = { format: BACKUP_FORMAT, program: "9.9.9", createdAt: "" };
    if (kind !== ITEM.header) await frames.add(ITEM.header, [encodeJson(header)]);
    await frames.add(kind, [new TextEncoder().encode(JSON.stringify(item))]);
    await frames.flush();
    return chunks[0]!;
  };
  const newer = { format: BACKUP_FORMAT + 1, program: "9.9.9", createdAt: "" };
  await refused(await writeItem(newer, ITEM.header), /it has format 2, and .* use a newer one$/);
  const failure = await writeItem({ message: "no luck" }, ITEM.failure);
  await refused(failure, /it is incomplete: the backup failed: no luck$/);
  // Its frames are good, and what they hold makes no sense.
  const senseless: [item: unknown, kind: number][] = [
    [null, ITEM.header],
    [{ format: "1" }, ITEM.header],
    [{ format: 1 }, ITEM.header],
    [{ tables: {}, version: 1 }, ITEM.tables],
    [{ services: "kv", pieces: 0 }, ITEM.section],
    [null, ITEM.end],
  ];
  for (const [item, kind] of senseless) {
    await refused(await writeItem(item, kind), /b": it was not written by quartet$/);
  }
  assert.deepEqual(await namesIn(directory.path), ["b"]);
});

Deno.test("quartet restore overwrites nothing, and does not restore into memory", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/b`;
  const options = ["--set", `daemon.data_dir=${directory.path}/new`];
  await writeFile(path, ["kv"], ["task"]);
  await assertFails(
    run(restore, path, ...options, "--set", "kv.storage=memory:"),
    'Cannot restore kv into "memory:", which keeps nothing: set its storage, or storage.url',
  );
  await assertFails(
    run(restore, path, ...options),
    /different storages\. Give each a file of its own/,
  );
  // What a restore that was killed has left.
  await Deno.writeTextFile(`${directory.path}/new/kv.db.restoring`, "x");
  const apart = [...options, "--set", "kv.storage=sqlite:kv.db"];
  assert.equal(await run(restore, path, ...apart), 0);
  assert.deepEqual(
    await namesIn(`${directory.path}/new`),
    ["kv.db", "kv.db.lock", "quartet.db", "quartet.db.lock"],
  );
  await Deno.remove(`${directory.path}/new/quartet.db`);
  await assertFails(
    run(restore, path, ...apart),
    `Cannot restore: "${directory.path}/new/kv.db" exists, and nothing is overwritten`,
  );
  // Nor is anything written beside it.
  assert(!(await namesIn(`${directory.path}/new`)).includes("quartet.db"));
});
