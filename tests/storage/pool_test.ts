import assert from "node:assert/strict";
import { createLog } from "../../lib/log.ts";
import type { LogStorage } from "../../lib/storage/open.ts";
import { StoragePool } from "../../lib/storage/pool.ts";

const log = createLog("test", { level: "error", format: "text", sink: () => {} });

Deno.test("StoragePool: who names the same URL shares a storage, the last one closes it", async () => {
  const dataDir = await Deno.makeTempDir();
  try {
    const pool = new StoragePool("sqlite:a.db", { dataDir, log });
    const first = await pool.open() as LogStorage;
    const second = await pool.open("sqlite:a.db") as LogStorage;
    const other = await pool.open("memory:") as LogStorage;
    assert.equal(first.log, second.log);
    assert.notEqual(first.log, other.log);
    await first.close();
    await first.close();
    const table = await second.log.openTable("still_open");
    second.log.put(table, "a", "1");
    await second.log.flushed();
    const closing = second.close();
    const again = await pool.open() as LogStorage;
    await closing;
    assert.notEqual(again.log, second.log);
    await again.close();
    await other.close();
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("StoragePool: what could not be opened can be tried again", async () => {
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
