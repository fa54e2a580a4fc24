/** Compares the server with beanstalkd itself: the same commands must get the same replies. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { freePort } from "../../support/ports.ts";
import { isInstalled } from "../../support/programs.ts";
import { signal } from "../../support/signal.ts";
import { until } from "../../support/within.ts";
import { startServer, WireClient } from "../support.ts";

const CLIENTS = 3;
const COMMANDS = 400;

/** How often to try another port when another process has taken the first. */
const PORT_TRIES = 5;

/** Starts beanstalkd on a free port; disposing it ends it. */
async function startBeanstalkd() {
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    const port = freePort();
    const child = new Deno.Command("beanstalkd", {
      args: ["-l", "127.0.0.1", "-p", String(port)],
      stdout: "null",
      stderr: "null",
    }).spawn();
    let ended = false;
    child.status.then(() => ended = true);
    await until("beanstalkd listens or gives up", async () => {
      try {
        (await WireClient.connect(port)).close();
        return true;
      } catch {
        return ended;
      }
    });
    if (ended) continue;
    return {
      port,
      [Symbol.asyncDispose]: async () => {
        signal(child, "SIGKILL");
        await child.status;
      },
    };
  }
  throw new Error(`No free port for beanstalkd in ${PORT_TRIES} tries`);
}

const tube = fc.constantFrom("default", "a", "b");
const id = fc.integer({ min: 1, max: 40 });
const priority = fc.constantFrom(0, 1, 1023, 1024, 4294967295);
const delay = fc.constantFrom(0, 0, 0, 1000, 2000);

/** Commands that never wait and whose replies do not depend on the time. */
const command = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(priority, delay, fc.nat(20)).map(([priority, delay, size]) =>
      `put ${priority} ${delay} 1000 ${size}\r\n${"b".repeat(size)}`
    ),
  },
  { weight: 6, arbitrary: fc.constant("reserve-with-timeout 0") },
  id.map((id) => `delete ${id}`),
  fc.tuple(id, priority, delay).map(([id, priority, delay]) =>
    `release ${id} ${priority} ${delay}`
  ),
  fc.tuple(id, priority).map(([id, priority]) => `bury ${id} ${priority}`),
  id.map((id) => `reserve-job ${id}`),
  id.map((id) => `touch ${id}`),
  id.map((id) => `peek ${id}`),
  id.map((id) => `kick-job ${id}`),
  id.map((id) => `stats-job ${id}`),
  fc.nat(3).map((bound) => `kick ${bound}`),
  fc.constantFrom("peek-ready", "peek-delayed", "peek-buried", "list-tube-used"),
  fc.constantFrom("list-tubes-watched", "nonsense", "put 1 2", "delete x", "reserved", "use -"),
  tube.map((tube) => `use ${tube}`),
  tube.map((tube) => `watch ${tube}`),
  tube.map((tube) => `ignore ${tube}`),
  tube.map((tube) => `stats-tube ${tube}`),
  fc.tuple(tube, fc.constantFrom(0, 0, 1000)).map(([tube, delay]) => `pause-tube ${tube} ${delay}`),
);

/** The part of a reply that must be the same on both servers. */
async function answer(client: WireClient, command: string): Promise<string> {
  await client.send(`${command}\r\n`);
  const line = await client.line();
  const [word] = line.split(" ");
  if (word !== "RESERVED" && word !== "FOUND" && word !== "OK") return line;
  const body = await client.bytes(Number(line.split(" ").at(-1)) + 2);
  if (word !== "OK") return `${line}\n${body}`;
  // Tubes are listed in no particular order.
  if (command.startsWith("list-")) return body.split("\n").sort().join("\n");
  // beanstalkd 1.12 has no quotes and lacks our own keys. Times may differ by one second.
  return body.split("\n").map((line) => line.replaceAll('"', "")).filter((line) =>
    !/^(attempts|key|reason|progress|age|time-left|pause-time-left|cmd-)/.test(line)
  ).join("\n");
}

Deno.test({
  name: "beanstalk server: answers like beanstalkd",
  // beanstalkd is a Debian package. The comparison runs only where it is installed.
  ignore: !await isInstalled("beanstalkd", "-v"),
  fn: async () => {
    const commands = fc.array(fc.tuple(fc.nat(CLIENTS - 1), command), {
      minLength: COMMANDS,
      maxLength: COMMANDS,
    });
    await fc.assert(
      fc.asyncProperty(commands, async (commands) => {
        await using theirs = await startBeanstalkd();
        await using ours = await startServer();
        const open = (port: number) =>
          Promise.all(Array.from({ length: CLIENTS }, () => WireClient.connect(port)));
        const clients = { theirs: await open(theirs.port), ours: await open(ours.port) };
        try {
          for (const [index, command] of commands) {
            const expected = await answer(clients.theirs[index]!, command);
            const actual = await answer(clients.ours[index]!, command);
            assert.equal(actual, expected, `client ${index}: ${command}`);
          }
        } finally {
          for (const client of [...clients.theirs, ...clients.ours]) client.close();
        }
      }),
      { numRuns: 15 },
    );
  },
});
