import assert from "node:assert/strict";
import { InputCopies } from "../../../lib/mesh/job/input_copies.ts";
import { PeerGroup } from "../../../lib/mesh/job/peer_group.ts";
import { sampleInput } from "../../../lib/mesh/job/sampling.ts";
import { Shuffle } from "../../../lib/mesh/job/shuffle.ts";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import { BucketStore } from "../../../lib/mesh/sort/bucket_store.ts";
import { encodeKeyList } from "../../../lib/mesh/sort/key_list.ts";
import { SLOT_BYTES } from "../../../lib/mesh/sort/open_pieces.ts";
import { SlotBudget } from "../../../lib/mesh/sort/slot_budget.ts";
import { SortThread } from "../../../lib/mesh/sort/sort_pool.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";
import { until, within } from "../../support/within.ts";
import { generated, wholeFile } from "../support/nodes.ts";

const WAIT_MS = 60_000;

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
    const sampling = sampleInput(thread, {
      files: [file],
      bytes,
      node: 0,
      nodes: 1,
      minBuckets: 0,
      maxBuckets: 1,
      header,
    });
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

Deno.test("InputCopies: only the owner can read them, each input is copied once, and all are removed", async () => {
  await using directory = await makeTempDirectory();
  const copies = await InputCopies.create(directory.path);
  const copied: string[] = [];
  const thread = {
    copy: async ({ name, target }: { name: string; target: string }) => {
      copied.push(name);
      const { mode } = await Deno.stat(target);
      assert.equal(mode! & 0o777, 0o600);
      await Deno.writeTextFile(target, name);
      return name.length;
    },
  };
  const inputs = ["a", "bb", "ccc", "dddd"].map((name) => ({ name, source: name }));
  const sizes: [string, number][] = [];
  await copies.make(inputs, [thread, thread, thread], ({ name }, path, bytes) => {
    assert.equal(Deno.readTextFileSync(path), name);
    sizes.push([name, bytes]);
  });
  assert.deepEqual(copied.sort(), ["a", "bb", "ccc", "dddd"]);
  assert.deepEqual(Object.fromEntries(sizes), { a: 1, bb: 2, ccc: 3, dddd: 4 });
  await copies.remove();
  assert.deepEqual([...Deno.readDirSync(directory.path)], []);
});

Deno.test("InputCopies: after a failure no more inputs are copied, and nothing is left", async () => {
  await using directory = await makeTempDirectory();
  const copies = await InputCopies.create(directory.path);
  const others = Promise.withResolvers<number>();
  let calls = 0;
  const thread = {
    copy: () => ++calls === 1 ? Promise.reject(new Error("damaged")) : others.promise,
  };
  const inputs = Array.from({ length: 9 }, (_, i) => ({ name: `${i}`, source: `${i}` }));
  const making = copies.make(inputs, [thread, thread], () => {});
  let ended = false;
  making.catch(() => ended = true);
  await until("the second thread copies", () => calls === 2, WAIT_MS);
  assert.ok(!ended, "the other thread has not ended");
  others.resolve(1);
  await assert.rejects(within(WAIT_MS, "the failure", making), /damaged/);
  assert.equal(calls, 2);
  await copies.remove();
  assert.deepEqual([...Deno.readDirSync(directory.path)], []);
});
