/**
 * Sorts of lines with keys, of long lines, and of CSV and JSON, all nodes in this process. What the
 * keys are is tested beside `sort` of coreutils in keys/coreutils_test.ts.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { KeyEncoder } from "../../lib/mesh/keys/key_encoder.ts";
import { parseSortOrder } from "../../lib/mesh/keys/sort_order.ts";
import { MAX_SHORT_LINE_BYTES } from "../../lib/mesh/records/line_entry.ts";
import { parseRecordFormat } from "../../lib/mesh/records/record_format.ts";
import { sortInProcess } from "./support/in_process.ts";
import { joined } from "./support/nodes.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The same numbers for the same seed. */
function randomNumbers(seed: number): (n: number) => number {
  return (n) => (seed = Math.imul(seed, 48271) >>> 1) % n;
}

/** Sorts lines by their whole keys, in the obvious way. */
function plainSort(lines: string[], order: string[]): string {
  const encoder = new KeyEncoder(parseSortOrder(order));
  const keyed = lines.map((line) => {
    const bytes = encode(line);
    encoder.encode(bytes, 0, bytes.length, Infinity);
    return { line, key: encoder.bytes.slice(0, encoder.length) };
  });
  return keyed.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ line }) => `${line}\n`).join("");
}

function assertSame(actual: string, expected: string): void {
  assert.equal(actual.length, expected.length);
  // Not equal(), which would print megabytes.
  assert.ok(actual === expected, "the lines differ");
}

/** Lines with few and many different keys, short and long ones, and equal lines. */
function keyedLines(count: number, node: number): string[] {
  const random = randomNumbers(17 + node);
  return Array.from({ length: count }, () => {
    const shared = "a prefix that is longer than what is stored of a key, ".repeat(random(2));
    // All of about the same length, so that equal numbers of lines are equal shares.
    return `${random(7)},${random(1e6) - 5e5},${shared}${random(3000)},`.padEnd(
      80 + random(9),
      "x",
    );
  });
}

for (
  const order of [["-t,", "-k2,2n"], ["-t,", "-k1,1nr"], ["-t,", "-k3,3", "-s"], ["-r"], [
    "-t,",
    "-k3,3fr",
    "-k1,1n",
    "-r",
  ]]
) {
  Deno.test(`SortJob: nodes sort lines together by ${order.join(" ")}`, async () => {
    const lines = [0, 1].map((node) => keyedLines(12_000, node));
    const inputs = lines.map((each) => encode(each.map((line) => `${line}\n`).join("")));
    const outputs = await sortInProcess(inputs, { format: parseRecordFormat({ order }) });
    assertSame(decode(joined(outputs)), plainSort(lines.flat(), order));
    for (const { length } of outputs) {
      assert.ok(length < 0.6 * joined(inputs).length, `${length} bytes on one node`);
    }
  });
}

/** Lines around the length at which they no longer fit in a slot, with long beginnings in common. */
function longLines(node: number): string[] {
  const random = randomNumbers(5 + node);
  const lengths = [-1, 0, 1, 33, 34, 39, 40, 65_536, 200_000].map((n) => MAX_SHORT_LINE_BYTES + n);
  return Array.from({ length: 120 }, (_, i) => {
    if (i % 3 === 0) return `${random(5)} short ${random(100)}`;
    const length = lengths[random(lengths.length)]!;
    return `${random(2)} `.padEnd(length - 3, "long ") + `,${random(5)} `;
  });
}

for (const order of [[], ["-t,", "-k2n"], ["-f", "-r"]]) {
  Deno.test(`SortJob: lines longer than a slot are sorted by "${order.join(" ")}"`, async () => {
    const lines = [0, 1].map(longLines);
    // The last line of each has no newline.
    const inputs = lines.map((each) => encode(each.join("\n")));
    const format = parseRecordFormat({ lines: true, order });
    const outputs = await sortInProcess(inputs, { format });
    const words = order.length === 0 ? ["-k1"] : order;
    assertSame(decode(joined(outputs)), plainSort(lines.flat(), words));
  });
}

Deno.test("SortJob: a line longer than the limit fails the job with its file and its place", async () => {
  const input = encode(`short\n${"x".repeat(70_001)}\n`);
  const format = parseRecordFormat({ lines: true, maxLineBytes: 70_000 });
  await assert.rejects(
    sortInProcess([input], { format }),
    /Cannot sort ".*\/in-0": the line at byte 6 has more than 70000 bytes$/,
  );
});

Deno.test("SortJob: lines may have an eighth of the memory at most", async () => {
  const format = parseRecordFormat({ lines: true, maxLineBytes: 8 * 2 ** 20 + 1 });
  await assert.rejects(
    sortInProcess([encode("a\n")], { format }),
    /Cannot sort lines of up to 8388609 bytes: with 67108864 bytes .* up to 8388608$/,
  );
});

Deno.test("SortJob: CSV is sorted by fields, with its header once, and quoted newlines", async () => {
  const random = randomNumbers(3);
  const rows = (node: number) =>
    Array.from({ length: 3000 }, (_, i) => {
      const text = ["plain", '"with, comma"', '"two\nlines"', '"a ""quote"""'][random(4)]!;
      return `${node}-${i},${text},${random(1e6)}\r\n`;
    });
  const all = [0, 1].map(rows);
  const header = 'id,"some\ntext",number';
  const inputs = all.map((rows) => encode(`${header}\r\n${rows.join("")}`));
  const format = parseRecordFormat({ order: ["--csv", "-k2,2", "-k3,3nr"] });
  const [first, second] = await sortInProcess([inputs[0]!, new Uint8Array(0), inputs[1]!], {
    format,
    workers: 2,
  }).then(([a, ...rest]) => [a!, joined(rest)]);
  assert.ok(decode(first!).startsWith(`${header}\r\n`));
  const found = decode(joined([first!, second!])).slice(header.length + 2);
  const texts = ['"a ""quote"""', "plain", '"two\nlines"', '"with, comma"'];
  const number = (row: string) => Number(/(\d+)\r\n$/.exec(row)![1]);
  const kind = (row: string) => texts.findIndex((text) => row.includes(`,${text},`));
  const expected = all.flat().sort((a, b) =>
    kind(a) - kind(b) || number(b) - number(a) || (a < b ? -1 : 1)
  );
  assertSame(found, expected.join(""));
});

Deno.test("SortJob: headers that differ, and quotes that are not closed, fail the job", async () => {
  const format = parseRecordFormat({ order: ["--csv", "-k1"] });
  await assert.rejects(
    sortInProcess([encode("a,b\n1,2\n"), encode("a,c\n1,2\n")], { format }),
    /the headers differ: node 0 has "a,b", node 1 has "a,c"/,
  );
  await assert.rejects(
    sortInProcess([encode('a,b\n1,2\n3,"open\n4,5\n')], { format }),
    /Cannot sort ".*in-0": in the record at byte 8, a quote is not closed/,
  );
});

Deno.test("SortJob: objects of JSON are sorted by a field", async () => {
  const random = randomNumbers(9);
  const lines = [0, 1].map((node) =>
    Array.from(
      { length: 2000 },
      (_, i) =>
        JSON.stringify({
          id: `${node}-${i}`,
          user: { name: `n${random(100)}` },
          size: random(1e9),
        }),
    )
  );
  const inputs = lines.map((each) => encode(each.join("\n")));
  const order = ["--json-key=/user/name", "--json-key=size"];
  const outputs = await sortInProcess(inputs, { format: parseRecordFormat({ order }) });
  assertSame(decode(joined(outputs)), plainSort(lines.flat(), order));
});
