import assert from "node:assert/strict";
import fc from "fast-check";
import { formatSum } from "../../../lib/mesh/records/checksum.ts";
import { RecordGenerator } from "../../../lib/mesh/records/generator.ts";
import {
  DEFAULT_RECORD_FORMAT,
  parseRecordFormat,
  type RecordFormat,
} from "../../../lib/mesh/records/record_format.ts";
import { type Verification, Verifier } from "../../../lib/mesh/records/verifier.ts";

/** Verifies files with these contents. */
async function verify(format: RecordFormat, ...contents: Uint8Array[]): Promise<Verification> {
  const verifier = new Verifier(format);
  const directory = await Deno.makeTempDir();
  try {
    for (const [i, content] of contents.entries()) {
      await Deno.writeFile(`${directory}/${i}`, content);
      await verifier.file(`${directory}/${i}`);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return verifier.result();
}

const LINES = parseRecordFormat({ lines: true });
const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("Verifier counts generated records as valsort does", async () => {
  const records = new Uint8Array(100_000);
  new RecordGenerator().fill(records);
  const found = await verify(DEFAULT_RECORD_FORMAT, records);
  assert.equal(formatSum(found.sum), "1ea6370b955");
  assert.equal(found.records, 1000);
  assert.ok(found.unordered > 400 && found.firstUnordered! < 10);
});

Deno.test("Verifier compares the last record of a file with the first of the next", async () => {
  const found = await verify(LINES, bytes("a\nb\n"), bytes(""), bytes("b\nc\n"), bytes("bb\n"));
  const { records, duplicateKeys, unordered, firstUnordered } = found;
  assert.deepEqual({ records, duplicateKeys, unordered, firstUnordered }, {
    records: 5,
    duplicateKeys: 1,
    unordered: 1,
    firstUnordered: 4,
  });
});

Deno.test("Verifier counts a last line without newline as a line", async () => {
  const [whole, cut] = [await verify(LINES, bytes("x\ny\n")), await verify(LINES, bytes("x\ny"))];
  assert.deepEqual(cut, whole);
});

Deno.test("Verifier finds nothing in no files and in empty ones", async () => {
  const nothing = { records: 0, bytes: 0, sum: 0n, duplicateKeys: 0, unordered: 0 };
  assert.deepEqual(await verify(LINES), nothing);
  assert.deepEqual(await verify(DEFAULT_RECORD_FORMAT, bytes("")), nothing);
});

Deno.test("Verifier names the byte at which a cut off record begins", async () => {
  await assert.rejects(
    verify(DEFAULT_RECORD_FORMAT, new Uint8Array(250)),
    /the record at byte 200 is cut off, it has 50 of 100 bytes/,
  );
});

Deno.test("Verifier refuses a line that is too long", async () => {
  const line = new Uint8Array(2 ** 20 + 1).fill(65);
  await assert.rejects(verify(LINES, bytes("a\n"), line), /the line at byte 0 is too long/);
});

Deno.test("Verifier counts lines that cross the chunks it reads", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 60_000 }), fc.nat(100), async (length, extra) => {
      const line = bytes(`${"k".repeat(length)}\n`);
      const count = Math.ceil(2_200_000 / line.length);
      const content = new Uint8Array(count * line.length + extra).fill(107);
      for (let i = 0; i < count; i++) content.set(line, i * line.length);
      const found = await verify(LINES, content);
      assert.equal(found.records, count + (extra > 0 ? 1 : 0));
      assert.equal(found.bytes, content.length + (extra > 0 ? 1 : 0));
    }),
    { numRuns: 5 },
  );
});
