import assert from "node:assert/strict";
import { OutputFile } from "../../../lib/mesh/job/output_file.ts";
import { writePrepared } from "../../../lib/mesh/job/prepared_note.ts";
import { OutputNote, removeStaleFiles, unusedSpills } from "../../../lib/mesh/node/stale_files.ts";
import { TestLog } from "../../support/log.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";

async function makeDirectories() {
  const temp = await makeTempDirectory();
  const root = await Deno.realPath(temp.path);
  const [notes, outputs] = [`${root}/notes`, `${root}/outputs`];
  await Deno.mkdir(notes);
  await Deno.mkdir(`${outputs}/inner`, { recursive: true });
  const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  return { ...temp, root, notes, outputs, names };
}

/** Leaves the files of a daemon that was killed while it wrote an output. */
async function leave(notes: string, output: string, random: string): Promise<string> {
  const temporary = output.replace(/([^/]+)$/, `.$1.quartet-part`);
  await Deno.writeTextFile(temporary, "half of it");
  await Deno.writeTextFile(`${notes}/output-${random}.note`, temporary);
  return temporary;
}

Deno.test("removeStaleFiles() removes the files of a killed daemon, and no others", async () => {
  await using at = await makeDirectories();
  await leave(at.notes, `${at.outputs}/out`, "00000001");
  await leave(at.notes, `${at.outputs}/inner/out`, "00000002");
  await Deno.writeTextFile(`${at.notes}/sort-${crypto.randomUUID()}.spill`, "spilled");
  await Deno.writeTextFile(`${at.notes}/README`, "mine");
  await Deno.writeTextFile(`${at.notes}/sort-of.spill`, "mine");
  await Deno.writeTextFile(`${at.outputs}/.out.00000003.part`, "not ours");
  const log = new TestLog();
  await removeStaleFiles(at.notes, at.outputs, log.log);
  assert.deepEqual(at.names(at.notes), ["README", "sort-of.spill"]);
  assert.deepEqual(at.names(at.outputs), [".out.00000003.part", "inner"]);
  assert.deepEqual(at.names(`${at.outputs}/inner`), []);
  assert.equal(log.matching("Removed a stale temporary output").length, 2);
});

Deno.test("removeStaleFiles() keeps the files of a running job", async () => {
  await using at = await makeDirectories();
  const spill = `${at.notes}/sort-${crypto.randomUUID()}.spill`;
  {
    using spilled = await Deno.open(spill, { write: true, createNew: true });
    await spilled.lock(true);
    const owner = { job: "test", node: 0 };
    using _note = await OutputNote.write(at.notes, `${at.outputs}/out`, owner);
    const options = { mode: 0o600, owner };
    const output = await OutputFile.create(`${at.outputs}/out`, options);
    await removeStaleFiles(at.notes, at.outputs, new TestLog().log);
    assert.equal(at.names(at.notes).length, 2);
    assert.equal(at.names(at.outputs)[0], ".out.quartet-part");
    await output.commit();
    output.discard();
  }
  // The job removed its note; the spill file is not locked any more and therefore stale.
  assert.equal(at.names(at.notes).length, 1);
  await removeStaleFiles(at.notes, at.outputs, new TestLog().log);
  assert.deepEqual(at.names(at.notes), []);
  assert.deepEqual(at.names(at.outputs), ["inner", "out"]);
});

Deno.test("removeStaleFiles() removes copies of inputs once the lock that stands for all is released", async () => {
  await using at = await makeDirectories();
  const names = [0, 1].map(() => `sort-${crypto.randomUUID()}`);
  for (const name of names) await Deno.writeTextFile(`${at.notes}/${name}.12.spill`, "copy");
  {
    using lock = await Deno.open(`${at.notes}/${names[0]}.spill`, { write: true, createNew: true });
    await lock.lock(true);
    await removeStaleFiles(at.notes, at.outputs, new TestLog().log);
    assert.deepEqual(at.names(at.notes), [`${names[0]}.12.spill`, `${names[0]}.spill`]);
    assert.deepEqual(await unusedSpills(at.notes), []);
  }
  assert.equal((await unusedSpills(at.notes)).length, 1);
  await removeStaleFiles(at.notes, at.outputs, new TestLog().log);
  assert.deepEqual(at.names(at.notes), []);
});

Deno.test("removeStaleFiles() leaves the part of another running process, to which a note points", async () => {
  await using at = await makeDirectories();
  const part = await leave(at.notes, `${at.outputs}/out`, "00000001");
  {
    using taken = await Deno.open(part, { write: true });
    await taken.lock(true);
    await removeStaleFiles(at.notes, at.outputs, new TestLog().log);
  }
  assert.deepEqual(at.names(at.notes), []);
  assert.deepEqual(at.names(at.outputs), [".out.quartet-part", "inner"]);
});

for (const [whose, node] of [["its own", 1], ["another node's", 2]] as const) {
  Deno.test(`removeStaleFiles() keeps ${whose} part that is prepared, in a shared folder`, async () => {
    await using at = await makeDirectories();
    const output = `${at.outputs}/out`;
    const part = await leave(at.notes, output, "00000001");
    const note = { job: "a", node, nodes: 3, records: 1, bytes: 10, checksum: "0" };
    await writePrepared(output, note);
    await Deno.writeTextFile(`${at.notes}/output-00000001.note`, `${part}\na\n1`);
    const doubts = await removeStaleFiles(at.notes, at.outputs, new TestLog().log);
    const isOwn = node === 1;
    assert.deepEqual(doubts.map(({ job, output }) => [job, output]), isOwn ? [["a", output]] : []);
    assert.deepEqual(at.names(at.notes), isOwn ? ["output-00000001.note"] : []);
    assert.deepEqual(at.names(at.outputs), [".out.quartet-part", ".out.quartet-prepared", "inner"]);
  });
}

Deno.test("removeStaleFiles() ignores a note that names any other file", async () => {
  await using at = await makeDirectories();
  await Deno.writeTextFile(`${at.root}/.secret.quartet-part`, "x");
  await Deno.mkdir(`${at.root}/elsewhere`);
  await Deno.writeTextFile(`${at.root}/elsewhere/.out.quartet-part`, "x");
  await Deno.symlink(`${at.root}/elsewhere`, `${at.outputs}/link`);
  await Deno.writeTextFile(`${at.outputs}/out`, "x");
  await Deno.writeTextFile(`${at.outputs}/.out.11111111.part`, "x");
  const notes = [
    `${at.root}/.secret.quartet-part`,
    `${at.outputs}/../.secret.quartet-part`,
    `${at.outputs}/link/.out.quartet-part`,
    `${at.outputs}/out`,
    `${at.outputs}/.out.11111111.part`,
    "",
    "nonsense\0",
    ".x.quartet-part",
  ];
  for (const text of notes) {
    const note = `${at.notes}/output-00000000.note`;
    await Deno.writeTextFile(note, text);
    await removeStaleFiles(at.notes, at.outputs, new TestLog().log);
    assert.deepEqual(at.names(at.notes), [], text);
  }
  assert.deepEqual(at.names(at.outputs), [".out.11111111.part", "inner", "link", "out"]);
  assert.deepEqual(at.names(`${at.root}/elsewhere`), [".out.quartet-part"]);
  assert.ok(at.names(at.root).includes(".secret.quartet-part"));
});

Deno.test("unusedSpills() names spill files that nobody has locked, and no others", async () => {
  await using at = await makeDirectories();
  const spill = () => `${at.notes}/sort-${crypto.randomUUID()}.spill`;
  const [unused, used] = [spill(), spill()];
  for (const path of [unused, used, `${at.notes}/sort-of.spill`]) {
    await Deno.writeTextFile(path, "abc");
  }
  using taken = await Deno.open(used, { write: true });
  await taken.lock(true);
  await Deno.writeTextFile(spill(), "");
  assert.deepEqual(await unusedSpills(at.notes), [{ path: unused, bytes: 3 }]);
  assert.deepEqual(await unusedSpills(`${at.root}/missing`), []);
});
