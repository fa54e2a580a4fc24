import assert from "node:assert/strict";
import { TestClient } from "../support/client.ts";
import { type DaemonProcess, dataConfig, startDaemon } from "../support/daemon.ts";
import { type Command, type Event, isLinearizable } from "../support/linearizability.ts";
import { PostgresServer } from "../support/postgres.ts";
import { until, within } from "../support/within.ts";

/** How long a test may take, even on a busy machine. */
const TEST_DEADLINE_MS = 300_000;

/** The number of clients, and of commands that each sends. */
const CLIENTS = 10;
const COMMANDS = 250;

const KEYS = ["a", "b", "c"];

/** The daemons that clients use. Daemons are killed and restarted. */
interface Cluster {
  /** The daemon that a client uses, or `undefined` while it is down. */
  daemonOf(client: number): DaemonProcess | undefined;
}

function config(storage: string, directory: string): string {
  return `${dataConfig(storage, directory)}
    [kv]
    listen = "127.0.0.1:0"`;
}

function randomCommand(): Command {
  const pick = () => `${Math.floor(Math.random() * 5)}`;
  const kind = Math.random();
  if (kind < 0.35) return { name: "GET" };
  if (kind < 0.6) return { name: "PUT", value: pick() };
  if (kind < 0.8) return { name: "CAS", expected: pick(), value: pick() };
  if (kind < 0.95) return { name: "INCR", by: 1 };
  return { name: "DELETE" };
}

function lineOf(command: Command, key: string): string {
  switch (command.name) {
    case "PUT":
      return `PUT ${key} ${command.value}\n`;
    case "CAS":
      return `CAS ${key} ${command.expected} ${command.value}\n`;
    case "INCR":
      return `INCR ${key} ${command.by}\n`;
    default:
      return `${command.name} ${key}\n`;
  }
}

/** A client that sends one command after another, and reconnects when it must. */
async function runClient(
  cluster: Cluster,
  number: number,
  histories: Map<string, Event[]>,
): Promise<void> {
  let client: TestClient | undefined;
  for (let sent = 0; sent < COMMANDS;) {
    try {
      const daemon = cluster.daemonOf(number);
      if (daemon === undefined) throw new Error("The daemon is down");
      client ??= await TestClient.connect(daemon.address("kv"));
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
      continue;
    }
    const key = KEYS[Math.floor(Math.random() * KEYS.length)]!;
    const command = randomCommand();
    const event: Event = { command, calledMs: performance.now(), repliedMs: 0, reply: undefined };
    histories.get(key)!.push(event);
    sent++;
    try {
      await client.send(lineOf(command, key));
      const reply = (await client.line()).trimEnd();
      event.repliedMs = performance.now();
      if (reply.startsWith("ERR storage unavailable")) {
        // Each command with an unknown outcome may double the work of the check, so slow down.
        await new Promise((resolve) => setTimeout(resolve, 200));
      } else {
        event.reply = reply;
      }
    } catch {
      client.close();
      client = undefined;
    }
  }
  client?.close();
}

/**
 * Runs all clients, disturbs them, and checks their histories.
 *
 * @param disturb Called after a third of the commands. `moreReplies` waits for further replies.
 */
async function checkHistories(
  cluster: Cluster,
  disturb: (moreReplies: (count: number) => Promise<void>) => Promise<void>,
): Promise<void> {
  const histories = new Map<string, Event[]>(KEYS.map((key) => [key, []]));
  const clients = Array.from(
    { length: CLIENTS },
    (_, number) => runClient(cluster, number, histories),
  );
  const events = () => [...histories.values()].flat();
  const replies = () => events().filter(({ reply }) => reply !== undefined).length;
  async function moreReplies(count: number): Promise<void> {
    const enough = replies() + count;
    await until(
      `there are ${enough} replies`,
      () => replies() >= enough || events().length === CLIENTS * COMMANDS,
      TEST_DEADLINE_MS,
    );
  }
  const disturbed = moreReplies(CLIENTS * COMMANDS / 3).then(() => disturb(moreReplies));
  await within(
    TEST_DEADLINE_MS,
    "the clients",
    Promise.all([...clients, disturbed]),
  );
  for (const [key, history] of histories) {
    assert.ok(isLinearizable(history), `${key}: ${JSON.stringify(history)}`);
    const replied = history.filter(({ reply }) => reply !== undefined).length;
    assert.ok(replied > history.length / 2, `${replied} replies to ${history.length} commands`);
  }
}

Deno.test("kv on sqlite: every key is linearizable, even if the daemon is killed", async () => {
  const directory = await Deno.makeTempDir();
  const options = { config: config("sqlite:test.db", directory) };
  let daemon: DaemonProcess | undefined = await startDaemon(options);
  try {
    await checkHistories({ daemonOf: () => daemon }, async () => {
      const killed = daemon!;
      daemon = undefined;
      killed.signal("SIGKILL");
      await killed[Symbol.asyncDispose]();
      daemon = await startDaemon(options);
    });
  } finally {
    await daemon?.[Symbol.asyncDispose]();
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("kv on postgres: every key is linearizable through two daemons, even if one of them and the database are killed", async () => {
  const directory = await Deno.makeTempDir();
  await using server = await PostgresServer.start();
  const options = { config: config(await server.createDatabase(), directory) };
  const daemons: (DaemonProcess | undefined)[] = [];
  try {
    daemons.push(await startDaemon(options), await startDaemon(options));
    await checkHistories({ daemonOf: (client) => daemons[client % 2] }, async (moreReplies) => {
      await server.kill();
      await server.restart();
      await moreReplies(200);
      const killed = daemons[0]!;
      daemons[0] = undefined;
      killed.signal("SIGKILL");
      await killed[Symbol.asyncDispose]();
      daemons[0] = await startDaemon(options);
    });
  } finally {
    for (const daemon of daemons) await daemon?.[Symbol.asyncDispose]();
    await Deno.remove(directory, { recursive: true });
  }
});
