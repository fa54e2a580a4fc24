import assert from "node:assert/strict";
import {
  commit,
  type CommitOptions,
  type Decisions,
  UndecidedError,
} from "../../../lib/mesh/job/commit.ts";
import { OutputFile } from "../../../lib/mesh/job/output_file.ts";
import { settlePrepared } from "../../../lib/mesh/job/prepared_note.ts";
import { PeerGroup } from "../../../lib/mesh/job/peer_group.ts";
import { encodeAbort, encodeTallies, FRAME } from "../../../lib/mesh/link/frame.ts";
import { emptyTally, type Tally } from "../../../lib/mesh/records/checksum.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";
import { until, within } from "../../support/within.ts";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import { linkPair } from "../support/pipe_links.ts";

const WAIT_MS = 60_000;
const TALLY: Tally = { records: 3, bytes: 300, sum: 12_345n };

/** Node 0 of two with a complete output, and the end of the link that node 1 has. */
async function setUp(decisions: Partial<Decisions> = {}) {
  const directory = await makeTempDirectory();
  const owner = { job: "test", node: 0 };
  const file = await OutputFile.create(`${directory.path}/out`, { mode: undefined, owner });
  const { here, there } = linkPair(0, 1);
  const peers = new PeerGroup({
    node: 0,
    links: [here],
    phase: () => "commit",
    onFailure: () => {},
    onData: () => Promise.resolve(),
    onEnd: () => {},
  });
  const listening = peers.listen();
  const log: string[] = [];
  const note = (text: string) => Promise.resolve(void log.push(text));
  const unfinished: string[] = [];
  let decided = false;
  const onDecided = () => {
    decided = true;
  };
  const committing = commit(peers, {
    ...{ job: "test", node: 0, nodes: 2, file, input: TALLY, output: TALLY, onDecided },
    ...{ represented: TALLY, format: DEFAULT_RECORD_FORMAT },
    onUnfinished: ({ message }) => unfinished.push(message),
    decisions: {
      record: (job, members, records) => note(`record ${job} ${members} ${records}`),
      finished: (job, from) => note(`finished ${job} ${from}`),
      ...decisions,
    },
  });
  committing.catch(() => {});
  return {
    directory: directory.path,
    there,
    decided: () => decided,
    log,
    unfinished,
    committing,
    [Symbol.asyncDispose]: async () => {
      peers.end();
      peers.close();
      there.close();
      await within(WAIT_MS, "the reader", listening);
      file.discard();
      await directory[Symbol.asyncDispose]();
    },
  };
}

const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name);

for (const field of ["records", "bytes", "sum"] as const) {
  Deno.test(`commit(): nodes that differ in ${field} from what was read name no output`, async () => {
    await using made = await setUp();
    const read = { ...TALLY };
    const written = { ...TALLY, [field]: field === "sum" ? 12_346n : TALLY[field] + 1 };
    await made.there.send(FRAME.COMPLETE, encodeTallies(read, written));
    await assert.rejects(
      within(WAIT_MS, "the end", made.committing),
      /Cannot commit: all nodes read 6 records and wrote [67], or their checksums differ/,
    );
    assert.ok(!made.decided(), "the job can still be cancelled");
    assert.ok(!names(made.directory).includes("out"));
  });
}

Deno.test("commit(): nodes that differ from each other commit if all together agree", async () => {
  await using made = await setUp();
  // Node 1 had no input; what it wrote came from node 0, which therefore wrote less.
  const { there, committing } = made;
  await there.send(FRAME.COMPLETE, encodeTallies(emptyTally(), emptyTally()));
  assert.equal((await within(WAIT_MS, "a frame", there.receive()))!.type, FRAME.COMMIT);
  await there.send(FRAME.DONE);
  assert.deepEqual(await within(WAIT_MS, "the end", committing), TALLY);
  assert.equal((await within(WAIT_MS, "a frame", there.receive()))!.type, FRAME.FINISH);
  assert.ok(made.decided());
  assert.deepEqual(names(made.directory), ["out"]);
  assert.deepEqual(made.log, ["record test 1 3", "finished test 1"]);
});

/** Node 1 of two with a complete output, and the end of the link that node 0 has. */
async function setUpMember() {
  const directory = await makeTempDirectory();
  const output = `${directory.path}/out`;
  await Deno.writeTextFile(output, "old");
  const owner = { job: "test", node: 1 };
  const file = await OutputFile.create(output, { mode: undefined, owner });
  await file.begin();
  await Deno.writeTextFile(file.temporaryPath, "new");
  const { here, there } = linkPair(1, 0);
  const peers = new PeerGroup({
    node: 1,
    links: [here],
    phase: () => "commit",
    onFailure: () => {},
    onData: () => Promise.resolve(),
    onEnd: () => {},
  });
  const listening = peers.listen();
  const tally = { records: 1, bytes: 3, sum: 5n };
  const options = { job: "test", node: 1, nodes: 2, file, input: tally, output: tally };
  const balance = { represented: tally, format: DEFAULT_RECORD_FORMAT };
  const committing = commit(peers, { ...options, ...balance, onDecided: () => {} });
  committing.catch(() => {});
  assert.equal((await within(WAIT_MS, "a frame", there.receive()))!.type, FRAME.COMPLETE);
  return {
    output,
    there,
    committing,
    names: () => names(directory.path).sort(),
    /** Ends the job as it ends in any case. */
    end: () => {
      peers.end();
      peers.close();
      file.discard();
      return file.inDoubt;
    },
    [Symbol.asyncDispose]: async () => {
      peers.end();
      peers.close();
      there.close();
      await within(WAIT_MS, "the reader", listening);
      await directory[Symbol.asyncDispose]();
    },
  };
}

const KEPT = [".out.quartet-part", ".out.quartet-prepared", "out"];

Deno.test("commit(): a member that loses node 0 keeps its part, which is settled later", async () => {
  for (const isCommitted of [true, false]) {
    await using made = await setUpMember();
    await assert.rejects(settlePrepared(made.output, true), /still running/);
    made.there.close();
    await assert.rejects(within(WAIT_MS, "the end", made.committing), /closed the connection/);
    assert.ok(made.end());
    assert.deepEqual(made.names(), KEPT);
    assert.equal(await Deno.readTextFile(made.output), "old");
    await settlePrepared(made.output, isCommitted);
    assert.deepEqual(made.names(), ["out"]);
    assert.equal(await Deno.readTextFile(made.output), isCommitted ? "new" : "old");
    await settlePrepared(made.output, true);
  }
});

Deno.test("commit(): a member whose rename fails keeps its part, which is renamed later", async () => {
  await using made = await setUpMember();
  await Deno.remove(made.output);
  await Deno.mkdir(made.output);
  await made.there.send(FRAME.COMMIT);
  await assert.rejects(within(WAIT_MS, "the end", made.committing), /directory/);
  assert.ok(made.end());
  assert.deepEqual(made.names(), KEPT);
  await assert.rejects(settlePrepared(made.output, true), /directory/);
  await Deno.remove(made.output);
  await settlePrepared(made.output, true);
  assert.deepEqual(made.names(), ["out"]);
  assert.equal(await Deno.readTextFile(made.output), "new");
});

Deno.test("commit(): a member discards its part if node 0 gives up", async () => {
  await using made = await setUpMember();
  await made.there.send(FRAME.ABORT, encodeAbort({ node: 0, reason: "no" }));
  await assert.rejects(within(WAIT_MS, "the end", made.committing), /^SortFailedError: no$/);
  assert.ok(!made.end());
  assert.deepEqual(made.names(), ["out"]);
});

Deno.test("commit(): a member that has renamed its output does not mind the loss of node 0", async () => {
  await using made = await setUpMember();
  await made.there.send(FRAME.COMMIT);
  assert.equal((await within(WAIT_MS, "a frame", made.there.receive()))!.type, FRAME.DONE);
  made.there.close();
  await within(WAIT_MS, "the end", made.committing);
  assert.ok(!made.end());
  assert.equal(await Deno.readTextFile(made.output), "new");
});

Deno.test("settlePrepared() does not name a part of another size", async () => {
  await using made = await setUpMember();
  made.there.close();
  await made.committing.catch(() => {});
  made.end();
  await Deno.writeTextFile(`${made.output.replace(/out$/, "")}.out.quartet-part`, "longer");
  await assert.rejects(settlePrepared(made.output, true), /has 6 bytes, and 3 were prepared/);
  assert.equal(await Deno.readTextFile(made.output), "old");
});

Deno.test("commit(): node 0 finishes without a member that is lost once it has decided", async () => {
  await using made = await setUp();
  await made.there.send(FRAME.COMPLETE, encodeTallies(TALLY, TALLY));
  assert.equal((await within(WAIT_MS, "a frame", made.there.receive()))!.type, FRAME.COMMIT);
  made.there.close();
  await within(WAIT_MS, "the end", made.committing);
  assert.match(made.unfinished.join(), /node 1 closed the connection during commit/);
  assert.deepEqual(made.log, ["record test 1 6"], "the decision is kept for node 1");
  assert.deepEqual(names(made.directory), ["out"]);
});

Deno.test("commit(): node 0 gives up if a member is lost before all are prepared", async () => {
  await using made = await setUp();
  made.there.close();
  await assert.rejects(within(WAIT_MS, "the end", made.committing), /node 1 closed the connection/);
  assert.ok(!made.decided());
  assert.deepEqual(made.log, []);
  assert.deepEqual(names(made.directory), []);
});

Deno.test("commit(): node 0 gives up if it cannot record its decision", async () => {
  await using made = await setUp({ record: () => Promise.reject(new Error("the disk is full")) });
  await made.there.send(FRAME.COMPLETE, encodeTallies(TALLY, TALLY));
  await assert.rejects(within(WAIT_MS, "the end", made.committing), /the disk is full/);
  assert.deepEqual(names(made.directory), []);
});

Deno.test("commit(): node 0 keeps its part if it cannot tell whether its decision is recorded", async () => {
  const record = () => Promise.reject(new UndecidedError(new Error("the disk is broken")));
  await using made = await setUp({ record });
  await made.there.send(FRAME.COMPLETE, encodeTallies(TALLY, TALLY));
  await assert.rejects(within(WAIT_MS, "the end", made.committing), UndecidedError);
  assert.deepEqual(names(made.directory).sort(), KEPT.slice(0, 2));
});

Deno.test("commit(): node 0 keeps its decision and its part if its own rename fails", async () => {
  await using made = await setUp();
  // It is prepared before it waits for node 1.
  await until("it is prepared", () => names(made.directory).length === 2, WAIT_MS);
  await Deno.mkdir(`${made.directory}/out`);
  await made.there.send(FRAME.COMPLETE, encodeTallies(TALLY, TALLY));
  await assert.rejects(within(WAIT_MS, "the end", made.committing), /directory/);
  assert.equal((await within(WAIT_MS, "a frame", made.there.receive()))!.type, FRAME.COMMIT);
  assert.deepEqual(made.log, ["record test 1 6"]);
  assert.deepEqual(names(made.directory).sort(), KEPT);
});

/** The only node of a mesh, which commits "new" in place of "old". */
async function commitAlone(decisions?: Partial<Decisions>, more: Partial<CommitOptions> = {}) {
  const directory = await makeTempDirectory();
  const output = `${directory.path}/out`;
  await Deno.writeTextFile(output, "old");
  const owner = { job: "test", node: 0 };
  const file = await OutputFile.create(output, { mode: undefined, owner });
  await file.begin();
  await Deno.writeTextFile(file.temporaryPath, "new");
  const log: string[] = [];
  const note = (text: string) => {
    log.push(`${text}: ${Deno.readTextFileSync(output)}, ${names(directory.path).length} files`);
    return Promise.resolve();
  };
  const peers = new PeerGroup({
    node: 0,
    links: [],
    phase: () => "commit",
    onFailure: () => {},
    onData: () => Promise.resolve(),
    onEnd: () => {},
  });
  const outcome = await commit(peers, {
    ...{ job: "test", node: 0, nodes: 1, file, input: TALLY, output: { ...TALLY, bytes: 3 } },
    ...{ represented: TALLY, format: DEFAULT_RECORD_FORMAT, ...more },
    onDecided: () => log.push("decided"),
    ...(decisions === undefined ? {} : {
      decisions: {
        record: (job, members, records) => note(`record ${job} ${members} ${records}`),
        finished: (job, from) => note(`finished ${job} ${from}`),
        ...decisions,
      },
    }),
  }).catch((error) => error);
  file.discard();
  const [text, left] = [await Deno.readTextFile(output), names(directory.path).sort()];
  await directory[Symbol.asyncDispose]();
  return { outcome, log, text, left, inDoubt: file.inDoubt };
}

Deno.test("commit(): a single node records its decision before the rename", async () => {
  const made = await commitAlone({});
  assert.deepEqual(made.outcome, TALLY);
  const log = ["decided", "record test 0 3: old, 3 files", "finished test 0: new, 1 files"];
  assert.deepEqual(made.log, log);
  assert.deepEqual([made.text, made.left, made.inDoubt], ["new", ["out"], false]);
});

Deno.test("commit(): a single node without a place for decisions only renames", async () => {
  const made = await commitAlone();
  assert.deepEqual(made.outcome, TALLY);
  assert.deepEqual([made.log, made.text, made.left], [["decided"], "new", ["out"]]);
});

Deno.test("commit(): a single node gives up if its output stands for less than it has read", async () => {
  const fewer = { represented: { ...TALLY, records: 2 } };
  const counted = { ...DEFAULT_RECORD_FORMAT, reduce: "count" as const };
  for (const more of [fewer, { ...fewer, format: counted }]) {
    const made = await commitAlone(undefined, more);
    assert.match(String(made.outcome), /Cannot commit: all nodes read 3 records and wrote 2/);
    assert.deepEqual([made.log, made.text, made.left], [[], "old", ["out"]]);
  }
  // Of records with equal keys, only the number counts.
  const others = { represented: { ...TALLY, bytes: 0, sum: 0n }, format: counted };
  assert.deepEqual((await commitAlone(undefined, others)).outcome, TALLY);
});

Deno.test("commit(): a single node gives up if it cannot record its decision, unless that is open", async () => {
  const failed = await commitAlone({ record: () => Promise.reject(new Error("the disk is full")) });
  assert.match(String(failed.outcome), /the disk is full/);
  assert.deepEqual([failed.text, failed.left, failed.inDoubt], ["old", ["out"], false]);
  const error = new UndecidedError(new Error("the disk is broken"));
  const open = await commitAlone({ record: () => Promise.reject(error) });
  assert.equal(open.outcome, error);
  assert.deepEqual([open.text, open.left, open.inDoubt], ["old", KEPT, true]);
});
