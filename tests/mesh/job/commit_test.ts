import assert from "node:assert/strict";
import { commit } from "../../../lib/mesh/job/commit.ts";
import { OutputFile } from "../../../lib/mesh/job/output_file.ts";
import { PeerGroup } from "../../../lib/mesh/job/peer_group.ts";
import { encodeTallies, FRAME } from "../../../lib/mesh/link/frame.ts";
import { emptyTally, type Tally } from "../../../lib/mesh/records/checksum.ts";
import { makeTempDirectory } from "../../support/quartet.ts";
import { within } from "../../support/within.ts";
import { linkPair } from "../support/pipe_links.ts";

const WAIT_MS = 60_000;
const TALLY: Tally = { records: 3, bytes: 300, sum: 12_345n };

/** Node 0 of two with a complete output, and the end of the link that node 1 has. */
async function setUp() {
  const directory = await makeTempDirectory();
  const owner = { job: "test", node: 0 };
  const file = await OutputFile.create(`${directory.path}/out`, { input: directory.path, owner });
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
  let decided = false;
  const onDecided = () => {
    decided = true;
  };
  return {
    directory: directory.path,
    there,
    decided: () => decided,
    committing: commit(peers, { node: 0, nodes: 2, file, input: TALLY, output: TALLY, onDecided }),
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
});
