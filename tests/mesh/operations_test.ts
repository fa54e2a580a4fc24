/**
 * Jobs that reduce, all nodes in this process. Which lines are kept is tested in
 * sort/bucket_reducer_test.ts.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { parseRecordFormat } from "../../lib/mesh/records/record_format.ts";
import { within } from "../support/within.ts";
import { linkedJobs, sortInProcess } from "./support/in_process.ts";
import { joined, MeshFiles } from "./support/nodes.ts";
import { shellOutput } from "./support/shell_output.ts";

const END_MS = 180_000;
const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const hasCoreutils = await new Deno.Command("uniq", { args: ["--version"], stdout: "null" })
  .output().then(({ success }) => success, () => false);

/** Requests of which few are different, and the n-th of which is 1/n as frequent as the first. */
function logOf(node: number, lines: number): Uint8Array {
  let seed = 3 + node;
  const random = () => (seed = Math.imul(seed, 48271) >>> 1) / 2 ** 31;
  const texts = Array.from({ length: lines }, () => {
    // One in the middle is as frequent as all others together, where nodes would be cut apart.
    const page = random() < 0.5 ? 500 : Math.floor(300 ** random());
    return `GET /${Math.imul(page, 40503) % 1009}/${page} HTTP/1.1,${page % 3}\n`;
  });
  return encode(texts.join(""));
}

Deno.test({
  name: "SortJob: nodes count together, each key on one node, and send only what is different",
  ignore: !hasCoreutils,
  fn: async () => {
    const inputs = [logOf(0, 40_000), logOf(1, 40_000)];
    const format = parseRecordFormat({ lines: true, count: true });
    await using files = await MeshFiles.create(inputs);
    const running = linkedJobs(files, 2, { format }).map((job) => job.run());
    const summaries = await within(END_MS, "the end of the job", Promise.all(running));
    const output = decode(joined(await files.outputs()));
    const expected = await shellOutput("sort | uniq -c", Buffer.concat(inputs));
    assert.equal(output, expected);
    for (const { input, output, peers, spilledBytes } of summaries) {
      assert.equal(input.records, 40_000);
      assert.equal(spilledBytes, 0);
      assert.ok(output.records > 0 && output.records < 300, `${output.records} on one node`);
      // The sample of the keys has its own size.
      for (const { sentBytes } of peers) assert.ok(sentBytes < 600_000, `${sentBytes} sent`);
    }
    assert.equal(summaries[0]!.total?.records, 80_000);
  },
});

Deno.test("SortJob: keys that meet in one large bucket are counted when it is split", async () => {
  // The sample sees as much of each key as they share, and a slot has fewer lines than there are keys.
  const shared = "x".repeat(5000);
  const lines = Array.from({ length: 1800 }, (_, i) => `${shared}${i % 12} ${"y".repeat(2500)}`);
  const input = encode(lines.join("\n"));
  const format = parseRecordFormat({ order: ["-k1,1"], count: true });
  const [output] = await sortInProcess([input], { format });
  const counted = decode(output!).split("\n").map((line) => line.replaceAll(/x{5000}| y*$/g, ""));
  const expected = Array.from({ length: 12 }, (_, i) => `    150 ${i}`).sort();
  assert.deepEqual(counted, [...expected, ""]);
});

Deno.test("SortJob: a key between others is counted once when its bucket is split", async () => {
  // Others push it out of the open slots, so its entries meet only if no cut falls among them.
  // The lengths of lines vary, so that the sample finds enough of them.
  const shared = "x".repeat(5000);
  const keyOf = (i: number) => i % 2 === 0 ? "m" : `${i % 4 === 1 ? "a" : "z"}${i}`;
  const lines = Array.from(
    { length: 1300 },
    (_, i) => `${shared}${keyOf(i)} ${"y".repeat(i % 2 * (8000 + i * 7919 % 2000))}\n`,
  );
  const format = parseRecordFormat({ order: ["-k1,1"], count: true });
  const [output] = await sortInProcess([encode(lines.join(""))], { format });
  const counted = decode(output!).trimEnd().split("\n").map((line) => (
    line.replaceAll(/x{5000}| y*$/g, "")
  ));
  assert.deepEqual(counted.filter((line) => line.endsWith(" m")), ["    650 m"]);
  assert.equal(counted.length, 651);
});

Deno.test("SortJob: node 0 writes the most frequent of all nodes, with a header of CSV", async () => {
  // Page n occurs n times on each node, and 2 as often as 20, which another node counts.
  const record = (page: number) => `${page},"name\n${page}"\n`;
  const inputs = [[], Array(36).fill(2)].map((more) => {
    const pages = Array.from({ length: 20 }, (_, i) => Array(i + 1).fill(i + 1)).flat();
    return encode(`page,name\n${[...pages, ...more].map(record).join("")}`);
  });
  const format = parseRecordFormat({ order: ["--csv", "-k1,1n"], count: true, top: "3" });
  const outputs = await sortInProcess(inputs, { format });
  const counts = [40, 40, 38].map((count, i) => `${count},${record([2, 20, 19][i]!)}`);
  assert.deepEqual(outputs.map(decode), [`count,page,name\n${counts.join("")}`, ""]);
});
