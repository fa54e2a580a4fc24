import assert from "node:assert/strict";
import { createLog } from "../../lib/log.ts";
import type { CommitLog } from "../../lib/storage/commit_log.ts";
import { StoragePool } from "../../lib/storage/pool.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { RecordMap } from "./record_map.ts";

const log = createLog("test", { level: "error", format: "text", sink: () => {} });

/** The log that a storage is built on. */
function logOf(storage: Storage): CommitLog {
  return storage.match({
    log: (log) => log,
    database: () => assert.fail("the storage is a database"),
  });
}

Deno.test("StoragePool: services share the storage of a URL, and the last to close it closes it", async () => {
  const dataDir = await Deno.makeTempDir();
  try {
    const pool = new StoragePool("sqlite:a.db", { dataDir, log });
    const first = await pool.open();
    const second = await pool.open("sqlite:a.db");
    const other = await pool.open("memory:");
    assert.equal(logOf(first), logOf(second));
    assert.notEqual(logOf(first), logOf(other));
    await first.close();
    await first.close();
    const [table] = await logOf(second).openTables({ still_open: new RecordMap() });
    logOf(second).put(table!, "a", "1");
    await logOf(second).flushed();
    const closing = second.close();
    const again = await pool.open();
    await closing;
    assert.notEqual(logOf(again), logOf(second));
    await again.close();
    await other.close();
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("StoragePool: a storage that failed to open can be opened again", async () => {
  const dataDir = await Deno.makeTempDir();
  try {
    const pool = new StoragePool("sqlite:below/a.db", { dataDir, log });
    await assert.rejects(pool.open(), /Cannot open ".*a\.db" as storage/);
    await Deno.mkdir(`${dataDir}/below`);
    await (await pool.open()).close();
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});
