/**
 * Daemons that are killed in the commit and come back: either all outputs are new or none is.
 *
 * @module
 */

import assert from "node:assert/strict";
import { partPathOf } from "../../lib/mesh/job/part_file.ts";
import { writePrepared } from "../../lib/mesh/job/prepared_note.ts";
import { DEFAULT_RECORD_FORMAT } from "../../lib/mesh/records/record_format.ts";
import { runHere } from "../support/command_line.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { until } from "../support/within.ts";
import { allConnected, ask, freeAddresses, jobEnd, nodeConfig } from "./support/daemons.ts";
import { generated, joined, sortedRecords } from "./support/nodes.ts";

const WAIT_MS = 120_000;
const OLD = "what was there before";

/** Two daemons with data directories that outlive them. */
async function setUp(stack: AsyncDisposableStack) {
  const addresses = freeAddresses(2);
  const root = stack.use(await makeTempDirectory()).path;
  const directory = (node: number) => `${root}/${node}/sort`;
  const start = async (node: number): Promise<DaemonProcess> => {
    const data = `[daemon]\ndata_dir = "${root}/${node}"\n`;
    const config = data + nodeConfig(addresses, node);
    const daemon = stack.use(await startDaemon({ config }));
    await daemon.logged(/service=mesh address=/, WAIT_MS);
    return daemon;
  };
  const outputs = () => [0, 1].map((node) => Deno.readFileSync(`${directory(node)}/out`));
  /** All files of these nodes but the inputs, the outputs, the identity and the queue. */
  const leftovers = (...nodes: number[]) => (
    nodes.flatMap((node) => (
      [directory(node), `${root}/${node}/spill`, `${root}/${node}/mesh`].flatMap((path) => (
        [...Deno.readDirSync(path)].map(({ name }) => name)
      ))
    )).filter((name) => !["in", "out", "mesh-id", "jobs.log"].includes(name)).sort()
  );
  return { root, directory, start, outputs, leftovers };
}

/** Leaves what a daemon has that was killed after it was prepared. */
async function leavePrepared(
  at: Awaited<ReturnType<typeof setUp>>,
  { node, job, text }: { node: number; job: string; text: string },
): Promise<void> {
  const output = `${at.directory(node)}/out`;
  await Deno.writeTextFile(output, OLD);
  await Deno.writeTextFile(partPathOf(output), text);
  const counts = { records: 1, bytes: text.length, checksum: "0" };
  await writePrepared(output, { job, node, nodes: 2, ...counts });
  await Deno.writeTextFile(
    `${at.root}/${node}/spill/output-0000000${node}.note`,
    `${partPathOf(output)}\n${job}\n${node}`,
  );
}

for (const isCommitted of [true, false]) {
  const what = isCommitted ? "finish a job that is committed" : "discard a job that is not";
  Deno.test(`mesh: daemons that were killed in the commit ${what}`, async () => {
    await using stack = new AsyncDisposableStack();
    const at = await setUp(stack);
    for (const node of [0, 1]) await Deno.mkdir(at.directory(node), { recursive: true });
    for (const node of [0, 1]) await Deno.mkdir(`${at.root}/${node}/spill`);
    await Deno.mkdir(`${at.root}/0/mesh`);
    const id = crypto.randomUUID();
    await Deno.writeTextFile(`${at.root}/0/mesh/mesh-id`, id);
    const job = `${id}-00000000-1`;
    for (const node of [0, 1]) await leavePrepared(at, { node, job, text: `new ${node}` });
    if (isCommitted) {
      const record = JSON.stringify({ members: [1], records: 2 });
      await Deno.writeTextFile(`${at.root}/0/mesh/decision-${job}.note`, record);
    }
    const member = await at.start(1);
    assert.match((await ask(member, "SORT in out"))[0]!, /^ERR node 0 is not connected/);
    const kept = [".out.quartet-part", ".out.quartet-prepared", "output-00000001.note"];
    assert.deepEqual(at.leftovers(1), kept, "it waits for node 0");
    await at.start(0);
    await until("nothing is left", () => at.leftovers(0, 1).length === 0, WAIT_MS, 20);
    const texts = at.outputs().map((bytes) => new TextDecoder().decode(bytes));
    assert.deepEqual(texts, isCommitted ? ["new 0", "new 1"] : [OLD, OLD]);
  });
}

Deno.test("mesh: a member keeps its part if node 0 has lost its records of the job", async () => {
  await using stack = new AsyncDisposableStack();
  const at = await setUp(stack);
  await Deno.mkdir(at.directory(1), { recursive: true });
  await Deno.mkdir(`${at.root}/1/spill`);
  const job = `${crypto.randomUUID()}-00000000-1`;
  await leavePrepared(at, { node: 1, job, text: "new" });
  const leader = await at.start(0);
  const member = await at.start(1);
  await allConnected(leader);
  await leader.logged(/msg="Cannot tell a node whether a job is committed"/, WAIT_MS);
  await Deno.writeTextFile(`${at.directory(0)}/in`, "x\n");
  await Deno.writeTextFile(`${at.directory(1)}/in`, "y\n");
  await ask(member, "SORT in out lines");
  assert.match(await jobEnd(leader, 1), /failed .* node 1: .*an interrupted sort waits/);

  const output = `${at.directory(1)}/out`;
  const shown = await runHere(["settle", output]);
  assert.match(shown.stdout, /^Waiting: 1 records, 3 bytes, of node 1 of 2, job [0-9a-f-]+$/m);
  const link = `${at.root}/link`;
  await Deno.symlink(output, link);
  assert.equal((await runHere(["settle", "--commit", link])).code, 0);
  assert.equal(await Deno.readTextFile(output), "new");
  const again = await runHere(["settle", "--commit", output]);
  assert.match(again.stderr, /Cannot settle ".*": no interrupted sort has left anything/);
  assert.equal(again.code, 1);
});

for (const victim of [0, 1]) {
  Deno.test(`mesh: all outputs are new or none, if node ${victim} is killed in the commit`, async () => {
    await using stack = new AsyncDisposableStack();
    const at = await setUp(stack);
    const daemons = [await at.start(0), await at.start(1)];
    await allConnected(daemons[0]!);
    const inputs = [0, 1].map((node) => generated(2000, { first: node * 2000 }));
    for (const node of [0, 1]) {
      await Deno.writeFile(`${at.directory(node)}/in`, inputs[node]!);
      await Deno.writeTextFile(`${at.directory(node)}/out`, OLD);
    }
    await ask(daemons[0]!, "SORT in out");
    const isPrepared = () => at.leftovers(victim).some((name) => name.endsWith("-prepared"));
    const isOver = () =>
      !at.leftovers(victim).includes(".out.quartet-part") &&
      at.outputs()[victim]!.length > OLD.length;
    await until("it is prepared", () => isPrepared() || isOver(), WAIT_MS, 1);
    daemons[victim]!.signal("SIGKILL");
    await daemons[victim]!.ended();
    daemons[victim] = await at.start(victim);
    await until("nothing is left", () => at.leftovers(0, 1).length === 0, WAIT_MS, 20);
    const output = joined(at.outputs());
    if (new TextDecoder().decode(output) === OLD + OLD) return;
    assert.deepEqual(output, sortedRecords(inputs));
  });
}

Deno.test("mesh: a single daemon that was killed after its commit does not sort again", async () => {
  await using stack = new AsyncDisposableStack();
  const at = await setUp(stack);
  for (const path of ["sort", "spill", "mesh"]) {
    await Deno.mkdir(`${at.root}/0/${path}`, { recursive: true });
  }
  const id = crypto.randomUUID();
  await Deno.writeTextFile(`${at.root}/0/mesh/mesh-id`, id);
  const key = `${id}-00000000-1`;
  await leavePrepared(at, { node: 0, job: key, text: "new" });
  const record = JSON.stringify({ members: [0], records: 7 });
  await Deno.writeTextFile(`${at.root}/0/mesh/decision-${key}.note`, record);
  // This job has its output; it was killed before it removed the record.
  await Deno.writeTextFile(`${at.root}/0/mesh/decision-${id}-00000000-0.note`, record);
  const entry = { id: 1, input: "gone", output: "out", format: DEFAULT_RECORD_FORMAT, result: "" };
  const running = { ...entry, state: "running", submittedMs: 1, startedMs: 2, key, starts: 1 };
  await Deno.writeTextFile(`${at.root}/0/mesh/jobs.log`, `${JSON.stringify(running)}\n`);
  const config = `[daemon]\ndata_dir = "${at.root}/0"\n${nodeConfig(freeAddresses(1), 0)}`;
  const daemon = stack.use(await startDaemon({ config }));
  assert.equal(await jobEnd(daemon, 1), "job 1 done gone out records=7");
  await until("nothing is left", () => at.leftovers(0).length === 0, WAIT_MS, 20);
  assert.equal(await Deno.readTextFile(`${at.directory(0)}/out`), "new");
});
