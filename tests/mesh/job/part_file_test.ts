import assert from "node:assert/strict";
import {
  PartFile,
  partPathOf,
  PartTakenError,
  removeUnlocked,
} from "../../../lib/mesh/job/part_file.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";

/** Stands in for a network folder on which no machine sees the locks of another. */
const noLocks = () => Promise.resolve(true);

async function makePath() {
  const directory = await makeTempDirectory();
  return Object.assign(directory, { part: partPathOf(`${directory.path}/out`) });
}

const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name);

Deno.test("PartFile.claim() creates a file that nobody else can read", async () => {
  await using at = await makePath();
  const part = await PartFile.claim(at.part, { job: "sort", node: 0 });
  assert.deepEqual(names(at.path), [".out.quartet-part"]);
  assert.equal(Deno.statSync(at.part).mode! & 0o777, 0o600);
  await part.begin();
  assert.equal(Deno.statSync(at.part).size, 0);
  part.remove();
  part.close();
  assert.deepEqual(names(at.path), []);
});

Deno.test("PartFile.claim() refuses a part that another sort has, before and while it writes", async () => {
  await using at = await makePath();
  const part = await PartFile.claim(at.part, { job: "a", node: 0 });
  const claim = (job: string) => PartFile.claim(at.part, { job, node: 1 });
  await assert.rejects(
    claim("b"),
    new PartTakenError("another node or another sort is writing to it"),
  );
  await assert.rejects(claim("a"), new PartTakenError("node 0 of this job writes to it as well"));
  await part.begin();
  await assert.rejects(
    claim("a"),
    new PartTakenError("another node or another sort is writing to it"),
  );
  assert.equal(await removeUnlocked(at.part), false);
  part.close();
});

Deno.test("PartFile.claim() replaces what a killed sort has left", async () => {
  await using at = await makePath();
  for (const left of ["", "data", '{"job":"sort","node":0}', '{"job":"other","node":1}']) {
    await Deno.writeTextFile(at.part, left);
    const part = await PartFile.claim(at.part, { job: "sort", node: 0 });
    await part.begin();
    assert.equal(await Deno.readTextFile(at.part), "");
    part.close();
  }
  assert.equal(await removeUnlocked(at.part), true);
  assert.equal(await removeUnlocked(at.part), false);
});

Deno.test("PartFile.claim() without locks sees another node of the same job", async () => {
  await using at = await makePath();
  const part = await PartFile.claim(at.part, { job: "sort", node: 0 }, noLocks);
  await assert.rejects(
    PartFile.claim(at.part, { job: "sort", node: 1 }, noLocks),
    /^PartTakenError: node 0 of this job writes to it as well; .* remove ".*\.out\.quartet-part"$/,
  );
  await part.begin();
  part.close();
});

Deno.test("PartFile without locks notices that another sort has replaced it, and leaves that alone", async () => {
  await using at = await makePath();
  const first = await PartFile.claim(at.part, { job: "a", node: 0 }, noLocks);
  const second = await PartFile.claim(at.part, { job: "b", node: 0 }, noLocks);
  const taken = new PartTakenError("another node or another sort has begun to write to it");
  await assert.rejects(first.begin(), taken);
  await assert.rejects(first.sync(), taken);
  first.remove();
  first.close();
  await second.begin();
  await second.sync();
  second.close();
});

Deno.test("PartFile.claim() lets one of many win that find the same leftover", async () => {
  await using at = await makePath();
  for (let round = 0; round < 20; round++) {
    await Deno.writeTextFile(at.part, "left");
    const claims = Array.from({ length: 5 }, (_, i) => (
      PartFile.claim(at.part, { job: `${i}`, node: 0 })
    ));
    const owners = (await Promise.allSettled(claims)).filter((claim) => {
      if (claim.status === "fulfilled") return true;
      assert.ok(claim.reason instanceof PartTakenError, String(claim.reason));
      return false;
    }) as PromiseFulfilledResult<PartFile>[];
    assert.ok(owners.length <= 1, `${owners.length} owners`);
    for (const { value } of owners) {
      await value.assertOwn();
      value.close();
    }
  }
});

Deno.test("PartFile.claim() gives up a part that another sort replaces before it is locked", async () => {
  await using at = await makePath();
  const replace = async () => {
    await Deno.remove(at.part);
    await Deno.writeTextFile(at.part, "of the other");
    return true;
  };
  const claim = PartFile.claim(at.part, { job: "a", node: 0 }, replace);
  await assert.rejects(claim, PartTakenError);
  assert.equal(await Deno.readTextFile(at.part), "of the other");
});

Deno.test("PartFile.claim() leaves nothing behind if the owner cannot be written down", async () => {
  await using at = await makePath();
  const failing = () => Promise.reject(new Error("no locks here"));
  await assert.rejects(PartFile.claim(at.part, { job: "a", node: 0 }, failing), /no locks here/);
  assert.deepEqual(names(at.path), []);
});
