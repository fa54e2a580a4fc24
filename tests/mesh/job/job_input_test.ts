import assert from "node:assert/strict";
import { PeerGroup } from "../../../lib/mesh/job/peer_group.ts";
import { sampleInput } from "../../../lib/mesh/job/sampling.ts";
import { Shuffle } from "../../../lib/mesh/job/shuffle.ts";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import { BucketStore } from "../../../lib/mesh/sort/bucket_store.ts";
import { encodeKeyList } from "../../../lib/mesh/sort/key_list.ts";
import { SLOT_BYTES } from "../../../lib/mesh/sort/open_pieces.ts";
import { SlotBudget } from "../../../lib/mesh/sort/slot_budget.ts";
import { SortThread } from "../../../lib/mesh/sort/sort_pool.ts";
import { makeTempDirectory } from "../../support/quartet.ts";
import { generated, wholeFile } from "../support/nodes.ts";

Deno.test("an input that becomes shorter is named, whichever phase notices it", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/in`;
  await Deno.writeFile(path, generated(10));
  const bytes = 2000;
  const reason = `Cannot read "${path}": it has become shorter since the sort began`;
  const format = DEFAULT_RECORD_FORMAT;
  const store = new BucketStore({
    memoryBytes: 64 * SLOT_BYTES,
    spillPath: "/nowhere/unused.spill",
    onFree: () => budget.grant(),
    onFailure: () => {},
  });
  const budget = new SlotBudget(store);
  const thread = new SortThread(store.slab, format);
  const shuffle = new Shuffle({ node: 0, format, store, budget, onProgress: () => {} });
  const peers = new PeerGroup({
    node: 0,
    links: [],
    phase: () => "shuffle",
    onFailure: () => {},
    onData: () => Promise.resolve(),
    onEnd: () => {},
  });
  try {
    const header = new Uint8Array(0);
    const file = wholeFile(path, bytes);
    const sampling = sampleInput(thread, { files: [file], bytes, node: 0, maxBuckets: 1, header });
    await assert.rejects(sampling, { message: reason });
    shuffle.begin({ bucketsPerNode: 1, splitters: encodeKeyList([]) });
    await assert.rejects(shuffle.run(peers, [thread], [[{ ...file, end: bytes }]]), {
      message: reason,
    });
  } finally {
    thread.end();
    await store.close();
  }
});
