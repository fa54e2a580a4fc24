import { RecordGenerator } from "../../lib/mesh/records/generator.ts";
import { TestClient } from "../support/client.ts";
import { pause, type Targets, type Workload } from "./workload.ts";

const RECORDS = 20_000;
const RECORD_BYTES = 100;

/** A client that sorts the same file again and again, and checks each output. */
export function meshWorkload(targets: Targets, directory: string): Workload {
  return {
    name: "mesh",
    async run(stop) {
      const input = new Uint8Array(RECORDS * RECORD_BYTES);
      new RecordGenerator({ first: 0, ascii: false, skew: false }).fill(input);
      await Deno.mkdir(directory, { recursive: true });
      await Deno.writeFile(`${directory}/soak-in`, input);
      const expected = sorted(input);
      let jobs = 0;
      while (!stop.aborted) {
        const [reply] = await ask(targets, "SORT soak-in soak-out");
        const job = /^OK job (\d+)/.exec(reply ?? "")?.[1];
        if (job === undefined) {
          // The misbehaving clients may have filled the queue.
          if (!/^ERR .*queue/.test(reply ?? "")) {
            throw new Error(`mesh: the reply to SORT is "${reply}"`);
          }
          await pause(50);
          continue;
        }
        await ended(targets, job);
        const output = await Deno.readFile(`${directory}/soak-out`);
        await Deno.remove(`${directory}/soak-out`);
        if (!equal(output, expected)) throw new Error(`mesh: the output of job ${job} is wrong`);
        jobs++;
        await pause(200);
      }
      return `${jobs} sorts of ${RECORDS} records`;
    },
  };
}

async function ask(targets: Targets, command: string): Promise<string[]> {
  using client = await TestClient.connect(targets.mesh);
  await client.send(`${command}\n`);
  await client.closeWrite();
  return (await client.rest()).trimEnd().split("\n");
}

/** Waits until a job has ended. A job that STATUS no longer lists ended some time ago. */
async function ended(targets: Targets, job: string): Promise<void> {
  for (let i = 0; i < 600; i++) {
    const line = (await ask(targets, "STATUS")).find((line) => line.startsWith(`job ${job} `));
    if (line === undefined || / done/.test(line)) return;
    if (!/ (waiting|running)/.test(line)) throw new Error(`mesh: ${line}`);
    await pause(100);
  }
  throw new Error(`mesh: job ${job} is still running after a minute`);
}

function sorted(records: Uint8Array): Uint8Array {
  const views = Array.from(
    { length: records.length / RECORD_BYTES },
    (_, i) => records.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES),
  );
  views.sort((a, b) => {
    for (let i = 0; i < 10; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
    return 0;
  });
  const result = new Uint8Array(records.length);
  views.forEach((view, i) => result.set(view, i * RECORD_BYTES));
  return result;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
