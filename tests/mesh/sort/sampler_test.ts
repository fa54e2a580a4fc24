import assert from "node:assert/strict";
import { parseRecordFormat, type RecordFormat } from "../../../lib/mesh/records/record_format.ts";
import {
  SAMPLE_BYTES,
  SAMPLE_KEYS,
  sampleExtents,
  sampleFiles,
  sampleKeysFor,
} from "../../../lib/mesh/sort/sampler.ts";
import { MAX_INPUT_BYTES, type SampledKey } from "../../../lib/mesh/sort/splitters.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";
import { wholeFile } from "../support/nodes.ts";

/** Samples a file with this content. */
async function sample(content: Uint8Array, format: RecordFormat, node = 0): Promise<SampledKey[]> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, content);
    return sampleFiles([wholeFile(path, content.length)], { format, node });
  } finally {
    await Deno.remove(path);
  }
}

const LINES = parseRecordFormat({ lines: true });
const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("sampleFiles() takes all records of a small input, with their positions", async () => {
  const format = { recordBytes: 4, keyStart: 1, keyEnd: 3 };
  const content = Uint8Array.from({ length: 400 }, (_, i) => i);
  const keys = await sample(content, format, 2);
  assert.equal(keys.length, 100);
  keys.forEach(({ key, order, weight }, i) => {
    assert.deepEqual(key, content.subarray(4 * i + 1, 4 * i + 3));
    assert.equal(order, 2 * MAX_INPUT_BYTES + 4 * i);
    assert.equal(weight, 4);
  });
});

Deno.test("sampleFiles() picks one record of each section of a large input", async () => {
  const records = 100_000;
  const content = new Uint8Array(4 * records);
  for (let i = 0; i < records; i++) new DataView(content.buffer).setUint32(4 * i, i);
  const keys = await sample(content, { recordBytes: 4, keyStart: 0, keyEnd: 4 });
  assert.equal(keys.length, SAMPLE_KEYS);
  keys.forEach(({ key }, i) => {
    const picked = new DataView(key.buffer).getUint32(0);
    assert.ok(Math.abs(picked - i * records / SAMPLE_KEYS) <= records / SAMPLE_KEYS + 1);
  });
});

Deno.test("sampleKeysFor() grows with the buckets, and shares out what balances the nodes", () => {
  assert.equal(sampleKeysFor({ buckets: 0.1, nodes: 1 }), 1024);
  assert.equal(sampleKeysFor({ buckets: 190.7, nodes: 1 }), 3052);
  assert.equal(sampleKeysFor({ buckets: 4096, nodes: 1 }), SAMPLE_KEYS);
  assert.equal(sampleKeysFor({ buckets: 0.1, nodes: 2 }), SAMPLE_KEYS / 2);
  assert.equal(sampleKeysFor({ buckets: 100, nodes: 3 }), 5462);
  assert.equal(sampleKeysFor({ buckets: 500, nodes: 4 }), 8000);
  assert.equal(sampleKeysFor({ buckets: 0.1, nodes: 256 }), 1024);
});

Deno.test("sampleFiles() picks no more keys than wanted, from the whole input", async () => {
  const records = { recordBytes: 4, keyStart: 0, keyEnd: 4 };
  for (const [format, text] of [[records, "abc\n"], [LINES, "line\n"]] as const) {
    const content = encode(text.repeat(10_000));
    const path = await Deno.makeTempFile();
    try {
      await Deno.writeFile(path, content);
      const files = [wholeFile(path, content.length)];
      const keys = sampleFiles(files, { format, node: 0, keys: 100 });
      assert.equal(keys.length, 100);
      const orders = keys.map(({ order }) => order).sort((a, b) => a - b);
      orders.forEach((order, i) => {
        assert.ok(Math.abs(order - i * content.length / 100) <= content.length / 100 + text.length);
      });
    } finally {
      await Deno.remove(path);
    }
  }
});

Deno.test("sampleFiles() picks whole lines, at their places, from the whole input", async () => {
  const lines = Array.from({ length: 30_000 }, (_, i) => `${i}`.padStart(1 + i % 300, "0"));
  const content = encode(lines.join("\n"));
  const keys = await sample(content, LINES);
  assert.ok(keys.length > 4000, `${keys.length} keys`);
  const thirds = [0, 0, 0];
  for (const { key, order } of keys) {
    assert.deepEqual(content.subarray(order, order + key.length), key);
    assert.ok(order === 0 || content[order - 1] === 10);
    assert.ok(order + key.length === content.length || content[order + key.length] === 10);
    thirds[Math.floor(3 * order / content.length)]!++;
  }
  for (const third of thirds) assert.ok(Math.abs(third / keys.length - 1 / 3) < 0.05);
});

Deno.test("sampleFiles() picks lines as often as they have bytes, whatever is in front of them", async () => {
  // The line behind a picked byte is mostly the one behind the longer of the two.
  const pairs = [[2000, 10], [10, 2000], [700, 700]] as const;
  for (const [a, z] of pairs) {
    const pair = `${"a".repeat(a - 1)}\n${"z".repeat(z - 1)}\n`;
    const keys = await sample(encode(pair.repeat(2000)), LINES);
    const part = keys.filter(({ key }) => key[0] === 0x61).length / keys.length;
    assert.ok(Math.abs(part - a / (a + z)) < 0.05, `${part} of ${a} in ${a + z}`);
  }
});

Deno.test("sampleFiles() reads little of lines that are long, and bounds what it keeps", async () => {
  const content = new Uint8Array(40_000_000).fill(0x61);
  for (let at = 50_000; at < content.length; at += 50_001) content[at] = 0x0a;
  const startMs = performance.now();
  const keys = await sample(content, LINES);
  assert.ok(performance.now() - startMs < 10_000);
  const bytes = keys.reduce((sum, { key }) => sum + key.length, 0);
  assert.ok(keys.length >= 5 && bytes <= SAMPLE_BYTES, `${keys.length} keys, ${bytes} bytes`);
});

Deno.test("sampleFiles() finds nothing in one line that is too long, and nothing in no lines", async () => {
  assert.deepEqual(await sample(new Uint8Array(1_100_000).fill(0x61), LINES), []);
  assert.deepEqual((await sample(encode("\n"), LINES)).map(({ key }) => key.length), [0]);
});

Deno.test("sampleFiles() picks from many files as from one, first and last lines included", async () => {
  await using directory = await makeTempDirectory();
  // More files than are kept open, most of one line without a newline, and one with a header.
  const texts = Array.from(
    { length: 150 },
    (_, i) => i === 70 ? "x,y\n1\n2\n" : `${i}`.padEnd(300, "x"),
  );
  let base = 0;
  const files = texts.map((text, i) => {
    const file = {
      ...wholeFile(`${directory.path}/${i}`, text.length),
      base,
      start: i === 70 ? 4 : 0,
    };
    Deno.writeTextFileSync(file.path, text);
    base += text.length;
    return file;
  });
  const keys = sampleFiles(files, { format: LINES, node: 0 });
  const found = new Set(keys.map(({ key, order }) => `${order} ${new TextDecoder().decode(key)}`));
  const all = texts.flatMap((text, i) => (
    i === 70
      ? [`${files[i]!.base + 4} 1`, `${files[i]!.base + 6} 2`]
      : [`${files[i]!.base} ${text}`]
  ));
  assert.ok(found.isSubsetOf(new Set(all)));
  // It looks at a part of all bytes, so it may miss the first line and short ones, but hardly others.
  assert.ok(found.size >= 0.9 * all.length, `${found.size} of ${all.length} lines`);
});

Deno.test("sampleExtents() numbers entries as if the extents were one file", async () => {
  const path = await Deno.makeTempFile();
  try {
    // Two lines with their lengths in front, between bytes of no extent.
    await Deno.writeFile(path, encode("xx\x03\0abcyy\x01\0d"));
    using file = Deno.openSync(path);
    const extents = [{ offset: 9, bytes: 3 }, { offset: 2, bytes: 5 }];
    const keys = sampleExtents(file, extents, { format: LINES, records: 2, keys: 100 });
    const found = keys.map((
      { key, order, weight },
    ) => [new TextDecoder().decode(key), order, weight]);
    assert.deepEqual(found, [["d", 0, 4], ["abc", 3, 4]]);
  } finally {
    await Deno.remove(path);
  }
});
