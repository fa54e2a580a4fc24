import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { LogCopy, LogSink } from "../../../lib/storage/commit_log.ts";
import { MemoryStore } from "../../../lib/storage/memory/memory_store.ts";
import { MAX_WAITING_BYTES } from "../../../lib/storage/sqlite/log_copy.ts";
import { RestoredFile, type TablesCopy } from "../../../lib/storage/sqlite/restore_file.ts";
import { SqliteLog } from "../../../lib/storage/sqlite/sqlite_log.ts";
import { valueText } from "../../../lib/storage/value.ts";
import { TestLog } from "../../support/log.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";

const { log: testLog } = new TestLog();

/** Runs a function on the store in a file. */
async function withStore<T>(
  path: string,
  run: (store: MemoryStore, log: SqliteLog) => Promise<T>,
): Promise<T> {
  const log = await SqliteLog.open(path, { log: testLog });
  const store = await MemoryStore.open(log, { spaces: 3 });
  try {
    return await run(store, log);
  } finally {
    await store.close();
    await log.close();
  }
}

/** Restores a copy into a file. */
async function restoreFile(path: string, copy: TablesCopy): Promise<void> {
  await using file = await RestoredFile.write(path, copy);
  await file.publish();
}

type Row = { first: number; last: number; bytes: Uint8Array };
type Piece = { table: number; piece: number; version: number; bytes: Uint8Array };

/** Takes a copy; calls a function with the number of each piece, from 1, once it is taken. */
async function take(copy: LogCopy, onPiece: (count: number) => Promise<void> | void) {
  const pieces: Piece[] = [];
  const rows: Row[] = [];
  const sink: LogSink = {
    piece: async (head, parts) => {
      const bytes = new Uint8Array(Buffer.concat(parts));
      pieces.push({ ...head, bytes });
      await onPiece(pieces.length);
    },
    row: (first, last, changes) => Promise.resolve(void rows.push({ first, last, bytes: changes })),
  };
  const { tables, version } = await copy.write(sink);
  const all = async function* <T>(items: T[]) {
    yield* items;
  };
  return { tables, version, pieces: all(pieces), rows: all(rows) };
}

/** The values of "a" in spaces 0 and 1. */
async function values(store: MemoryStore): Promise<(string | undefined)[]> {
  const entries = await Promise.all([0, 1].map((space) => store.get(space, "a")));
  return entries.map((entry) => entry && valueText(entry.value));
}

function putBoth(store: MemoryStore, value: string): Promise<void> | void {
  return store.transact([{ space: 0, key: "a" }, { space: 1, key: "a" }], (transaction) => {
    transaction.put(0, "a", value, 0);
    transaction.put(1, "a", value, 0);
  }, { blind: true });
}

Deno.test("A copy ends with the group that includes what its last piece shows", async () => {
  await using directory = await makeTempDirectory();
  const copied = `${directory.path}/copy.db`;
  await withStore(`${directory.path}/1.db`, async (store, log) => {
    await putBoth(store, "old");
    let written: Promise<void> | void = undefined;
    const copy = await take(log.copyTables(), (count) => {
      // The first space has been copied, the second one not yet; the change is not durable yet.
      if (count === 1) written = putBoth(store, "new");
    });
    await written;
    await restoreFile(copied, copy);
  });
  assert.deepEqual(await withStore(copied, values), ["new", "new"]);
});

Deno.test("A copy knows where spaces that were swapped or cleared meanwhile are at its end", async () => {
  await using directory = await makeTempDirectory();
  const copied = `${directory.path}/copy.db`;
  await withStore(`${directory.path}/1.db`, async (store, log) => {
    await store.put(0, "a", "zero", 0);
    await store.put(1, "a", "one", 0);
    await store.put(2, "a", "two", 0);
    const copy = await take(log.copyTables(), async (count) => {
      if (count > 1) return;
      await store.transactSpaces(async (transaction) => {
        await transaction.swap(0, 1);
        await transaction.clear(2);
      });
    });
    await restoreFile(copied, copy);
  });
  await withStore(copied, async (store) => {
    assert.deepEqual(await values(store), ["one", "zero"]);
    assert.equal(await store.get(2, "a"), undefined);
  });
});

Deno.test("What is written to a restored file is newer than what was restored", async () => {
  await using directory = await makeTempDirectory();
  const copied = `${directory.path}/copy.db`;
  await withStore(`${directory.path}/1.db`, async (store, log) => {
    for (let n = 0; n < 50; n++) await putBoth(store, "old");
    await restoreFile(copied, await take(log.copyTables(), () => {}));
  });
  await withStore(copied, async (store) => void await putBoth(store, "new"));
  assert.deepEqual(await withStore(copied, values), ["new", "new"]);
});

Deno.test("A copy fails if more changes wait than may, and if it is stopped", async () => {
  await using directory = await makeTempDirectory();
  await withStore(`${directory.path}/1.db`, async (store, log) => {
    await putBoth(store, "old");
    const part = new Uint8Array(8 * 1024 * 1024);
    const slow = take(log.copyTables(), async () => {
      for (let n = 0; n <= MAX_WAITING_BYTES / part.length; n++) await store.put(2, "b", part, 0);
    });
    await assert.rejects(slow, /storage unavailable: data changes faster than the copy is taken/);
    const copy = log.copyTables();
    copy.stop();
    await assert.rejects(take(copy, () => {}), /storage unavailable: the copy was stopped/);
    await putBoth(store, "new");
    assert.deepEqual(await values(store), ["new", "new"]);
  });
});
