import type { Address } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";
import { countedLines, writeCountInput } from "./mesh_counts.ts";
import { checkRecords, writeRecords } from "./mesh_records.ts";
import { type Part, pause } from "./part.ts";

const SMALL_RECORDS = 20_000;
/** Does not fit into 64 MiB, and most records have one key: it is spilled and its bucket is split. */
const LARGE_RECORDS = 700_000;
const LARGE_EVERY_MS = 25_000;
const PAUSE_MS = 200;
/** How often a job may be cancelled by others. */
const CANCELLED_MAX = 5;
/** How long a job may take on a busy machine. */
const JOB_MAX_MS = 180_000;

/** Sorts small and large files, counts lines and cancels jobs, and checks each output. */
export function meshSortsPart(address: Address, directory: string): Part {
  let prepared = false;
  let largeAtMs = -Infinity;
  const ask = (command: string) => askMesh(address, command);

  async function prepare(): Promise<void> {
    if (prepared) return;
    prepared = true;
    await Deno.mkdir(directory, { recursive: true });
    await writeRecords(`${directory}/small`, { records: SMALL_RECORDS, equalPart: 0 });
    await writeRecords(`${directory}/large`, { records: LARGE_RECORDS, equalPart: 0.7 });
    await writeCountInput(`${directory}/lines`);
  }

  /** Submits a job; `undefined` while the misbehaving clients have filled the queue. */
  async function submit(command: string): Promise<string> {
    for (;;) {
      const [reply = ""] = await ask(command);
      const job = /^OK job (\d+)/.exec(reply)?.[1];
      if (job !== undefined) return job;
      if (!/^ERR .*waiting already/.test(reply)) throw new Error(`"${command}" got "${reply}"`);
      await pause(50);
    }
  }

  /** Waits until a job has ended; returns its state. One that STATUS has forgotten is done. */
  async function ended(job: string): Promise<string> {
    const endMs = performance.now() + JOB_MAX_MS;
    while (performance.now() < endMs) {
      const line = (await ask("STATUS")).find((line) => line.startsWith(`job ${job} `));
      const state = line?.split(" ")[2] ?? "done";
      if (state === "failed") throw new Error(line);
      if (state !== "waiting" && state !== "running") return state;
      await pause(100);
    }
    throw new Error(`job ${job} has not ended`);
  }

  async function run(command: string, check: () => Promise<void>): Promise<void> {
    for (let tries = 0; await ended(await submit(command)) === "cancelled"; tries++) {
      // Cut in the right place, what the misbehaving clients send is a CANCEL of the running job.
      if (tries === CANCELLED_MAX) throw new Error(`"${command}" was cancelled again and again`);
    }
    await check();
    await Deno.remove(`${directory}/out`);
  }

  return {
    name: "sorts",
    async run(stop) {
      await prepare();
      const done = { small: 0, large: 0, counts: 0, cancelled: 0 };
      const output = `${directory}/out`;
      while (!stop.aborted) {
        await run("SORT small out", () => checkRecords(output, SMALL_RECORDS));
        done.small++;
        await run("COUNT lines out lines", async () => {
          const text = await Deno.readTextFile(output);
          if (text !== countedLines()) throw new Error(`COUNT wrote ${text.slice(0, 200)}`);
        });
        done.counts++;
        if (performance.now() - largeAtMs > LARGE_EVERY_MS) {
          const job = await submit("SORT large cancelled");
          await pause(below1s());
          await ask(`CANCEL ${job}`);
          if (await ended(job) === "cancelled") done.cancelled++;
          await Deno.remove(`${directory}/cancelled`).catch(() => {});
          await run("SORT large out", () => checkRecords(output, LARGE_RECORDS));
          done.large++;
          largeAtMs = performance.now();
        }
        await pause(PAUSE_MS, stop);
      }
      return JSON.stringify(done).replace(/[{}"]/g, "") + ` of ${LARGE_RECORDS} records`;
    },
  };
}

function below1s(): number {
  return 1000 * Math.random();
}

async function askMesh(address: Address, command: string): Promise<string[]> {
  using client = await TestClient.connect(address);
  await client.send(`${command}\n`);
  await client.closeWrite();
  return (await client.rest()).trimEnd().split("\n");
}
