/**
 * Sorts of all kinds of inputs. Most run all nodes in this process; a process for each node is for
 * what depends on the command line, on sockets, or on how nodes start.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { basename } from "node:path";
import { MAX_ENTRY_BYTES, parseRecordFormat } from "../../lib/mesh/records/record_format.ts";
import { quartet } from "../support/quartet.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { within } from "../support/within.ts";
import { sortInProcess } from "./support/in_process.ts";
import { generated, joined, MeshFiles, sortedRecords } from "./support/nodes.ts";
import { QuartetProcess } from "./support/quartet_process.ts";

const END_MS = 180_000;

/** Sorts with one process for each input; returns their exit codes and outputs. */
async function sortTogether(files: MeshFiles, ...words: string[]) {
  await using stack = new AsyncDisposableStack();
  const nodes = files.addresses.map((_, node) => (
    stack.use(new QuartetProcess(files.words(node, ...words)))
  ));
  return await Promise.all(nodes.map((node) => node.ended()));
}

/** Sorts with one process for each input, and expects success and no other files. */
async function sorted(inputs: Uint8Array[], ...words: string[]): Promise<Uint8Array[]> {
  await using files = await MeshFiles.create(inputs);
  for (const { code, stderr } of await sortTogether(files, ...words)) {
    assert.equal(stderr, "");
    assert.equal(code, 0);
  }
  assert.deepEqual(await files.leftovers(), []);
  return await files.outputs();
}

function equalBytes(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(actual.length, expected.length);
  // Not deepEqual, which would print megabytes.
  assert.ok(Buffer.compare(actual, expected) === 0, "the bytes differ");
}

/** Records with equal keys, and different values. */
function equalKeys(count: number, first: number): Uint8Array {
  const records = generated(count, { first });
  for (let i = 0; i < count; i++) records.fill(0x42, i * 100, i * 100 + 10);
  return records;
}

function reversed(records: Uint8Array): Uint8Array {
  const all = Array.from({ length: records.length / 100 }, (_, i) => (
    records.subarray(i * 100, (i + 1) * 100)
  ));
  return joined(all.reverse());
}

/** Inputs of different kinds, one for each node. */
function mixed(nodes: number): Uint8Array[] {
  const kinds = [
    () => generated(7013),
    () => generated(4999, { first: 10_000, skew: true }),
    () => new Uint8Array(0),
    () => sortedRecords([generated(3001, { first: 20_000 })]),
    () => reversed(sortedRecords([generated(3011, { first: 30_000 })])),
    () => generated(1, { first: 40_000 }),
    () => generated(2003, { first: 50_000, ascii: true, skew: true }),
    () => equalKeys(5003, 60_000),
  ];
  return Array.from({ length: nodes }, (_, node) => kinds[node % kinds.length]!());
}

for (const nodes of [1, 3]) {
  Deno.test(`quartet sort: ${nodes} processes sort inputs of all kinds`, async () => {
    const inputs = mixed(nodes);
    equalBytes(joined(await sorted(inputs)), sortedRecords(inputs));
  });
}

for (const nodes of [1, 2, 4, 8]) {
  Deno.test(`SortJob: ${nodes} nodes sort inputs of all kinds`, async () => {
    const inputs = mixed(nodes);
    equalBytes(joined(await sortInProcess(inputs)), sortedRecords(inputs));
  });
}

Deno.test("SortJob: a key that all records have is spread evenly, and the sort is stable", async () => {
  const inputs = [0, 1, 2].map((node) => equalKeys(6007, node * 10_000));
  const outputs = await sortInProcess(inputs);
  equalBytes(joined(outputs), joined(inputs));
  for (const output of outputs) assert.ok(output.length <= 1.1 * 6007 * 100, `${output.length}`);
});

for (const mode of [{}, { skew: true }, { ascii: true }, { ascii: true, skew: true }]) {
  Deno.test(`SortJob: no node gets more than 1.1 fair shares of ${JSON.stringify(mode)}`, async () => {
    const inputs = [0, 1, 2, 3].map((node) => generated(20_000, { first: node * 20_000, ...mode }));
    const outputs = await sortInProcess(inputs);
    equalBytes(joined(outputs), sortedRecords(inputs));
    for (const { length } of outputs) assert.ok(length <= 1.1 * 2_000_000, `${length} bytes`);
  });
}

Deno.test("quartet sort: --partition bits gives a node the keys with its number in the top bits", async () => {
  const four = [0, 1, 2, 3].map((node) => generated(1009, { first: node * 2000 }));
  const two = four.slice(0, 2);
  for (
    const [inputs, outputs, shift] of [
      [two, await sorted(two, "--partition", "bits"), 7],
      [four, await sortInProcess(four, { partition: "bits" }), 6],
    ] as const
  ) {
    equalBytes(joined(outputs), sortedRecords(inputs));
    outputs.forEach((output, node) => {
      for (let at = 0; at < output.length; at += 100) assert.equal(output[at]! >> shift, node);
    });
  }
});

Deno.test("SortJob: inputs may be empty, and there may be more nodes than records", async () => {
  const inputs = [new Uint8Array(0), generated(2), new Uint8Array(0)];
  equalBytes(joined(await sortInProcess(inputs)), sortedRecords(inputs));
  const nothing = [new Uint8Array(0), new Uint8Array(0)];
  assert.equal(joined(await sortInProcess(nothing)).length, 0);
});

Deno.test("quartet sort: --record and --key set the size of the records and the bytes to sort by", async () => {
  const inputs = [0, 1].map((node) => generated(2101, { first: node * 1e6 }).subarray(0, 210_077));
  const outputs = await sorted(inputs, "--record", "7", "--key", "2:5");
  equalBytes(joined(outputs), sortedRecords(inputs, { recordBytes: 7, keyStart: 2, keyEnd: 5 }));
});

Deno.test("SortJob: records of 1 byte to 64 KiB are sorted by any part of them", async () => {
  const cases = [
    { recordBytes: 1, keyStart: 0, keyEnd: 1, bytes: 100_003 },
    { recordBytes: 300, keyStart: 290, keyEnd: 300, bytes: 300 * 1003 },
    { recordBytes: MAX_ENTRY_BYTES, keyStart: 0, keyEnd: 9, bytes: MAX_ENTRY_BYTES * 37 },
  ];
  for (const { bytes, ...format } of cases) {
    const inputs = [0, 1].map((node) => (
      generated(Math.ceil(bytes / 100), { first: node * 1e6 }).subarray(0, bytes)
    ));
    equalBytes(joined(await sortInProcess(inputs, { format })), sortedRecords(inputs, format));
  }
});

Deno.test("quartet sort: --lines sorts as LC_ALL=C sort does, a last line without newline included", async () => {
  const words = "the quick brown fox\r jumps over the lazy dog \0 \u00e4\u00f6 Zebra 10 9".split(
    " ",
  );
  let seed = 7;
  const random = (n: number) => (seed = Math.imul(seed, 48271) >>> 1) % n;
  const texts = [0, 1, 2].map(() => (
    Array.from({ length: 5000 + random(100) }, () => (
      Array.from({ length: random(5) }, () => words[random(words.length)]).join(" ")
    )).join("\n") + `\n${"long ".repeat(13_000)}\nno newline`
  ));
  const inputs = texts.map((text) => new TextEncoder().encode(text));
  const outputs = await sorted(inputs, "--lines", "--threads", "2");

  const lines = texts.flatMap((text) => text.split("\n"));
  const encoded = lines.map((line) => Buffer.from(`${line}`));
  const expected = encoded.sort(Buffer.compare).map((line) => `${line}\n`).join("");
  equalBytes(joined(outputs), new TextEncoder().encode(expected));

  const files = await MeshFiles.create(inputs);
  await using _ = files;
  const { stdout } = await new Deno.Command("sort", {
    args: [0, 1, 2].map((node) => files.input(node)),
    env: { LC_ALL: "C" },
  }).output();
  equalBytes(joined(outputs), stdout);
});

Deno.test("SortJob: lines with equal keys keep the order of nodes and inputs", async () => {
  const inputs = [0, 1, 2].map((node) => (
    new TextEncoder().encode(
      Array.from({ length: 3000 }, (_, i) => `${i % 3}${"k".repeat(i % 2)}|${node}|${i}\n`).join(
        "",
      ),
    )
  ));
  const lines = inputs.flatMap((input) => new TextDecoder().decode(input).trimEnd().split("\n"));
  const key = (line: string) => line.slice(0, 2);
  const expected = lines.sort((a, b) => key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
  const format = parseRecordFormat({ lines: true, key: "0:2" });
  const output = new TextDecoder().decode(joined(await sortInProcess(inputs, { format })));
  assert.equal(output, expected.join("\n") + "\n");
});

Deno.test("quartet sort: data that does not fit in memory is spilled, with the same result", async () => {
  // The node has 56 MiB for slots, and a part of them has to be free.
  const input = generated(1_000_000);
  await using files = await MeshFiles.create([input]);
  const left = `${files.directory}/sort-${crypto.randomUUID()}.spill`;
  await Deno.writeTextFile(left, "of a sort that was killed");
  const [result] = await sortTogether(files, "--json", "--threads", "2");
  assert.equal(
    result!.stderr,
    `"${left}" (25 bytes) is left from a sort that was killed; remove it\n`,
  );
  const summary = JSON.parse(result!.stdout);
  assert.ok(summary.spilledBytes > 30_000_000, `${summary.spilledBytes} bytes`);
  const [output] = await files.outputs();
  equalBytes(output!, sortedRecords([input]));
  assert.deepEqual(await files.leftovers(), [basename(left)]);
});

Deno.test("quartet sort: buckets with too many records are split", async () => {
  // Empty lines and a few others: far more entries than a bucket may have.
  const input = new Uint8Array(3_000_000).fill(0x0a);
  for (let at = 1_000_000; at < 1_000_100; at += 2) input[at] = 0x61;
  const [output] = await sorted([input], "--lines");
  const expected = new Uint8Array(3_000_000).fill(0x0a);
  for (let at = expected.length - 100; at < expected.length; at += 2) expected[at] = 0x61;
  equalBytes(output!, expected);
});

Deno.test("quartet sort: --json prints a summary for programs", async () => {
  await using files = await MeshFiles.create([generated(500), generated(500, { first: 500 })]);
  const [first, second] = await sortTogether(files, "--json");
  const summary = JSON.parse(first!.stdout);
  assert.deepEqual(summary.total, { records: 1000, bytes: 100_000, checksum: "1ea6370b955" });
  assert.deepEqual(summary.peers.length, 1);
  const { sentBytes } = summary.peers[0];
  assert.equal(JSON.parse(second!.stdout).peers[0].receivedBytes, sentBytes);
  assert.deepEqual(Object.keys(summary.seconds), ["sample", "shuffle", "sort", "commit"]);
});

Deno.test("quartet sort: nodes may start one after the other in any order, and be listed in a file", async () => {
  const inputs = [0, 1, 2].map((node) => generated(1000, { first: node * 1000 }));
  await using files = await MeshFiles.create(inputs);
  const list = `${files.directory}/config.yaml`;
  const servers = files.addresses.map((address, node) => (
    `  - serverId: ${node}\n    host: "127.0.0.1"\n    port: "${address.split(":")[1]}"\n`
  ));
  await Deno.writeTextFile(list, `servers:\n${servers.join("")}`);
  await using stack = new AsyncDisposableStack();
  const nodes: QuartetProcess[] = [];
  for (const node of [2, 0, 1]) {
    const limits = ["--memory", "64MiB", "--dial-timeout", "170s", "--stall-timeout", "120s"];
    const words = ["--node", String(node), "--nodes", list, ...limits];
    const paths = [files.input(node), files.output(node)];
    nodes.push(stack.use(new QuartetProcess(["sort", ...words, ...paths])));
    // Each but the last waits for the others, which it says after 5 s.
    if (nodes.length < 3) await nodes.at(-1)!.said(/^Waiting for /m);
  }
  for (const node of nodes) assert.equal((await node.ended()).code, 0);
  equalBytes(joined(await files.outputs()), sortedRecords(inputs));
});

/** Starts `quartet sort` between two pipes. */
function sortPipe(...words: string[]): Deno.ChildProcess {
  const { path, words: start } = quartet(["-A"]);
  return new Deno.Command(path, {
    args: [...start, "sort", "--lines", "--memory", "64MiB", ...words],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

Deno.test("quartet sort: sorts standard input to standard output, and ends quietly without a reader", async () => {
  await using directory = await makeTempDirectory();
  const words = ["-r", "--spill-dir", directory.path, "--threads", "2", "-", "-"];
  const lines = Array.from({ length: 200_000 }, (_, i) => `${i}`.padStart(15, "0"));
  const input = new TextEncoder().encode(lines.join("\n"));
  const feed = async (child: Deno.ChildProcess) => {
    const writer = child.stdin.getWriter();
    await writer.write(input);
    await writer.close();
  };
  const whole = sortPipe(...words);
  const [{ code, stdout, stderr }] = await within(
    END_MS,
    "the end of the pipe",
    Promise.all([whole.output(), feed(whole)]),
  );
  assert.equal(new TextDecoder().decode(stderr), "");
  assert.equal(code, 0);
  assert.ok(new TextDecoder().decode(stdout) === `${lines.reverse().join("\n")}\n`);

  const headed = sortPipe(...words);
  const reader = headed.stdout.getReader();
  const [{ value }] = await within(
    END_MS,
    "the first lines",
    Promise.all([reader.read(), feed(headed)]),
  );
  assert.equal(new TextDecoder().decode(value!.subarray(0, 16)), `${lines[0]}\n`);
  await reader.cancel();
  const errors = new Response(headed.stderr).text();
  const status = await within(END_MS, "the end without a reader", headed.status);
  assert.deepEqual([status.code, await errors], [141, ""]);
  assert.deepEqual([...Deno.readDirSync(directory.path)], []);
});
