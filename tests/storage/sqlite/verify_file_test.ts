import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createLog } from "../../../lib/log.ts";
import { SqliteLog } from "../../../lib/storage/sqlite/sqlite_log.ts";
import { recoverFile, verifyFile } from "../../../lib/storage/sqlite/verify_file.ts";
import { RecordMap } from "../record_map.ts";

const quiet = {
  log: createLog("test", { level: "error", format: "text", sink: () => {} }),
  reserveBytes: 0,
};

/** A file with ten keys in pieces of a snapshot and ten in rows of the log. */
async function withFile(run: (path: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const path = join(directory, "test.db");
    const log = await SqliteLog.open(path, quiet);
    const owner = new RecordMap();
    const [table] = await log.openTables({ kv: owner });
    const put = (key: string, value: string) => {
      owner.set(key, value, log.nextVersion);
      log.put(table!, key, value);
      return log.flushed();
    };
    for (let key = 0; key < 10; key++) await put(`${key}`, `piece ${key}`);
    await log.snapshot();
    for (let key = 0; key < 10; key++) await put(`row ${key}`, `row ${key}`);
    await log.close();
    await run(path);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function load(path: string): Promise<Record<string, string>> {
  const log = await SqliteLog.open(path, quiet);
  const owner = new RecordMap();
  await log.openTables({ kv: owner });
  await log.close();
  return owner.text();
}

/** Opens a file as the daemon does whose only service has a table with this name. */
async function start(path: string, name = "kv"): Promise<void> {
  const log = await SqliteLog.open(path, quiet);
  try {
    await log.openTables({ [name]: new RecordMap() });
  } finally {
    await log.close();
  }
}

/** What is in a file, apart from SQLite's own log. */
function contentsOf(path: string): string {
  using database = new DatabaseSync(path);
  return JSON.stringify(
    ["log", "pieces", "kept", "head", "head_copy"].map((table) =>
      database.prepare(`SELECT * FROM ${table}`).all()
    ),
  );
}

/** Damages a file with a statement of SQL. */
function damage(path: string, sql: string): void {
  using database = new DatabaseSync(path);
  database.exec(sql);
}

Deno.test("verifyFile: counts what is in a good file", async () => {
  await withFile(async (path) => {
    const { pieces, rows, damages } = await verifyFile(path);
    assert.deepEqual(damages, []);
    assert.equal(pieces, 10);
    assert.ok(rows >= 10, `${rows} rows`);
    assert.equal(Object.keys(await load(path)).length, 20);
  });
});

/** Damage, what is said about it, and the keys that can be saved. */
const DAMAGES: [sql: string, said: RegExp, saved: number][] = [
  [
    "UPDATE log SET changes = substr(changes, 1, 2) WHERE last = (SELECT max(last) - 5 FROM log)",
    /^row \d+ of "log": its checksum is wrong$/,
    19,
  ],
  [
    "UPDATE pieces SET records = zeroblob(length(records)) WHERE piece = 51",
    /^piece 51 of table \d+: its checksum is wrong$/,
    19,
  ],
  ["UPDATE pieces SET version = version + 1 WHERE piece = 51", /^piece 51 .*checksum/, 19],
  [
    "DELETE FROM log WHERE last = (SELECT max(last) - 5 FROM log)",
    /^row \d+ of "log": the row before it is missing$/,
    19,
  ],
  [
    "DELETE FROM log WHERE last = (SELECT max(last) FROM log)",
    /^the rows of "log": row \d+ is missing at their end$/,
    19,
  ],
  ["DELETE FROM log WHERE last = (SELECT min(last) FROM log)", /the row before it is missing$/, 20],
  ["DELETE FROM pieces WHERE piece = 51", /^the pieces: there are 9 instead of 10$/, 19],
  ["UPDATE head SET state = replace(state, 'kv', 'kw')", /^"head": its checksum is wrong$/, 20],
  ["DELETE FROM head", /^"head": its checksum is wrong$/, 20],
  ["UPDATE log SET changes = 'text' WHERE last = (SELECT max(last) FROM log)", /checksum/, 19],
];

Deno.test("SqliteLog: names damaged rows and refuses the file; what is good can be saved", async () => {
  await withFile(async (good) => {
    for (const [index, [sql, said, saved]] of DAMAGES.entries()) {
      const path = `${good}.${index}`;
      await Deno.copyFile(good, path);
      damage(path, sql);
      const before = contentsOf(path);
      await assert.rejects(start(path), (error: Error) => {
        const [, what] =
          /as storage: it is damaged: (.*?)\. "quartet check --storage" lists all damage, and "quartet storage recover" saves what can be saved$/
            .exec(error.message) ?? [];
        assert.match(what ?? error.message, said, sql);
        return true;
      });
      // A service that has no table yet does not start either.
      if (index < 2) await assert.rejects(start(path, "task"), /it is damaged/);
      assert.equal(contentsOf(path), before);
      assert.match((await verifyFile(path)).damages.join("\n"), said, sql);
      const { damages } = await recoverFile(path, `${path}.new`);
      assert.equal(damages.length, 1, sql);
      assert.equal(Object.keys(await load(`${path}.new`)).length, saved, sql);
      assert.deepEqual((await verifyFile(`${path}.new`)).damages, []);
    }
  });
});

Deno.test("SqliteLog: an overwritten page is noticed, and rows on both sides of it are saved", async () => {
  await withFile(async (path) => {
    let page: number;
    {
      // Enough rows for a tree, of which one leaf is lost.
      using database = new DatabaseSync(path);
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      page = Number(
        database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'log'").get()!
          .rootpage,
      );
    }
    using file = await Deno.open(path, { write: true });
    await file.seek((page - 1) * 4096, Deno.SeekMode.Start);
    await file.write(new Uint8Array(4096));
    await assert.rejects(start(path), /it is damaged: the rows of "log": .*malformed/);
    assert.ok((await verifyFile(path)).damages.length > 0);
    await recoverFile(path, `${path}.new`);
    const keys = Object.keys(await load(`${path}.new`));
    assert.deepEqual(keys, Array.from({ length: 10 }, (_, key) => `${key}`));
  });
});

Deno.test("SqliteLog.open: refuses a file that was emptied, but not an empty one that is new", async () => {
  await withFile(async (path) => {
    // A daemon that was killed leaves a write-ahead log, which SQLite would drop.
    const log = await SqliteLog.open(path, { ...quiet, reserveBytes: 4096 });
    await log.openTables({ other: new RecordMap() });
    const wal = await Deno.readFile(`${path}-wal`);
    assert.ok(wal.length > 0);
    await log.close();
    const empty = () => Deno.writeFile(path, new Uint8Array(0));
    await empty();
    await assert.rejects(SqliteLog.open(path, quiet), /it is empty, and was not when/);
    await Deno.remove(`${path}.reserve`);
    await Deno.writeFile(`${path}-wal`, wal);
    await assert.rejects(SqliteLog.open(path, quiet), /it is empty, and was not when/);
    assert.equal((await Deno.stat(`${path}-wal`)).size, wal.length);
    await assert.rejects(verifyFile(path), /it is empty/);
    await Deno.remove(`${path}-wal`);
    assert.deepEqual(await load(path), {});
  });
});

Deno.test("recoverFile: saves everything from a file whose header is damaged", async () => {
  await withFile(async (path) => {
    const header = await Deno.readFile(path);
    for (const bytes of [header.slice(0, 100).fill(0), new Uint8Array(16).fill(0xff)]) {
      await Deno.writeFile(path, header);
      {
        using file = await Deno.open(path, { write: true });
        await file.write(bytes);
      }
      await assert.rejects(SqliteLog.open(path, quiet), /not a database, or damaged/);
      const { damages } = await recoverFile(path, `${path}.new`);
      assert.deepEqual(damages, ["the file: its header is damaged"]);
      assert.equal(Object.keys(await load(`${path}.new`)).length, 20);
      assert.deepEqual((await verifyFile(`${path}.new`)).damages, []);
      await Deno.remove(`${path}.new`);
    }
    for await (const { name } of Deno.readDir(dirname(path))) assert.doesNotMatch(name, /mended/);
  });
});

Deno.test("recoverFile: does not overwrite a file, and goes on with newer versions", async () => {
  await withFile(async (path) => {
    await assert.rejects(recoverFile(path, path), Deno.errors.AlreadyExists);
    await assert.rejects(recoverFile(`${path}.none`, `${path}.new`), Deno.errors.NotFound);
    damage(path, "DELETE FROM log");
    await recoverFile(path, `${path}.new`);
    const log = await SqliteLog.open(`${path}.new`, quiet);
    const owner = new RecordMap();
    const [table] = await log.openTables({ kv: owner });
    assert.equal(owner.records.size, 10);
    for (const version of owner.changed.values()) assert.ok(version < log.nextVersion);
    owner.set("5", "newer", log.nextVersion);
    log.put(table!, "5", "newer");
    await log.close();
    assert.equal((await load(`${path}.new`))["5"], "newer");
  });
});
