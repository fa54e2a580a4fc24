import { TestClient } from "../support/client.ts";
import { pause, secretName, type Targets, type Workload } from "./workload.ts";

const READERS = 5;
const BURST = 20;
const PAUSE_MS = 10;

/** A publisher, and readers that must receive each of its lines once and in order. */
export function echoWorkload(targets: Targets): Workload {
  return {
    name: "echo",
    async run(stop) {
      const name = secretName();
      const readers = await connectAll(targets, READERS);
      const [publisher] = await connectAll(targets, 1);
      let sent = 0;
      let over = false;
      let broken = false;
      const drained = read(publisher!, () => false);
      const end = () => over ? sent : Infinity;
      const reads = Promise.all(readers.map((reader) => follow(reader, name, end)));
      // The await below throws what the readers found; until then, only stop the publisher.
      reads.catch(() => broken = true);
      while (!stop.aborted && !broken) {
        const lines = Array.from({ length: BURST }, (_, i) => `${name} ${sent + i}\n`);
        await publisher!.send(lines.join(""));
        sent += BURST;
        await pause(PAUSE_MS);
      }
      over = true;
      await publisher!.send(`${name} ${sent++}\n`);
      try {
        await reads;
      } finally {
        for (const client of [...readers, publisher!]) client.close();
        await drained;
      }
      return `${sent} lines to each of ${READERS} readers`;
    },
  };
}

async function connectAll(targets: Targets, count: number): Promise<TestClient[]> {
  const clients = [];
  for (let i = 0; i < count; i++) clients.push(await TestClient.connect(targets.echo));
  // A client has joined the room once it receives its own line.
  for (const client of clients) {
    const own = `${secretName()} here\n`;
    await client.send(own);
    await read(client, (line) => line === own);
  }
  return clients;
}

/** Reads lines until `isLast` is true for one, or the connection ends. */
async function read(client: TestClient, isLast: (line: string) => boolean): Promise<void> {
  try {
    while (!isLast(await client.line()));
  } catch (error) {
    if (error instanceof Error && /^Closed/.test(error.message)) return;
    if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) {
      return;
    }
    throw error;
  }
}

/** Checks that the lines of `name` are numbered without a gap, until `end()` have arrived. */
async function follow(client: TestClient, name: string, end: () => number): Promise<void> {
  for (let next = 0; next < end(); next++) {
    let line = "";
    while (!line.startsWith(name)) line = await client.line();
    if (line !== `${name} ${next}\n`) {
      throw new Error(`echo: expected line ${next}, got ${JSON.stringify(line)}`);
    }
  }
}
