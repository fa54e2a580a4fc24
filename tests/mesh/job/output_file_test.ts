import assert from "node:assert/strict";
import { OutputFile } from "../../../lib/mesh/job/output_file.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";

const owner = { job: "test", node: 0 };

/** Another user; only root can give files to one. */
const OTHER_ID = 1234;
const isRoot = Deno.uid() === 0;

async function makeInput() {
  const directory = await makeTempDirectory();
  const input = `${directory.path}/in`;
  await Deno.writeTextFile(input, "input");
  return Object.assign(directory, { input, output: `${directory.path}/out` });
}

/** Writes and commits an output. */
async function write(path: string, input: string): Promise<void> {
  const file = await OutputFile.create(path, { mode: modeOf(input), owner });
  try {
    await file.begin();
    await Deno.writeTextFile(file.temporaryPath, "sorted", { create: false });
    assert.equal(Deno.statSync(file.temporaryPath).mode! & 0o777, 0o600);
    await file.sync();
    await file.commit();
  } finally {
    file.discard();
  }
}

const modeOf = (path: string) => Deno.statSync(path).mode! & 0o7777;
const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

Deno.test("OutputFile: a new output takes the mode of its input", async () => {
  await using at = await makeInput();
  for (const mode of [0o600, 0o640, 0o444, 0o666]) {
    await Deno.chmod(at.input, mode);
    await write(at.output, at.input);
    assert.equal(modeOf(at.output), mode);
    await Deno.remove(at.output);
  }
});

Deno.test("OutputFile: a replaced output keeps its mode, whatever that of the input is", async () => {
  await using at = await makeInput();
  for (const mode of [0o600, 0o660, 0o644]) {
    await Deno.writeTextFile(at.output, "old");
    await Deno.chmod(at.output, mode);
    await write(at.output, at.input);
    assert.equal(modeOf(at.output), mode);
    assert.equal(await Deno.readTextFile(at.output), "sorted");
  }
});

Deno.test({
  name: "OutputFile: a replaced output keeps its owner and its group",
  ignore: !isRoot,
  fn: async () => {
    await using at = await makeInput();
    await Deno.writeTextFile(at.output, "old");
    await Deno.chown(at.output, OTHER_ID, OTHER_ID + 1);
    await Deno.chmod(at.output, 0o640);
    await write(at.output, at.input);
    const { uid, gid } = await Deno.stat(at.output);
    assert.deepEqual([uid, gid, modeOf(at.output)], [OTHER_ID, OTHER_ID + 1, 0o640]);
  },
});

Deno.test({
  name: "OutputFile.create() refuses an output that would lose its owner, and leaves no part",
  ignore: !isRoot,
  fn: async () => {
    await using at = await makeInput();
    await Deno.chmod(at.path, 0o777);
    await Deno.writeTextFile(at.output, "root's");
    const url = JSON.stringify(import.meta.resolve("../../../lib/mesh/job/output_file.ts"));
    const options = JSON.stringify({ mode: modeOf(at.input), owner });
    const code = `const { OutputFile } = await import(${url});
      await OutputFile.create(${JSON.stringify(at.output)}, ${options})
        .catch((error) => console.log(error.message));`;
    const child = await new Deno.Command(Deno.execPath(), {
      args: ["eval", code],
      uid: OTHER_ID,
      gid: OTHER_ID,
      env: { DENO_DIR: `${at.path}/cache` },
    }).output();
    const said = new TextDecoder().decode(child.stdout);
    assert.match(said, /^Cannot write ".*out": it belongs to user 0 and group 0, and this user/);
    assert.ok(!names(at.path).includes(".out.quartet-part"));
    assert.equal(await Deno.readTextFile(at.output), "root's");
  },
});

Deno.test("OutputFile: an output onto its own input, by any path, replaces it only in the end", async () => {
  await using at = await makeInput();
  await Deno.mkdir(`${at.path}/inner`);
  await Deno.symlink("../in", `${at.path}/inner/link`);
  await Deno.symlink(at.path, `${at.path}/folder`);
  const spellings = ["in", "inner/../in", "folder/in", "inner/link", "folder/inner/link"];
  for (const spelling of spellings) {
    await Deno.writeTextFile(at.input, "input");
    const path = `${at.path}/${spelling}`;
    const file = await OutputFile.create(path, { mode: modeOf(at.input), owner });
    await file.begin();
    await Deno.writeTextFile(file.temporaryPath, "sorted");
    assert.equal(await Deno.readTextFile(at.input), "input");
    assert.deepEqual(names(at.path), [".in.quartet-part", "folder", "in", "inner"]);
    const other = { mode: modeOf(at.input), owner: { job: "other", node: 0 } };
    await assert.rejects(OutputFile.create(at.input, other), /another sort is writing to it$/);
    await file.commit();
    file.discard();
    assert.equal(await Deno.readTextFile(at.input), "sorted", spelling);
  }
  assert.ok((await Deno.lstat(`${at.path}/inner/link`)).isSymlink);
});

Deno.test("OutputFile: an output that is a hard link of the input leaves the input as it is", async () => {
  await using at = await makeInput();
  await Deno.link(at.input, at.output);
  await write(at.output, at.input);
  assert.equal(await Deno.readTextFile(at.input), "input");
  assert.equal(await Deno.readTextFile(at.output), "sorted");
});

Deno.test("OutputFile: a symbolic link may name a file that does not exist yet", async () => {
  await using at = await makeInput();
  await Deno.mkdir(`${at.path}/there`);
  await Deno.symlink("there/new", at.output);
  await write(at.output, at.input);
  assert.ok((await Deno.lstat(at.output)).isSymlink);
  assert.equal(await Deno.readTextFile(`${at.path}/there/new`), "sorted");
});

Deno.test("OutputFile.create() refuses links in a circle, folders, and folders that do not exist", async () => {
  await using at = await makeInput();
  await Deno.symlink("b", `${at.path}/a`);
  await Deno.symlink("a", `${at.path}/b`);
  await Deno.mkdir(`${at.path}/folder`);
  const cases: [string, RegExp][] = [
    ["a", /^Error: Cannot write ".*\/a": there are too many symbolic links on the way$/],
    ["folder", /^Error: Cannot write ".*\/folder": it is a directory$/],
    ["new/", /^Error: Cannot write ".*\/new\/": it has no name of a file at its end$/],
    ["new/.", /^Error: Cannot write ".*\/new\/\.": it has no name of a file at its end$/],
    ["none/out", /^Error: Cannot write ".*\/none\/out": No such file/],
    ["in/out", /^Error: Cannot write ".*\/in\/out": Not a directory/],
  ];
  for (const [name, message] of cases) {
    const made = OutputFile.create(`${at.path}/${name}`, { mode: modeOf(at.input), owner });
    await assert.rejects(made, message);
  }
  await assert.rejects(
    OutputFile.create("", { mode: modeOf(at.input), owner }),
    /^Error: Cannot write "": it has no name of a file at its end$/,
  );
  assert.deepEqual(names(at.path), ["a", "b", "folder", "in"]);
});

const NOTE = { job: "test", node: 0, nodes: 2, records: 1, bytes: 6, checksum: "0" };

Deno.test("OutputFile.prepare() promises nothing if the output has become a directory", async () => {
  await using at = await makeInput();
  const file = await OutputFile.create(at.output, { mode: modeOf(at.input), owner });
  await Deno.mkdir(at.output);
  await assert.rejects(file.prepare(NOTE), /Cannot write ".*": it is a directory/);
  assert.equal(file.inDoubt, false);
  file.discard();
  assert.deepEqual(names(at.path), ["in", "out"]);
});

Deno.test("OutputFile.prepare() promises nothing if another sort has replaced the part", async () => {
  await using at = await makeInput();
  const file = await OutputFile.create(at.output, { mode: modeOf(at.input), owner });
  await Deno.remove(file.temporaryPath);
  await Deno.writeTextFile(file.temporaryPath, "of another sort");
  await assert.rejects(file.prepare(NOTE), /another sort has begun to write to it/);
  assert.equal(file.inDoubt, false);
  file.discard();
  assert.deepEqual(names(at.path), [".out.quartet-part", "in"]);
});
