import assert from "node:assert/strict";
import { assertSpace } from "../../../lib/mesh/job/free_space.ts";
import { linkedJobs } from "../support/in_process.ts";
import { MeshFiles } from "../support/nodes.ts";

/** Two directories on one disk, and one on another. */
const DISKS: Record<string, { device: number; bytes: number }> = {
  a: { device: 1, bytes: 100 },
  b: { device: 1, bytes: 100 },
  c: { device: 2, bytes: 50 },
};
const freeSpace = (directory: string) => Promise.resolve(DISKS[directory]);

Deno.test("assertSpace() adds up what goes to one disk", async () => {
  const check = (a: number, b: number, c: number) => (
    assertSpace([
      { directory: "a", bytes: a },
      { directory: "b", bytes: b },
      { directory: "c", bytes: c },
      { directory: "unknown", bytes: 1e12 },
    ], freeSpace)
  );
  await check(60, 40, 50);
  await assert.rejects(check(60, 41, 0), {
    message: 'Cannot write below "b": the disk has 100 bytes free, and the sort needs 101',
  });
  await assert.rejects(check(0, 0, 51), /below "c"/);
});

Deno.test("SortJob: an input that is larger than the disk is refused before anything is written", async () => {
  await using files = await MeshFiles.create([new Uint8Array(0)]);
  // It has no data, so it takes no space.
  await Deno.truncate(files.input(0), 10_000_000_000_000);
  const [job] = linkedJobs(files, 1);
  await assert.rejects(
    job!.run(),
    /^SortFailedError: Cannot write below .* bytes free, and the sort/,
  );
  assert.deepEqual(await files.leftovers(), []);
});

Deno.test("SortJob: copies of compressed inputs count as well, if only by their compressed size", async () => {
  await using files = await MeshFiles.create([Uint8Array.of(0x1f, 0x8b, 8, 0)]);
  await Deno.truncate(files.input(0), 10_000_000_000_000);
  const [job] = linkedJobs(files, 1, { output: `${files.directory}/out.gz` });
  await assert.rejects(
    job!.run(),
    /^SortFailedError: Cannot write below .* and the sort needs 19999932891136$/,
  );
  assert.deepEqual(await files.leftovers(), []);
});
