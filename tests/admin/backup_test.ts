import assert from "node:assert/strict";
import { type BackupSources, writeBackup } from "../../lib/admin/backup.ts";
import { restoreInto } from "../../lib/cli/restore_storage.ts";
import { StoreLoader } from "../../lib/kv/store_loader.ts";
import type { ServiceData } from "../../lib/service.ts";
import { SERVICES } from "../../lib/services.ts";
import { allPages } from "../../lib/storage/all_pages.ts";
import { BackupFile } from "../../lib/storage/backup/backup_file.ts";
import { BackupLog } from "../../lib/storage/backup/backup_log.ts";
import { MemoryStore } from "../../lib/storage/memory/memory_store.ts";
import { openStorage } from "../../lib/storage/open.ts";
import type { Store } from "../../lib/storage/store.ts";
import { valueText } from "../../lib/storage/value.ts";
import { saveQueue } from "../../lib/task/backup.ts";
import { loadQueueRecords } from "../../lib/task/memory/queue_records.ts";
import { canExpire } from "../../lib/task/job_options.ts";
import { openQueue } from "../../lib/task/open.ts";
import type { JobOptions } from "../../lib/task/queue.ts";
import type { ScheduledQueue } from "../../lib/task/schedule/book.ts";
import { TestLog } from "../support/log.ts";
import { execute, usePostgres } from "../support/postgres.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { until, within } from "../support/within.ts";
import { put, reserve, spec } from "../task/suite_support.ts";
import { DEADLINE_MS, queueOptions } from "../task/support.ts";

const postgres = usePostgres();

const { log } = new TestLog();

/** A storage with a store and a queue, as the services open them. */
class TestData implements AsyncDisposable {
  readonly loader: StoreLoader;
  readonly queue: ScheduledQueue;
  readonly #task: ServiceData;

  private constructor(loader: StoreLoader, queue: ScheduledQueue, task: ServiceData) {
    this.loader = loader;
    this.queue = queue;
    this.#task = task;
  }

  static async open(url: string): Promise<TestData> {
    const loader = new StoreLoader({ maxBytes: Infinity, policy: "noeviction" });
    const storage = await openStorage(url, { dataDir: ".", log });
    await loader.load(() => Promise.resolve(storage));
    const rules = { retried: { maxAttempts: 1, deadLetter: "dead" } };
    const queue = await openQueue(storage, { ...queueOptions({ rules }), log });
    return new TestData(loader, queue, {
      storage,
      save: (records, transaction) => saveQueue(queue, records, transaction),
    });
  }

  get store(): Store {
    return this.loader.store;
  }

  get sources(): BackupSources[] {
    return [{ services: ["kv", "task"], data: [this.loader.data()!, this.#task] }];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queue.close();
    await this.loader.close();
  }
}

/** Writes a backup into a file. */
async function backUp(
  { sources }: TestData,
  path: string,
  onWrite: () => Promise<void> = () => Promise.resolve(),
): Promise<BackupFile> {
  using file = await Deno.open(path, { write: true, createNew: true });
  await writeBackup(sources, async (bytes) => {
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    await onWrite();
  });
  return await BackupFile.open(path);
}

/** Restores a backup into one storage. */
async function restoreAll(file: BackupFile, url: string): Promise<void> {
  const services = ["kv", "task"].map((name) => ({
    name,
    section: file.sectionOf(name)!,
    restore: SERVICES.find((service) => service.name === name)!.restore!,
  }));
  await restoreInto(new Map([[url, services]]), { file, dataDir: "." });
}

type Contents = Awaited<ReturnType<typeof contents>>;

/** Everything in a backup, in a form that two backups of the same data share. */
async function contents(file: BackupFile) {
  const store = await MemoryStore.open(new BackupLog(file, file.sectionOf("kv")!));
  const keys: [space: number, key: string, value: string, expiresAtMs: number][] = [];
  for await (const { space, page } of allPages((space, range) => store.scan(space, range), 16)) {
    for (const [key, { value, expiresAtMs }] of page) {
      keys.push([space, key, valueText(value), expiresAtMs]);
    }
  }
  await store.close();
  const queue = await loadQueueRecords(new BackupLog(file, file.sectionOf("task")!));
  const jobs = [...queue.jobs()].map((job) => {
    const { ageMs: _age, ...stats } = job.stats(0);
    const { createdAt, dueAt, options, state } = job;
    const body = valueText(job.body);
    const due = state === "ready" || state === "held" ? 0 : Math.ceil(dueAt);
    return {
      ...stats,
      body,
      createdAt: Math.ceil(createdAt),
      due,
      options,
      expires: canExpire(job),
    };
  });
  return {
    keys,
    jobs: jobs.sort((a, b) => a.id - b.id),
    results: [...queue.results].map(({ id, state, body, expiresAt }) => (
      { id, state, body: valueText(body), expiresAt: Math.ceil(expiresAt) }
    )).sort((a, b) => a.id - b.id),
    schedules: [...queue.schedules].sort(([a], [b]) => a < b ? -1 : 1),
    keysOfJobs: [...queue.keys].map((key) => ({ ...key, until: Math.ceil(key.until) })),
    lost: [...queue.lost],
  };
}

/** Puts something of every kind into a store and a queue. */
async function fill({ store, queue }: TestData): Promise<void> {
  const farMs = Date.now() + 1e10;
  await store.put(0, "", "the empty key", 0);
  await store.put(0, "a\r\n\0\xff", "\xfe\r\n", farMs);
  await store.put(0, "gone", "x", 0);
  await store.transact([{ space: 0, key: "gone" }], (transaction) => {
    transaction.delete(0, "gone");
  });
  await store.put(3, "long", new Uint8Array(1_500_000).fill(7), 0);
  await store.put(15, "empty", "", farMs + 1);
  for (let n = 0; n < 300; n++) await store.put(1, `key ${n}`, `value ${n}`, 0);

  const client = queue.connect();
  const putWith = (options: JobOptions) => put(client, spec("with options", { options }));
  client.use("plain");
  await put(client, spec("\0\xff", { priority: 2 ** 32 - 1 }));
  await put(client, spec("", { delayMs: 1e9 }));
  client.watch("plain");
  client.ignore("default");
  const first = await reserve(client);
  await client.bury(first.id, 7, "bur\xedied");
  const second = await put(client, spec("released", { priority: 1 }));
  await reserve(client);
  await client.release(second, 3, 5e8);
  await putWith({ attempts: 3, backoff: { firstMs: 1000, maxMs: 5000 }, timeoutMs: 9000 });
  await putWith({ unique: { key: "unfinished" }, expiresMs: 1e9 });
  await putWith({ unique: { key: "queued", while: "queued", forMs: 1e9 } });
  const done = await putWith({ unique: { key: "until", while: "until", forMs: 1e9 } });
  assert(await client.reserveJob(done) !== null);
  assert.equal(await client.done(done, "the result"), true);
  const cancelled = await put(client, spec("cancelled"));
  const follower = await putWith({ after: [cancelled] });
  await client.cancelJob(cancelled);
  assert.equal((await client.statsJob(follower))!.state, "held");
  const leader = await put(client, spec("leader", { delayMs: 1e9 }));
  await putWith({ after: [leader, follower] });
  await put(client, spec("follows the leader", { options: { after: [leader] } }));
  await client.releaseHeld(await putWith({ after: [leader] }));

  client.use("retried");
  client.watch("retried");
  client.ignore("plain");
  const died = await put(client, spec("dies"));
  await reserve(client);
  await client.fail(died, "no luck");
  // A dead letter that comes back does not expire again.
  const revived = await put(client, spec("expires", { options: { expiresMs: 1 } }));
  await until("the job expires", async () => (await client.statsJob(revived))?.tube === "dead");
  await client.moveJob(revived, "plain");
  await put(client, spec("moved"));
  await client.moveTube("retried", "elsewhere");
  await queue.schedules.open([{ name: "daily", timing: "cron 0 0 * * *" }], 1234);
  await client.settled();
  client.close();
}

Deno.test("A backup of one engine restores into the other, and back, without a difference", async () => {
  await using directory = await makeTempDirectory();
  const urls = [
    `sqlite:${directory.path}/1.db`,
    await postgres.createDatabase(),
    `sqlite:${directory.path}/3.db`,
    await postgres.createDatabase(),
  ];
  let expected: Contents | undefined;
  let last: BackupFile | undefined;
  for (const [index, url] of urls.entries()) {
    if (index === 1) await leaveTraces(url);
    if (last !== undefined) await restoreAll(last, url);
    await using data = await TestData.open(url);
    if (last === undefined) await fill(data);
    else if (index === 1) {
      await assertWorks(data, { key: "key 7", value: "value 7", lastId: EARLIER_ID });
    }
    const file = await backUp(data, `${directory.path}/${index}.backup`);
    const found = await contents(file);
    expected ??= found;
    assert.deepEqual(found, expected, `the backup of ${url}`);
    last = file;
    if (index === 1) {
      await assert.rejects(restoreAll(file, url), /quartet\.kv is not empty, and nothing/);
    }
    if (index === urls.length - 1) await assertFollows(data.queue, found);
  }
});

/** The last id that a database has given to a job before a restore. */
const EARLIER_ID = 1_000_000;

/** Leaves what an emptied database keeps: the row of a deleted key, and the ids that it has given. */
async function leaveTraces(url: string): Promise<void> {
  await using data = await TestData.open(url);
  await data.store.put(0, "deleted", "x", 0);
  await data.store.transact([{ space: 0, key: "deleted" }], (transaction) => {
    transaction.delete(0, "deleted");
  });
  await execute(url, `SELECT setval('quartet.task_ids', ${EARLIER_ID})`);
}

/** A job that waits for another one is released when that is done. */
async function assertFollows(queue: ScheduledQueue, { jobs }: Contents): Promise<void> {
  const idOf = (wanted: string) => jobs.find(({ body }) => body === wanted)!.id;
  const client = queue.connect();
  const follower = idOf("follows the leader");
  assert.equal((await client.statsJob(follower))!.state, "held");
  assert(await client.reserveJob(idOf("leader")) !== null);
  assert.equal(await client.done(idOf("leader"), ""), true);
  const state = async () => (await client.statsJob(follower))!.state;
  await until("the follower is ready", async () => await state() === "ready");
  client.close();
}

/** The key is there, and a new job can be put. */
async function assertWorks(
  { store, queue }: TestData,
  { key, value, lastId }: { key: string; value: string; lastId: number },
): Promise<void> {
  const client = queue.connect();
  const id = await put(client, spec("new"));
  assert(id > lastId, `the new job has the id ${id}`);
  await client.delete(id);
  assert.equal(valueText((await store.get(1, key))!.value), value);
  client.close();
}

/** How many churned keys there are, and how many jobs are kept. */
const CHURNED = 300;
const KEPT_JOBS = 20;
const SWAP_ROUNDS = 40;

/** Changes data without end; what they are after n rounds is known. */
class Churn {
  rounds = 0;
  #stopped = false;
  #running: Promise<void> | undefined;
  readonly #client;

  constructor(readonly data: TestData) {
    this.#client = data.queue.connect();
  }

  start(): void {
    this.#running = (async () => {
      while (!this.#stopped) await this.#round(this.rounds + 1);
    })();
  }

  /** Waits for some more rounds. */
  async more(rounds: number): Promise<void> {
    const end = this.rounds + rounds;
    await until(`round ${end}`, () => this.rounds >= end, DEADLINE_MS, 1);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await within(DEADLINE_MS, "the last round", this.#running!);
    this.#client.close();
  }

  async #round(round: number): Promise<void> {
    const { store } = this.data;
    const places = [...changesOf(round)];
    // Without an await in between, a log takes all of this as one group.
    const written = store.transact(
      places.map(([space, key]) => ({ space, key })),
      (transaction) => {
        for (const [space, key, value] of places) {
          if (value === undefined) transaction.delete(space, key);
          else transaction.put(space, key, value, 0);
        }
      },
    );
    const job = this.#client.put(spec(String(round)));
    const deleted = round > KEPT_JOBS ? this.#client.delete(round - KEPT_JOBS) : true;
    assert.deepEqual([await job, await deleted], [round, true]);
    await written;
    await this.#client.settled();
    if (round % SWAP_ROUNDS === 0) {
      await store.transactSpaces(async (transaction) => {
        await transaction.swap(0, 2);
        await transaction.clear(3);
        await transaction.put(1, "swapped", String(round), 0);
      });
    }
    this.rounds = round;
  }
}

/** The changes of a round: values of all lengths, so that records move. */
function* changesOf(
  round: number,
): Generator<[space: number, key: string, value: string | undefined]> {
  for (const key of ["a", "b", "c"]) yield [1, key, String(round)];
  yield [0, `key ${round % CHURNED}`, String(round).repeat(round * 37 % 500)];
  yield [0, `key ${round * 7 % CHURNED}x`, undefined];
  yield [0, `key ${round * 11 % CHURNED}x`, "x".repeat(round * 13 % 90)];
  yield [3, `cleared ${round % 10}`, String(round)];
}

/** The keys after so many rounds; in `swapped` the spaces were swapped for the last time. */
function keysAfter(rounds: number, swapped: number): unknown[] {
  let spaces = [0, 1, 2, 3].map(() => new Map<string, string>());
  for (let round = 1; round <= rounds; round++) {
    for (const [space, key, value] of changesOf(round)) {
      if (value === undefined) spaces[space]!.delete(key);
      else spaces[space]!.set(key, value);
    }
    if (round % SWAP_ROUNDS === 0 && round <= swapped) {
      spaces = [spaces[2]!, spaces[1]!, spaces[0]!, new Map()];
      spaces[1]!.set("swapped", String(round));
    }
  }
  return spaces.flatMap((keys, space) =>
    [...keys].sort(([a], [b]) => a < b ? -1 : 1).map(([key, value]) => [space, key, value, 0])
  );
}

/** Makes sure that a backup shows one moment; returns after how many rounds that was. */
function assertOneMoment(found: Contents): number {
  const valueOf = (wanted: string) =>
    Number(found.keys.find(([space, key]) => space === 1 && key === wanted)?.[2] ?? 0);
  const rounds = valueOf("a");
  const keys = found.keys.filter(([, key]) => key !== "filler");
  assert.deepEqual(keys, keysAfter(rounds, valueOf("swapped")));
  return rounds;
}

/** Starts a churn beside some megabytes of other data. */
async function startChurn(data: TestData): Promise<Churn> {
  for (let n = 4; n < 8; n++) await data.store.put(n, "filler", new Uint8Array(700_000), 0);
  const churn = new Churn(data);
  churn.start();
  await churn.more(50);
  return churn;
}

Deno.test("A backup under load shows kv and task at one commit group", async () => {
  await using directory = await makeTempDirectory();
  await using data = await TestData.open(`sqlite:${directory.path}/1.db`);
  const churn = await startChurn(data);
  const before = churn.rounds;
  const file = await backUp(data, `${directory.path}/backup`, () => churn.more(30));
  await churn.stop();
  const found = await contents(file);
  const rounds = assertOneMoment(found);
  assert(rounds > before + 60, `${rounds} rounds, ${before} of them before the backup`);
  const ids = found.jobs.map(({ id, body }) => (assert.equal(body, String(id)), id));
  assert.deepEqual(ids, Array.from({ length: KEPT_JOBS }, (_, n) => rounds - KEPT_JOBS + 1 + n));
  const restored = `sqlite:${directory.path}/2.db`;
  await restoreAll(file, restored);
  await using again = await TestData.open(restored);
  await assertWorks(again, { key: "a", value: String(rounds), lastId: rounds });
  assert.deepEqual(await contents(await backUp(again, `${directory.path}/again`)), found);
});

Deno.test("A backup of a database under load shows kv and task at one moment", async () => {
  await using directory = await makeTempDirectory();
  await using data = await TestData.open(await postgres.createDatabase());
  const churn = await startChurn(data);
  const file = await backUp(data, `${directory.path}/backup`, () => churn.more(10));
  await churn.stop();
  const found = await contents(file);
  const rounds = assertOneMoment(found);
  // Here the keys of a round are one transaction and its job another, in any order.
  const newest = found.jobs.at(-1)!.id;
  assert(Math.abs(newest - rounds) <= 1, `job ${newest} beside round ${rounds}`);
});
