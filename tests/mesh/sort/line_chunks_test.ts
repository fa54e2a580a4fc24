import { basename } from "node:path";
import assert from "node:assert/strict";
import { endOfRecord } from "../../../lib/mesh/keys/csv_record.ts";
import { divideInput, markQuoted } from "../../../lib/mesh/job/input_parts.ts";
import { countQuotes } from "../../../lib/mesh/keys/csv_record.ts";
import type { RecordFormat } from "../../../lib/mesh/records/record_format.ts";
import { LineChunks } from "../../../lib/mesh/sort/line_chunks.ts";
import type { FilePart } from "../../../lib/mesh/sort/sort_messages.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";
import { wholeFile } from "../support/nodes.ts";

const MIB = 2 ** 20;
const LINES: RecordFormat = { recordBytes: 0, keyStart: 0, keyEnd: 1, maxLineBytes: 4 * MIB };

/** Lines of a part, each with its position. */
function linesOf(file: Deno.FsFile, part: FilePart, csv: boolean): [number, number][] {
  const chunks = new LineChunks(file, part, { format: LINES, csv });
  const found: [number, number][] = [];
  while (chunks.read()) {
    const { lines, from, to, position } = chunks;
    let at = from;
    while (at < to) {
      const end = csv ? endOfRecord(lines, at, lines.length) : lines.indexOf(0x0a, at);
      if (end < 0) break;
      found.push([position + at, end - at]);
      at = end + 1;
    }
    chunks.done(at);
  }
  return found;
}

/** The lines of files, divided into parts. */
async function divided(content: Uint8Array | Uint8Array[], parts: number, csv = false) {
  await using directory = await makeTempDirectory();
  const contents = [content].flat();
  let base = 0;
  const inputs = contents.map((content, i) => {
    const path = `${directory.path}/${i}`;
    Deno.writeFileSync(path, content);
    const input = { ...wholeFile(path, content.length), base };
    base += content.length;
    return input;
  });
  const all = divideInput(inputs, { parts, unit: 1 });
  if (csv) {
    const thread = {
      countQuotes: ({ start, end, path }: FilePart) =>
        Promise.resolve(countQuotes(contents[Number(basename(path))]!.subarray(start, end))),
    };
    await markQuoted(all, all.map(() => thread));
  }
  return all.flat().flatMap((part) => {
    using file = Deno.openSync(part.path);
    return linesOf(file, part, csv);
  });
}

/** All lines, one after another. */
function plainLines(content: Uint8Array, csv = false): [number, number][] {
  const found: [number, number][] = [];
  for (let at = 0; at < content.length;) {
    const end = csv ? endOfRecord(content, at, content.length) : content.indexOf(0x0a, at);
    const stop = end < 0 ? content.length : end;
    found.push([at, stop - at]);
    at = stop + 1;
  }
  return found;
}

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("LineChunks: each line belongs to one part, wherever the parts begin", async () => {
  const content = encode("a\n\nbcd\n\n\nefghij\nk\nl");
  for (let parts = 1; parts <= content.length; parts++) {
    assert.deepEqual(await divided(content, parts), plainLines(content), `${parts} parts`);
  }
});

Deno.test("LineChunks: lines longer than a chunk, and than a part, are found as a whole", async () => {
  const lengths = [10, MIB - 1, MIB, MIB + 1, 0, 3 * MIB + 7, 4 * MIB, 5];
  const content = encode(lengths.map((n) => "x".repeat(n)).join("\n"));
  for (const parts of [1, 7]) {
    assert.deepEqual(await divided(content, parts), plainLines(content), `${parts} parts`);
  }
});

Deno.test("LineChunks: records of CSV are found from parts that begin within quotes", async () => {
  const small = encode('a,"b\nc"\n"""\n",""\n"d\n\n\n""e"\n,"\n"\nf');
  for (let parts = 1; parts <= small.length; parts++) {
    assert.deepEqual(await divided(small, parts, true), plainLines(small, true), `${parts} parts`);
  }
  const large = encode(`x,"${"line\n".repeat(500_000)}"\ny,"${'""\n'.repeat(9)}"\n`);
  assert.deepEqual(await divided(large, 5, true), plainLines(large, true));
  // A part begins before the quote, and has no end of a record in its first chunk.
  const late = encode(`${"x".repeat(1_900_000)},"${"line\n".repeat(360_000)}"\ny\nz,"\n"\n`);
  assert.deepEqual(await divided(late, 2, true), plainLines(late, true));
});

Deno.test("LineChunks: lines do not go on in the next file, and quotes do not either", async () => {
  const texts = ['a,"b\n', '"\nc', "", "\n", 'd\n"e\nf"', '"""\n"""', "g\n\nh"];
  for (const csv of [false, true]) {
    // With quotes that are not closed, only the lines of plain text are.
    const contents = texts.slice(csv ? 2 : 0).map(encode);
    let base = 0;
    const expected = contents.flatMap((content) => {
      const found = plainLines(content, csv).map(([at, length]) => [base + at, length]);
      base += content.length;
      return found;
    });
    for (let parts = 1; parts <= base + 1; parts++) {
      assert.deepEqual(await divided(contents, parts, csv), expected, `${parts} parts`);
    }
  }
});

Deno.test("LineChunks: a line that is too long, and a quote that is not closed, are refused", async () => {
  const long = encode(`ab\n${"x".repeat(5 * MIB)}`);
  await assert.rejects(divided(long, 1), {
    name: "LineError",
    message: "the line at byte 3 has more than 4194304 bytes",
  });
  await assert.rejects(divided(encode('ab\n1,"c\nd\n'), 1, true), {
    name: "LineError",
    message: "in the record at byte 3, a quote is not closed",
  });
  await assert.rejects(divided(encode(`"${"x\n".repeat(3 * MIB)}`), 1, true), {
    name: "LineError",
    message: "the record at byte 0 has more than 4194304 bytes; is a quote not closed?",
  });
});
