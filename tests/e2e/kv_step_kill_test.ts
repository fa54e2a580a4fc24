import assert from "node:assert/strict";
import { TestClient } from "../support/client.ts";
import { type DaemonProcess, dataConfig, spawnDaemon } from "../support/daemon.ts";
import { oneService, PERMISSIONS } from "../support/quartet.ts";
import { within } from "../support/within.ts";

/** If greater than 1, the daemon is killed at every step; otherwise at some, chosen at random. */
const FACTOR = Number(Deno.env.get("QUARTET_TEST_FACTOR") ?? 1);
const SAMPLES = 6;
const MAX_SAMPLED_STEP = 120;

/** How long the test may take, even on a busy machine. */
const TEST_DEADLINE_MS = 3_600_000;
const WAIT_MS = 60_000;

/** Commands in one life of the daemon, and how many of them are sent together. */
const COMMANDS = 100;
const PIPELINE = 4;

const DATABASES = 2;
const KEYS = 8;

/** All databases: the value of each key. */
type Contents = Record<string, string>[];

/** What one client has sent, and what the databases contained after each command. */
class History {
  /** The contents after each command that may have been executed last. */
  #states: Contents[] = [Array.from({ length: DATABASES }, () => ({}))];
  #number = 0;
  acknowledged = 0;

  /** Checks what a daemon has after a start, and continues from there. */
  check(found: Contents): void {
    const state = this.#states.find((state) => JSON.stringify(state) === JSON.stringify(found));
    assert.ok(state !== undefined, "the contents are not the effect of any possible command");
    this.#states = [state];
  }

  /** The next command, for a database that is selected. */
  next(database: number): string {
    const contents: Contents = structuredClone(this.#states.at(-1)!);
    const own = contents[database]!;
    const key = `k${Math.floor(Math.random() * KEYS)}`;
    const value = `${++this.#number}:${"x".repeat(Math.floor(Math.random() * 2_000))}`;
    const existing = Object.keys(own);
    const kind = Math.random();
    let command: string;
    if (kind < 0.1) {
      command = "SWAPDB 0 1";
      contents.reverse();
    } else if (kind < 0.15) {
      command = "FLUSHALL";
      for (let number = 0; number < DATABASES; number++) contents[number] = {};
    } else if (kind < 0.4) {
      command = `APPEND ${key} ${value}`;
      own[key] = (own[key] ?? "") + value;
    } else if (kind < 0.6 && existing.length > 0) {
      const from = existing[Math.floor(Math.random() * existing.length)]!;
      command = `RENAME ${from} ${key}`;
      const moved = own[from]!;
      delete own[from];
      own[key] = moved;
    } else {
      command = `SET ${key} ${value}`;
      own[key] = value;
    }
    this.#states.push(contents.map(sorted));
    return command;
  }

  /** The oldest of the commands that were not acknowledged is acknowledged. */
  acknowledge(): void {
    this.#states.shift();
    this.acknowledged++;
  }
}

function sorted(contents: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(contents).sort(([a], [b]) => a < b ? -1 : 1));
}

/** Reads all keys; rejects if the daemon is killed meanwhile. */
async function read(client: TestClient): Promise<Contents> {
  const found: Contents = [];
  for (let database = 0; database < DATABASES; database++) {
    await client.send(`SELECT ${database}\r\n`);
    await client.line();
    const own: Record<string, string> = {};
    for (let key = 0; key < KEYS; key++) {
      await client.send(`GET k${key}\r\n`);
      if (await client.line() !== "$-1\r\n") own[`k${key}`] = (await client.line()).trimEnd();
    }
    found.push(own);
  }
  return found;
}

/** Sends commands to a daemon; rejects if it is killed meanwhile. */
async function write(client: TestClient, history: History): Promise<void> {
  for (let sent = 0; sent < COMMANDS; sent += PIPELINE) {
    const database = Math.floor(Math.random() * DATABASES);
    await client.send(`SELECT ${database}\r\n`);
    await client.line();
    const commands = Array.from({ length: PIPELINE }, () => history.next(database));
    await client.send(commands.map((command) => `${command}\r\n`).join(""));
    for (const command of commands) {
      const reply = await client.line();
      assert.match(reply, /^(\+OK|:\d+)\r\n$/, command);
      history.acknowledge();
    }
  }
}

/** One life of a daemon: checks what it has, then writes. Returns whether it was killed. */
async function live(daemon: DaemonProcess, history: History): Promise<boolean> {
  try {
    await daemon.logged(/msg=Ready/);
    using client = await TestClient.connect(daemon.address("kv"));
    await client.send("PING\r\n");
    await client.line();
    history.check(await read(client));
    await write(client, history);
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    // Only a kill explains it.
    assert.equal((await daemon.ended()).signal, "SIGKILL", String(error));
    return true;
  }
  return false;
}

Deno.test("kv on sqlite: killed between any two steps of a snapshot, a daemon has lost nothing", async () => {
  const directory = await Deno.makeTempDir();
  const configFile = `${directory}/kv.toml`;
  // It needs one more permission to kill itself.
  const program = oneService("kv", [...PERMISSIONS, "--allow-run"]);
  await Deno.writeTextFile(
    configFile,
    `${dataConfig("sqlite:test.db", directory)}
    [kv]
    listen = "127.0.0.1:0"`,
  );
  const history = new History();
  let kills = 0;
  const run = async (killAt?: number) => {
    const env = killAt === undefined ? {} : { QUARTET_TEST_KILL_AT: `${killAt}` };
    await using daemon = await spawnDaemon({ configFile, program, env });
    try {
      const killed = await within(WAIT_MS, "the life of a daemon", live(daemon, history));
      if (killed) kills++;
      return killed;
    } catch (error) {
      throw new Error(`to be killed at step ${killAt}`, { cause: error });
    }
  };
  const all = async () => {
    for (let round = 1;; round++) {
      const step = FACTOR > 1 ? round : Math.ceil(MAX_SAMPLED_STEP * Math.random());
      const killed = await run(step);
      if (FACTOR > 1 ? !killed : round === SAMPLES) break;
    }
    assert.equal(await run(), false);
  };
  try {
    await within(TEST_DEADLINE_MS, "all steps", all());
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  assert.ok(kills > SAMPLES / 2, `${kills} kills`);
  assert.ok(history.acknowledged > 100, `${history.acknowledged} acknowledged commands`);
});
