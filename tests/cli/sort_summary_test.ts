import assert from "node:assert/strict";
import { forPeople } from "../../lib/cli/sort_summary.ts";

const SECONDS = { sample: 0.25, shuffle: 1, sort: 0.5, commit: 0.25 };
const TALLY = { records: 3, bytes: 2_000_000, sum: 0xabcn };

Deno.test("forPeople() says what one node has sorted", () => {
  const summary = { node: 0, nodes: 1, input: TALLY, output: TALLY, spilledBytes: 0, peers: [] };
  assert.equal(
    forPeople({ ...summary, seconds: SECONDS }),
    "Sorted 3 records, 2000000 bytes in 2.00 s, 1 MB/s\nChecksum: abc",
  );
});

Deno.test("forPeople() adds what was read, the total of all nodes and what was spilled", () => {
  const input = { ...TALLY, records: 5 };
  const total = { ...TALLY, records: 9 };
  const summary = { node: 0, nodes: 2, input, output: TALLY, total, spilledBytes: 7, peers: [] };
  assert.deepEqual(forPeople({ ...summary, seconds: SECONDS }).split("\n").slice(2), [
    "Read 5 records here",
    "All nodes together: 9 records",
    "Spilled 7 bytes",
  ]);
});
