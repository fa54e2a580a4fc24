import assert from "node:assert/strict";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { ask, jobEnd, startMesh } from "./support/daemons.ts";
import { generated, MeshFiles } from "./support/nodes.ts";
import { QuartetProcess } from "./support/quartet_process.ts";

/** The refusal of the second node. It may look before the first has written down who it is. */
const REFUSED =
  /node [01]: Cannot write ".*": (node [01] of this job writes to it as well|another node or another sort is writing to it)/;

Deno.test("quartet sort: two nodes with one output, by two paths, are refused, and it stays as it was", async () => {
  await using files = await MeshFiles.create([generated(500), generated(500, { first: 500 })]);
  await Deno.writeTextFile(files.output(0), "old");
  await Deno.symlink(files.output(0), files.output(1));
  await using first = new QuartetProcess(files.words(0));
  await using second = new QuartetProcess(files.words(1));
  for (const node of [first, second]) {
    const { code, stderr } = await node.ended();
    assert.match(
      stderr,
      new RegExp(`^${REFUSED.source}$`, "m"),
    );
    assert.equal(code, 1);
  }
  assert.equal(await Deno.readTextFile(files.output(0)), "old");
  assert.deepEqual(await files.leftovers(), []);
});

Deno.test("mesh: two daemons with one folder refuse to sort a file onto itself, and it stays as it was", async () => {
  await using stack = new AsyncDisposableStack();
  const shared = stack.use(await makeTempDirectory()).path;
  const daemons = await startMesh(stack, 2, { more: `dir = "${shared}"\n` });
  const input = generated(2000);
  await Deno.writeFile(`${shared}/in`, input);
  for (const [i, line] of ["SORT in in", "SORT in out"].entries()) {
    assert.deepEqual(await ask(daemons[0]!, line), [`OK job ${i + 1}`]);
    assert.match(
      await jobEnd(daemons[0]!, i + 1),
      new RegExp(`^job \\d failed in (in|out) ${REFUSED.source}$`),
    );
  }
  assert.deepEqual(await Deno.readFile(`${shared}/in`), input);
  assert.deepEqual([...Deno.readDirSync(shared)].map(({ name }) => name), ["in"]);
});
