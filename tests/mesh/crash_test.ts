/**
 * A daemon that is killed while it sorts, and its replacement.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type DaemonProcess, startDaemon } from "../support/daemon.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { until } from "../support/within.ts";
import { allConnected, ask, freeAddresses, jobEnd, nodeConfig } from "./support/daemons.ts";
import { generated, joined, sortedRecords } from "./support/nodes.ts";

const RECORDS = 400_000;
/** The least that a node writes: shares differ a little. */
const OUTPUT_BYTES = 0.9 * RECORDS * 100;
/** A part that has more than this has data. */
const IDENTITY_BYTES = 4096;
/** Limit on the time that a job takes to begin to write. Far away, since the machine may be busy. */
const JOB_MS = 180_000;
/** The most jobs that may end before the test has caught one while it writes. */
const MAX_JOBS = 5;

/** The temporary output of a job and its size; `undefined` if there is none. */
function temporaryOutput(directory: string): { path: string; bytes: number } | undefined {
  for (const { name } of Deno.readDirSync(directory)) {
    if (name !== ".out.quartet-part") continue;
    try {
      return { path: `${directory}/${name}`, bytes: Deno.statSync(`${directory}/${name}`).size };
    } catch {
      // It has just got its name.
    }
  }
  return undefined;
}

/** Starts a daemon of a mesh whose files are in `root`, one folder for each node. */
async function startNode(root: string, addresses: string[], node: number): Promise<DaemonProcess> {
  const data = `[daemon]\ndata_dir = "${root}/${node}"\n`;
  return await startDaemon({ config: data + nodeConfig(addresses, node) });
}

/** Starts jobs until one can be killed on the second daemon while it writes; returns its number. */
async function killWhileWriting(daemons: DaemonProcess[], directory: string): Promise<number> {
  for (let job = 1; job <= MAX_JOBS; job++) {
    assert.deepEqual(await ask(daemons[0]!, "SORT in out"), [`OK job ${job}`]);
    let over = false;
    const end = jobEnd(daemons[0]!, job).then(() => over = true);
    // If the wait below fails, nobody awaits this any more.
    end.catch(() => {});
    let killed = false;
    await until(
      "it writes, or has written",
      () => {
        const bytes = temporaryOutput(directory)?.bytes ?? 0;
        killed = bytes > IDENTITY_BYTES && bytes < OUTPUT_BYTES / 2;
        if (killed) daemons[1]!.signal("SIGKILL");
        return killed || over;
      },
      JOB_MS,
      1,
    );
    await end;
    if (!killed) continue;
    await daemons[1]!.ended();
    const { bytes } = temporaryOutput(directory)!;
    assert.ok(bytes < OUTPUT_BYTES, `${bytes} bytes were written`);
    return job;
  }
  throw new Error(`${MAX_JOBS} jobs were over before they were seen to write`);
}

Deno.test("mesh: killing a daemon while it writes fails the job; the next daemon cleans up and sorts", async () => {
  await using stack = new AsyncDisposableStack();
  const addresses = freeAddresses(2);
  const root = stack.use(await makeTempDirectory()).path;
  const directory = (node: number) => `${root}/${node}/sort`;
  const start = async (node: number) => stack.use(await startNode(root, addresses, node));
  const daemons = await Promise.all([start(0), start(1)]);
  await allConnected(daemons[0]!);
  const inputs = [0, 1].map((node) => generated(RECORDS, { first: node * RECORDS }));
  await Promise.all(inputs.map((input, node) => Deno.writeFile(`${directory(node)}/in`, input)));

  const job = await killWhileWriting(daemons, directory(1));
  assert.match(
    await jobEnd(daemons[0]!, job),
    /^job \d failed in out node 1 \(.*\)( closed the connection during (sort|commit)| is not connected any more)$/,
  );
  assert.equal(temporaryOutput(directory(0)), undefined);
  const left = temporaryOutput(directory(1))!.path;
  const stranger = `${directory(1)}/.stranger.quartet-part`;
  await Deno.writeTextFile(stranger, "not ours");

  daemons[1] = await start(1);
  await daemons[1].logged(/msg="Removed a stale temporary output" path=/);
  const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name);
  assert.ok(!names(directory(1)).includes(left.split("/").at(-1)!));
  assert.ok(names(directory(1)).includes(".stranger.quartet-part"));
  assert.deepEqual(names(`${root}/1/spill`), []);

  await allConnected(daemons[0]!);
  const few = inputs.map((input) => input.subarray(0, 100 * 1000));
  await Promise.all(few.map((input, node) => Deno.writeFile(`${directory(node)}/in`, input)));
  await ask(daemons[1], "SORT in out");
  assert.match(await jobEnd(daemons[0]!, job + 1), /^job \d done in out records=2000$/);
  const output = joined([0, 1].map((node) => Deno.readFileSync(`${directory(node)}/out`)));
  const sorted = sortedRecords(few);
  assert.ok(output.every((byte, i) => byte === sorted[i]));
  assert.deepEqual(names(`${root}/1/spill`), []);
});

Deno.test("mesh: four daemons count after one was killed while another counted", async () => {
  await using stack = new AsyncDisposableStack();
  const addresses = freeAddresses(4);
  const root = stack.use(await makeTempDirectory()).path;
  const directory = (node: number) => `${root}/${node}/sort`;
  const start = async (node: number) => stack.use(await startNode(root, addresses, node));
  const daemons = await Promise.all([0, 1, 2, 3].map(start));
  await allConnected(daemons[0]!);
  // Each node has lines of its own and lines that all have.
  const counts = new Map<string, number>();
  for (const [node] of daemons.entries()) {
    const lines = Array.from({ length: 20_000 }, (_, i) => `${i % 7 ? "all" : node}-${i % 300}`);
    for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
    await Deno.writeTextFile(`${directory(node)}/in`, lines.map((line) => `${line}\n`).join(""));
  }

  // A job needs node 3 from the moment that it has claimed its output, so it cannot end after that.
  const [two, three] = [daemons[2]!, daemons[3]!];
  const submitted = ask(daemons[0]!, "COUNT in out lines");
  const began = () => temporaryOutput(directory(3)) !== undefined;
  await until("node 3 has claimed its output", began, 60_000, 1);
  three.signal("SIGSTOP");
  assert.deepEqual(await submitted, ["OK job 1"]);
  two.signal("SIGKILL");
  await two.ended();
  three.signal("SIGCONT");
  assert.match(await jobEnd(daemons[0]!, 1), /^job 1 failed in out count node 2 \(/);

  daemons[2] = await start(2);
  await allConnected(daemons[0]!);
  assert.deepEqual(await ask(daemons[1]!, "COUNT in out lines"), ["OK job 2"]);
  assert.match(
    await jobEnd(daemons[0]!, 2),
    /^job 2 done in out count records=80000 written=1500$/,
  );
  const outputs = await Promise.all(daemons.map((_, node) => (
    Deno.readTextFile(`${directory(node)}/out`)
  )));
  const expected = [...counts].sort(([a], [b]) => a < b ? -1 : 1).map(([line, count]) => (
    `${String(count).padStart(7)} ${line}\n`
  ));
  assert.equal(outputs.join(""), expected.join(""));
});
