import { gunzipSync } from "node:zlib";
import assert from "node:assert/strict";
import { OutputFile } from "../../../lib/mesh/job/output_file.ts";
import { OutputFolder } from "../../../lib/mesh/job/output_folder.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";

const options = { mode: 0o640, owner: { job: "test", node: 0 }, parts: 11 };
const modeOf = (path: string) => Deno.statSync(path).mode! & 0o777;
const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

Deno.test("OutputFolder: the files are hidden until all are complete, and can be read by as many as the inputs", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/out`;
  // An empty folder may have the name, a trailing slash does not matter, and leftovers are replaced.
  await Deno.mkdir(path);
  await Deno.mkdir(`${directory.path}/.out.quartet-parts`);
  await Deno.writeTextFile(`${directory.path}/.out.quartet-parts/part-99`, "left");
  const folder = await OutputFolder.create(`${path}/`, options);
  try {
    await folder.begin();
    assert.deepEqual(names(path), []);
    const [first] = folder.targets;
    assert.equal(modeOf(first!.path!), 0o600);
    await Deno.writeTextFile(first!.path!, "sorted");
    await folder.sync();
    await folder.commit();
  } finally {
    folder.discard();
  }
  assert.deepEqual(names(directory.path), ["out"]);
  assert.deepEqual(
    names(path),
    Array.from({ length: 11 }, (_, i) => `part-${String(i).padStart(2, "0")}`),
  );
  assert.equal(await Deno.readTextFile(`${path}/part-00`), "sorted");
  assert.deepEqual([modeOf(path), modeOf(`${path}/part-10`)], [0o750, 0o640]);
});

Deno.test("OutputFolder: files that get no entries are valid, and a sort that fails leaves nothing", async () => {
  await using directory = await makeTempDirectory();
  const folder = await OutputFolder.create(`${directory.path}/out.gz`, { ...options, parts: 2 });
  const [{ path }] = folder.targets as [{ path: string }];
  assert.ok(path.endsWith("/.out.gz.quartet-parts/part-0.gz"));
  await folder.sync();
  assert.equal(gunzipSync(await Deno.readFile(path)).length, 0);
  folder.discard();
  assert.deepEqual(names(directory.path), []);
});

Deno.test("OutputFolder.create() refuses a name that is taken, and one that another sort writes to", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/out`;
  await Deno.writeTextFile(path, "");
  await assert.rejects(OutputFolder.create(path, options), {
    message: `Cannot write "${path}": it is not a folder`,
  });
  await Deno.remove(path);
  await Deno.mkdir(path);
  await Deno.writeTextFile(`${path}/x`, "");
  await assert.rejects(OutputFolder.create(path, options), {
    message: `Cannot write "${path}": the folder is not empty, it has "x"`,
  });
  await Deno.remove(path, { recursive: true });
  const file = await OutputFile.create(path, options);
  const other = { ...options, owner: { job: "other", node: 0 } };
  await assert.rejects(OutputFolder.create(path, other), /another sort is writing to it$/);
  file.discard();
  assert.deepEqual(names(directory.path), []);
});

Deno.test("OutputFolder: a folder that was filled meanwhile stays as it is", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/out`;
  const folder = await OutputFolder.create(path, options);
  await folder.sync();
  await Deno.mkdir(path);
  await Deno.writeTextFile(`${path}/x`, "theirs");
  await assert.rejects(folder.commit(), /^Error: Cannot write ".*\/out": /);
  folder.discard();
  assert.deepEqual([names(directory.path), names(path)], [["out"], ["x"]]);
});
