import assert from "node:assert/strict";
import { TestClient } from "../support/client.ts";
import { type DaemonProcess, dataConfig, startDaemon } from "../support/daemon.ts";
import { PostgresServer } from "../support/postgres.ts";
import { oneService } from "../support/quartet.ts";
import { within } from "../support/within.ts";

/** How long a test may take, even on a busy machine. */
const TEST_DEADLINE_MS = 1_200_000;

/** How long a wait within a round may take. */
const WAIT_MS = 60_000;

/** The number of times that the daemon is killed, and the database. */
const SQLITE_ROUNDS = 50;
const POSTGRES_ROUNDS = 15;

/** One round in this many runs the whole program; the others run kv alone, to save CPU time. */
const ROUNDS_PER_WHOLE_PROGRAM = 10;

/** The number of concurrent clients; each writes its own keys. */
const CLIENTS = 6;

/** The number of keys per client and kind of write; few, so that keys are overwritten often. */
const KEYS = 20;

/** The number of commands that a client pipelines, and the most acknowledgements before the kill. */
const PIPELINE = 8;
const MAX_ACKNOWLEDGED = 600;

/** The value of a key; `undefined` if it does not exist. */
type Value = string | undefined;

/** A write: its request, the start of its reply, and its effect. */
interface Write {
  line: string;
  expected: string;
  changes: [key: string, value: Value][];
}

function config(storage: string, directory: string): string {
  return `${dataConfig(storage, directory)}
    [kv]
    listen = "127.0.0.1:0"`;
}

/** A client that writes, and knows what must survive a crash and what may. */
class Writer {
  readonly #name: string;
  #number = 0;
  /** The effect of all acknowledged writes. */
  readonly #acknowledged = new Map<string, Value>();
  /** Writes that were sent but not acknowledged, in order. */
  #open: Write[] = [];
  acknowledgements = 0;
  /** The number of writes that failed, so that their outcome is unknown. */
  refusals = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** Writes until the connection breaks or a write fails. */
  async write(daemon: DaemonProcess, acknowledged: () => void): Promise<void> {
    let client: TestClient | undefined;
    try {
      client = await TestClient.connect(daemon.address("kv"));
      for (;;) {
        const writes = Array.from({ length: PIPELINE }, () => this.#next());
        this.#open.push(...writes);
        await client.send(writes.map(({ line }) => line).join(""));
        const refusals = this.refusals;
        for (const write of writes) this.#take(write, (await client.line()).trimEnd());
        acknowledged();
        if (this.refusals > refusals) return;
      }
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    } finally {
      client?.close();
    }
  }

  /** All keys ever written. */
  keys(): string[] {
    const keys = new Set(this.#acknowledged.keys());
    for (const { changes } of this.#open) for (const [key] of changes) keys.add(key);
    return [...keys];
  }

  /**
   * Checks what is stored after a crash, and continues from there. Every acknowledged write must be
   * there. Writes that were sent but not acknowledged may be; with `inOrder`, only if all earlier
   * ones are, too.
   */
  check(found: ReadonlyMap<string, Value>, { inOrder }: { inOrder: boolean }): void {
    const possible = new Map(this.#acknowledged);
    if (inOrder) {
      const differences = () => [...found].filter(([key, value]) => possible.get(key) !== value);
      for (const { changes } of this.#open) {
        if (differences().length === 0) break;
        for (const [key, value] of changes) possible.set(key, value);
      }
      assert.deepEqual(
        differences(),
        [],
        `${this.#name}: not the effect of any prefix of its writes`,
      );
    } else {
      for (const [key, value] of found) {
        const values = [possible.get(key)];
        for (const { changes } of this.#open) {
          for (const [changed, left] of changes) if (changed === key) values.push(left);
        }
        assert.ok(values.includes(value), `${key} is "${value}", expected one of ${values}`);
      }
      // A command is atomic: all of its keys are there or none, unless they were overwritten.
      for (const { changes } of this.#open) {
        const last = changes.filter(([key, value]) =>
          this.#open.every((other) =>
            other.changes === changes || other.changes.every(([changed]) => changed !== key)
          ) && value !== undefined
        );
        const stored = last.filter(([key, value]) => found.get(key) === value);
        assert.ok(stored.length === 0 || stored.length === last.length, `torn: ${last}`);
      }
    }
    for (const [key, value] of found) this.#acknowledged.set(key, value);
    this.#open = [];
  }

  #next(): Write {
    const number = ++this.#number;
    const key = () => `${this.#name}.${Math.floor(Math.random() * KEYS)}`;
    const value = `${number}:${"x".repeat(Math.floor(Math.random() * 300))}:${number}`;
    const kind = Math.random();
    if (kind < 0.6) {
      const written = key();
      return {
        line: `SET ${written} ${value}\r\n`,
        expected: "+OK",
        changes: [[written, value]],
      };
    }
    if (kind < 0.75) {
      const deleted = key();
      return { line: `DEL ${deleted}\r\n`, expected: ":", changes: [[deleted, undefined]] };
    }
    const pair = Math.floor(Math.random() * KEYS);
    const [a, b] = [`${this.#name}.a${pair}`, `${this.#name}.b${pair}`];
    return {
      line: `MSET ${a} ${value} ${b} ${value}\r\n`,
      expected: "+OK",
      changes: [[a, value], [b, value]],
    };
  }

  #take(write: Write, reply: string): void {
    if (reply.startsWith("-ERR storage unavailable")) {
      this.refusals++;
      return;
    }
    assert.ok(reply.startsWith(write.expected), `"${reply}" to "${write.line}"`);
    this.acknowledgements++;
    this.#open = this.#open.filter((other) => other !== write);
    for (const [key, value] of write.changes) this.#acknowledged.set(key, value);
  }
}

/** Reads the values of keys. */
async function read(daemon: DaemonProcess, keys: readonly string[]): Promise<Map<string, Value>> {
  using client = await TestClient.connect(daemon.address("kv"));
  const found = new Map<string, Value>();
  // Both protocols have GET; PING selects the Redis protocol.
  await client.send("PING\r\n" + keys.map((key) => `GET ${key}\r\n`).join(""));
  await client.line();
  for (const key of keys) {
    const head = await client.line();
    found.set(key, head === "$-1\r\n" ? undefined : (await client.line()).trimEnd());
  }
  return found;
}

/** Lets the writers write until a random number of writes is acknowledged, then calls `then`. */
async function writeUntil(
  writers: readonly Writer[],
  daemon: DaemonProcess,
  then: () => Promise<void>,
): Promise<void> {
  const total = () => writers.reduce((sum, writer) => sum + writer.acknowledgements, 0);
  const enough = total() + Math.ceil(Math.random() * MAX_ACKNOWLEDGED);
  const reached = Promise.withResolvers<void>();
  const work = writers.map((writer) =>
    writer.write(daemon, () => {
      if (total() >= enough) reached.resolve();
    })
  );
  await within(WAIT_MS, "acknowledged writes", reached.promise);
  await then();
  await within(WAIT_MS, "the end of the clients", Promise.all(work));
}

Deno.test("kv on sqlite: a killed daemon has lost no acknowledged write", async () => {
  const directory = await Deno.makeTempDir();
  const options = { config: config("sqlite:test.db", directory) };
  const configFile = `${directory}/kv.toml`;
  await Deno.writeTextFile(configFile, options.config);
  const optionsAlone = { configFile, program: oneService("kv") };
  const writers = Array.from({ length: CLIENTS }, (_, number) => new Writer(`w${number}`));
  async function rounds(): Promise<void> {
    for (let round = 0; round <= SQLITE_ROUNDS; round++) {
      const whole = round % ROUNDS_PER_WHOLE_PROGRAM === 0;
      await using daemon = await startDaemon(whole ? options : optionsAlone);
      for (const writer of writers) {
        writer.check(await read(daemon, writer.keys()), { inOrder: true });
      }
      if (round === SQLITE_ROUNDS) break;
      await writeUntil(writers, daemon, async () => {
        daemon.signal("SIGKILL");
        await daemon.ended();
      });
    }
  }
  try {
    await within(TEST_DEADLINE_MS, "the rounds", rounds());
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("kv on postgres: a killed database has lost no acknowledged write", async () => {
  const directory = await Deno.makeTempDir();
  await using server = await PostgresServer.start();
  await using daemon = await startDaemon({
    config: config(await server.createDatabase(), directory),
  });
  const writers = Array.from({ length: CLIENTS }, (_, number) => new Writer(`w${number}`));
  async function rounds(): Promise<void> {
    for (let round = 0; round < POSTGRES_ROUNDS; round++) {
      await writeUntil(writers, daemon, () => server.kill());
      await server.restart();
      await daemon.loggedTimes("Database works again", round + 1);
      for (const writer of writers) {
        writer.check(await read(daemon, writer.keys()), { inOrder: false });
      }
    }
  }
  try {
    await within(TEST_DEADLINE_MS, "the rounds", rounds());
    assert.ok(!daemon.log.includes("secret"), daemon.log);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
