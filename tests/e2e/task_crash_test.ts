import assert from "node:assert/strict";
import { BeanstalkClient, ConnectionLostError } from "../../lib/task/beanstalk/client.ts";
import { type DaemonProcess, dataConfig, startDaemon } from "../support/daemon.ts";
import { PostgresServer } from "../support/postgres.ts";
import { oneService } from "../support/quartet.ts";
import { within } from "../support/within.ts";

/** The limit for one test; a busy machine needs most of it. */
const TEST_DEADLINE_MS = 900_000;

/** How often the daemon is killed. */
const ROUNDS = 50;

/** One round in this many runs the whole program; the others run task alone, to save CPU time. */
const ROUNDS_PER_WHOLE_PROGRAM = 10;

/** A round ends with a kill after at least and at most this many answers. */
const MIN_ANSWERS = 20;
const MAX_ANSWERS = 220;

const CLIENTS = 8;

/** How many jobs are reserved at once when the remaining ones are counted. */
const DRAIN_BATCH = 500;

/** The jobs of the test with two daemons, and how many are reserved at a time. */
const JOBS = 20_000;
const BATCH = 25;
const TTR_S = 3;

function config(storage: string, directory: string): string {
  return `${dataConfig(storage, directory)}
    [task]
    listen = "127.0.0.1:0"
    beanstalk = "127.0.0.1:0"
    [task.generator]
    enabled = false`;
}

/** Connects to the beanstalk port. */
async function connect(daemon: DaemonProcess): Promise<BeanstalkClient> {
  const address = daemon.addresses("task")[1]!;
  assert(address.transport === "tcp");
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: address.port });
  conn.setNoDelay(true);
  return new BeanstalkClient(conn);
}

/** What the daemon has acknowledged about the jobs. */
class Ledger {
  /** Jobs that must still exist. */
  readonly unfinished = new Set<string>();
  /** Finished jobs, which no worker may get again. */
  readonly finished = new Set<string>();
  /** Jobs whose `done` or `delete` was sent but not answered; they may or may not exist. */
  readonly unclear = new Set<string>();

  /** A worker got a job. */
  reserved(id: string): void {
    assert(!this.finished.has(id), `job ${id} was finished and is reserved again`);
    this.unclear.delete(id);
  }

  /** A job was done or deleted. */
  ended(id: string): void {
    assert(!this.finished.has(id), `job ${id} was finished twice`);
    this.finished.add(id);
    this.unfinished.delete(id);
    this.unclear.delete(id);
  }
}

/** Puts jobs and finishes some of them, until the connection breaks. */
async function work(daemon: DaemonProcess, ledger: Ledger, answered: () => void): Promise<void> {
  const client = await connect(daemon);
  const body = new TextEncoder().encode("x".repeat(200));
  try {
    for (let step = 0;; step++) {
      const put = await client.ask(`put 0 0 120 ${body.length}`, body);
      assert.equal(put.words[0], "INSERTED");
      ledger.unfinished.add(put.words[1]!);
      answered();
      if (step % 3 === 0) continue;
      const { words } = await client.ask("reserve");
      assert.equal(words[0], "RESERVED");
      const id = words[1]!;
      ledger.reserved(id);
      if (step % 3 === 1) {
        ledger.unclear.add(id);
        const result = new TextEncoder().encode(`result of ${id}`);
        const { words } = await client.ask(`done ${id} ${result.length}`, result);
        assert.equal(words[0], "DONE");
        ledger.ended(id);
      } else if (step % 2 === 0) {
        await client.ask(`bury ${id} 0`);
      } else {
        ledger.unclear.add(id);
        const { words } = await client.ask(`delete ${id}`);
        assert.equal(words[0], "DELETED");
        ledger.ended(id);
      }
      answered();
    }
  } catch (error) {
    if (!(error instanceof ConnectionLostError)) throw error;
  } finally {
    client.close();
  }
}

/** Reserves and deletes all remaining jobs; returns the ids of those that are missing. */
async function findLost(client: BeanstalkClient, ledger: Ledger): Promise<string[]> {
  const left = new Set(ledger.unfinished);
  await client.ask("kick 1000000");
  for (;;) {
    const replies = await Promise.all(
      Array.from({ length: DRAIN_BATCH }, () => client.ask("reserve-with-timeout 0")),
    );
    const ids = replies.filter(({ words }) => words[0] === "RESERVED").map(({ words }) =>
      words[1]!
    );
    for (const { words } of replies.slice(ids.length)) assert.equal(words[0], "TIMED_OUT");
    for (const id of ids) ledger.reserved(id);
    await Promise.all(ids.map(async (id) => {
      assert.equal((await client.ask(`delete ${id}`)).words[0], "DELETED");
      ledger.ended(id);
      left.delete(id);
    }));
    if (ids.length < DRAIN_BATCH) return [...left].filter((id) => !ledger.unclear.has(id));
  }
}

Deno.test("task on sqlite: killed 50 times under load, it loses no job and ends none twice", async () => {
  const directory = await Deno.makeTempDir({ prefix: "quartet-test-" });
  const options = { config: config("sqlite:queue.db", directory) };
  const configFile = `${directory}/task.toml`;
  await Deno.writeTextFile(configFile, options.config);
  const optionsAlone = { configFile, program: oneService("task") };
  const ledger = new Ledger();
  const run = async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const whole = round % ROUNDS_PER_WHOLE_PROGRAM === 0;
      await using daemon = await startDaemon(whole ? options : optionsAlone);
      let answersLeft = MIN_ANSWERS + Math.floor(Math.random() * (MAX_ANSWERS - MIN_ANSWERS));
      await Promise.all(Array.from({ length: CLIENTS }, () =>
        work(daemon, ledger, () => {
          if (--answersLeft === 0) daemon.signal("SIGKILL");
        })));
      await daemon.ended();
    }
    await using daemon = await startDaemon(options);
    const client = await connect(daemon);
    const lost = await findLost(client, ledger);
    assert.deepEqual(lost, [], `some of ${ledger.finished.size} jobs are lost`);
    client.close();
  };
  try {
    await within(TEST_DEADLINE_MS, "fifty crashes", run());
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

/** The outcomes of the jobs in the test with two daemons. */
class Runs {
  readonly done = new Set<string>();
  /** Jobs that are running, and when their workers asked for them. */
  readonly running = new Map<string, number>();
  /** Jobs of which a run was cut short because its worker or daemon was killed. */
  readonly brokenOff = new Set<string>();
  /** Jobs whose worker vanished before it sent anything. They must run again. */
  readonly abandoned = new Set<string>();
}

/** A worker that takes every job it can get, and is killed from time to time. */
class Worker {
  readonly #runs: Runs;
  /** The jobs it has reserved. */
  readonly #mine = new Set<string>();
  #client: BeanstalkClient | null = null;
  #stopped = false;

  constructor(runs: Runs) {
    this.#runs = runs;
  }

  async work(daemon: () => DaemonProcess): Promise<void> {
    while (!this.#stopped) {
      try {
        const client = this.#client = await connect(daemon());
        while (!this.#stopped) await this.#doBatch(client, this.#mine);
      } catch (error) {
        const gone = error instanceof ConnectionLostError ||
          error instanceof Deno.errors.ConnectionRefused || error instanceof TypeError;
        if (!gone) throw error;
        this.#lose();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    this.kill();
  }

  kill(): void {
    // First, since another worker may get the jobs as soon as the daemon notices.
    this.#lose();
    this.#client?.close();
  }

  /** Notes that the connection is gone, so that other workers may get its jobs. */
  #lose(): void {
    for (const id of this.#mine) {
      this.#runs.running.delete(id);
      this.#runs.brokenOff.add(id);
    }
    this.#mine.clear();
  }

  stop(): void {
    this.#stopped = true;
    this.kill();
  }

  async #doBatch(client: BeanstalkClient, mine: Set<string>): Promise<void> {
    const askedMs = performance.now();
    const ids = await reserveBatch(client);
    for (const id of ids) this.#begin(id, mine, askedMs);
    if (Math.random() < 0.05) {
      for (const id of mine) {
        this.#runs.abandoned.add(id);
        this.#runs.running.delete(id);
      }
      mine.clear();
      client.close();
    }
    await Promise.all(ids.map(async (id) => {
      const { words } = await client.ask(`delete ${id}`);
      mine.delete(id);
      this.#runs.running.delete(id);
      // Its time to run may be over, and another worker may have it.
      if (words[0] === "NOT_FOUND") return this.#runs.brokenOff.add(id);
      assert.equal(words[0], "DELETED");
      assert(!this.#runs.done.has(id), `job ${id} was done twice`);
      this.#runs.done.add(id);
    }));
  }

  #begin(id: string, mine: Set<string>, askedMs: number): void {
    const { done, running } = this.#runs;
    // On a busy machine a worker can be so slow that the time to run of its job ends, and another
    // has done the job before this one begins.
    if (done.has(id)) {
      const sinceMs = performance.now() - askedMs;
      assert(sinceMs >= TTR_S * 1000, `job ${id} is done and runs again`);
      return;
    }
    const sinceMs = performance.now() - (running.get(id) ?? -Infinity);
    assert(sinceMs >= TTR_S * 1000, `job ${id} runs twice at the same time`);
    this.#runs.abandoned.delete(id);
    running.set(id, askedMs);
    mine.add(id);
  }
}

/** Reserves up to `BATCH` jobs; none if none becomes ready within a second. */
async function reserveBatch(client: BeanstalkClient): Promise<string[]> {
  const ids: string[] = [];
  const { words } = await client.ask("reserve-with-timeout 1");
  if (words[0] !== "RESERVED") return ids;
  ids.push(words[1]!);
  const more = await Promise.all(
    Array.from({ length: BATCH - 1 }, () => client.ask("reserve-with-timeout 0")),
  );
  for (const { words } of more) if (words[0] === "RESERVED") ids.push(words[1]!);
  return ids;
}

Deno.test("task on postgres: two daemons and eight workers do 20 000 jobs, whoever is killed", async () => {
  await using server = await PostgresServer.start();
  const url = await server.createDatabase();
  const directory = await Deno.makeTempDir({ prefix: "quartet-test-" });
  const start = () => startDaemon({ config: config(url, directory) });
  const daemons = await Promise.all([start(), start()]);
  const runs = new Runs();
  const workers = Array.from({ length: 8 }, () => new Worker(runs));
  const run = async () => {
    const producer = await connect(daemons[0]!);
    const working = workers.map((worker, index) => worker.work(() => daemons[index % 2]!));
    const job = `0 0 ${TTR_S} 1\r\nx\r\n`.repeat(500);
    const put: string[] = [];
    for (let count = 0; count < JOBS; count += 500) {
      const { words } = await producer.ask(
        `put-batch 500 ${job.length}`,
        new TextEncoder().encode(job),
      );
      assert.equal(words[0], "INSERTED");
      put.push(...words.slice(1));
      workers[Math.floor(Math.random() * workers.length)]!.kill();
      if (count === JOBS / 2) {
        // A daemon dies too. The jobs of its workers come back when their time to run ends.
        daemons[1]!.signal("SIGKILL");
        await daemons[1]!.ended();
        daemons[1] = await start();
      }
    }
    // A delete that was sent but not answered may have taken effect.
    const missing = () => put.filter((id) => !runs.done.has(id) && !runs.brokenOff.has(id));
    for (;;) {
      const stats = new TextDecoder().decode((await producer.ask("stats")).body);
      const count = (state: string) =>
        Number(new RegExp(`current-jobs-${state}: (\\d+)`).exec(stats)![1]);
      if (count("ready") + count("reserved") + count("delayed") === 0) break;
      if (Math.random() < 0.3) workers[Math.floor(Math.random() * workers.length)]!.kill();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    for (const worker of workers) worker.stop();
    await Promise.all(working);
    producer.close();
    assert.equal(new Set(put).size, JOBS);
    assert.deepEqual(missing(), [], "some jobs are lost");
    assert.deepEqual([...runs.abandoned], [], "some jobs did not run again");
  };
  try {
    await within(TEST_DEADLINE_MS, "20 000 jobs", run());
  } finally {
    for (const worker of workers) worker.stop();
    for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
    await Deno.remove(directory, { recursive: true });
  }
});
