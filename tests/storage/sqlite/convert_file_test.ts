import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { gunzipSync } from "node:zlib";
import { createLog } from "../../../lib/log.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import { SqliteLog } from "../../../lib/storage/sqlite/sqlite_log.ts";
import { valueBytes } from "../../../lib/storage/value.ts";
import { SYSTEM_CLOCK } from "../../../lib/task/clock.ts";
import { LogJournal } from "../../../lib/task/memory/log_journal.ts";
import { MemoryQueue } from "../../../lib/task/memory/queue.ts";
import { queueOptions } from "../../task/support.ts";
import { text } from "../store_suite.ts";

const quiet = {
  log: createLog("test", { level: "error", format: "text", sink: () => {} }),
  reserveBytes: 0,
};

/** A file that version 1 wrote: seven keys in two spaces, four jobs and a result. */
const VERSION_1 = gunzipSync(
  await Deno.readFile(new URL("version_1.db.gz", import.meta.url)),
);

async function withFile(run: (path: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const path = join(directory, "test.db");
    await Deno.writeFile(path, VERSION_1);
    await run(path);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Checks that everything in the file of version 1 is there. */
async function assertConverted(path: string): Promise<void> {
  const log = await SqliteLog.open(path, quiet);
  try {
    const store = await MemoryStore.open(log);
    const { keys } = store.metrics();
    const value = async (key: string) => text((await store.get(0, key))?.value);
    assert.equal(await value("plain"), "value");
    assert.deepEqual(
      new Uint8Array(valueBytes((await store.get(0, "\xff\0binary"))!.value)),
      Uint8Array.from({ length: 256 }, (_, byte) => byte),
    );
    assert.equal(await value(""), "empty key");
    assert.equal(await value("empty value"), "");
    assert.equal((await store.get(0, "expires"))!.expiresAtMs, Date.UTC(2100, 0, 1));
    assert.equal((await store.get(0, "long"))!.value.length, 5000);
    assert.equal(text((await store.get(1, "other space"))?.value), "1");
    assert.equal(keys, 7);

    const journal = new LogJournal(log);
    const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions(), journal);
    await journal.load(queue.scheduler, queue.schedules.records);
    const client = queue.connect();
    assert.deepEqual(await client.result(1), { state: "done", body: "the result" });
    const buried = (await client.statsJob(2))!;
    assert.deepEqual([buried.state, buried.priority, buried.tube], ["buried", 99, "tube"]);
    const ready = (await client.peek(3))!;
    assert.equal(text(ready.body), "ready body");
    assert.equal(await client.statsJob(4), null);
    assert.equal((await client.statsJob(5))!.key, "the-key");
    await client.close();
    await queue.close();
    await store.close();
  } finally {
    await log.close();
  }
}

Deno.test("convertFile: a file of version 1 keeps all its data, and remains beside the new one", async () => {
  await withFile(async (path) => {
    await assertConverted(path);
    assert.deepEqual(await Deno.readFile(`${path}.v1`), new Uint8Array(VERSION_1));
    const names = [...Deno.readDirSync(dirname(path))].map(({ name }) => name);
    assert.deepEqual(names.filter((name) => name.includes("converting")), []);
    // The second start finds a file of the new version.
    await assertConverted(path);
  });
});

Deno.test("convertFile: continues after a crash at any step", async () => {
  // Before the new file was complete, and after the old one got its second name.
  for (const leave of ["part of the new file", "both names"]) {
    await withFile(async (path) => {
      if (leave === "both names") await Deno.link(path, `${path}.v1`);
      await Deno.writeTextFile(`${path}.converting`, "part");
      await Deno.writeTextFile(`${path}.converting-wal`, "part");
      await assertConverted(path);
      await assert.rejects(Deno.stat(`${path}.converting`), Deno.errors.NotFound);
    });
  }
});

Deno.test("convertFile: leaves a file alone that it cannot convert, and says why", async () => {
  const refuses = (path: string, why: RegExp) => assert.rejects(SqliteLog.open(path, quiet), why);
  await withFile(async (path) => {
    await Deno.writeTextFile(`${path}.v1`, "another file");
    await refuses(path, /must be converted, and ".*\.v1" is in the way; move it elsewhere$/);
    await Deno.remove(`${path}.v1`);
    await assertConverted(path);
  });
  await withFile(async (path) => {
    {
      using database = new DatabaseSync(path);
      database.exec("UPDATE t_kv_0 SET record = x'0102' WHERE key = CAST('plain' AS BLOB)");
    }
    await refuses(path, /is damaged: a record of "kv_0" has 2 bytes$/);
    using database = new DatabaseSync(path);
    assert.equal(database.prepare("PRAGMA user_version").get()!.user_version, 1);
  });
});
