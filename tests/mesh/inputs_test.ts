/**
 * Sorts of several inputs, of compressed ones and of streams, beside `sort` of coreutils where that
 * has something to say. One node in this process, unless it is about the command line.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import assert from "node:assert/strict";
import { parseRecordFormat } from "../../lib/mesh/records/record_format.ts";
import { isInstalled } from "../support/programs.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { within } from "../support/within.ts";
import { linkedJobs } from "./support/in_process.ts";
import { generated, joined, MeshFiles, sortedRecords } from "./support/nodes.ts";

const END_MS = 180_000;
const hasSort = await isInstalled("sort");
const encode = (text: string) => new TextEncoder().encode(text);

/** Sorts inputs with these names; returns the output and how people call the directory. */
async function sortFiles(
  contents: Record<string, Uint8Array>,
  options: {
    order?: string[];
    lines?: boolean;
    key?: string;
    workers?: number;
    names?: string[];
  },
): Promise<{ output: Uint8Array; mode: number }> {
  await using files = await MeshFiles.create([new Uint8Array(0)]);
  await using inputs = await makeTempDirectory();
  for (const [name, content] of Object.entries(contents)) {
    await Deno.writeFile(`${inputs.path}/${name}`, content);
    await Deno.chmod(`${inputs.path}/${name}`, name.startsWith("private") ? 0o640 : 0o664);
  }
  const names = options.names ?? Object.keys(contents);
  const { order, lines, key, workers = 2 } = options;
  const [job] = linkedJobs(files, 1, {
    inputs: names.map((name) => `${inputs.path}/${name}`),
    format: parseRecordFormat({ order, lines, key }),
    workers,
  });
  try {
    await within(END_MS, "the end of the job", job!.run());
  } catch (error) {
    // The name of the directory differs from run to run.
    throw new Error((error as Error).message.replaceAll(`${inputs.path}/`, ""), { cause: error });
  } finally {
    assert.deepEqual(await files.leftovers(), []);
  }
  const path = files.output(0);
  return { output: await Deno.readFile(path), mode: (await Deno.stat(path)).mode! & 0o777 };
}

/** Files of lines of all kinds, the same for the same seed. */
function filesOf(seed: number): Record<string, Uint8Array> {
  const random = (n: number) => (seed = Math.imul(seed, 48271) >>> 1) % n;
  const line = () => {
    const long = random(400) === 0 ? "long ".repeat(14_000) : "";
    return `${random(50)},${random(9) === 0 ? "" : random(1000) - 500},${long}${random(5)}`;
  };
  const text = (count: number) => (
    Array.from({ length: count }, line).join("\n") + "\n".repeat(random(2))
  );
  const counts = [2000, 0, 1, 3000, 40, 1, 1, 700, 0, 1500];
  const packs = [gzipSync, zstdCompressSync];
  return Object.fromEntries(counts.map((count, i) => {
    const content = count === 0 ? new Uint8Array(0) : encode(text(count));
    const pack = i % 3 === 2 ? packs[random(2)]! : undefined;
    return [`${i}`, pack ? new Uint8Array(pack(content)) : content];
  }));
}

/** What `sort` makes of the same files. */
async function sortByCoreutils(contents: Record<string, Uint8Array>, order: string[]) {
  await using directory = await makeTempDirectory();
  const paths = Object.entries(contents).map(([name, content]) => {
    const path = `${directory.path}/${name}`;
    Deno.writeFileSync(path, expanded(content));
    return path;
  });
  const args = [...order, ...paths];
  const { stdout, success } = await new Deno.Command("sort", { args, env: { LC_ALL: "C" } })
    .output();
  assert.ok(success);
  return stdout;
}

function expanded(content: Uint8Array): Uint8Array {
  const [a, b] = content;
  if (a === 0x1f && b === 0x8b) return gunzipSync(content);
  return a === 0x28 && b === 0xb5 ? zstdDecompressSync(content) : content;
}

for (
  const [i, order] of [["-k1"], ["-t,", "-k2,2n"], ["-t,", "-k1,1n", "-s"], ["-t,", "-k3", "-r"]]
    .entries()
) {
  Deno.test({
    name: `SortJob: files of all kinds are sorted as by "sort ${order.join(" ")} FILE…"`,
    ignore: !hasSort,
    fn: async () => {
      const contents = filesOf(11 + i);
      const { output } = await sortFiles(contents, { order, workers: 1 + i % 3 });
      const expected = await sortByCoreutils(contents, order);
      assert.equal(output.length, expected.length);
      assert.ok(Buffer.compare(output, expected) === 0, "the bytes differ");
    },
  });
}

Deno.test("SortJob: records of several files are sorted, and one that is cut off is named", async () => {
  const records = [generated(700), generated(0), generated(900, { first: 5000 })];
  const contents = {
    a: records[0]!,
    b: records[1]!,
    "c.gz": new Uint8Array(gzipSync(records[2]!)),
  };
  // Many keys are equal, so the order of the files counts as well.
  const { output } = await sortFiles(contents, { key: "0:1" });
  const expected = sortedRecords([joined(records)], { keyStart: 0, keyEnd: 1 });
  assert.ok(Buffer.compare(output, expected) === 0, "the bytes differ");
  await assert.rejects(
    sortFiles({ ...contents, d: generated(2).subarray(0, 150) }, {}),
    { message: 'Cannot sort "d": the record at byte 100 is cut off, it has 50 of 100 bytes' },
  );
  const cut = new Uint8Array(zstdCompressSync(generated(3).subarray(0, 210)));
  await assert.rejects(
    sortFiles({ a: records[0]!, "d.zst": cut }, {}),
    { message: 'Cannot sort "d.zst": the record at byte 200 is cut off, it has 10 of 100 bytes' },
  );
});

Deno.test("SortJob: the header of files of CSV is kept once, and one that differs is named", async () => {
  const order = ["--csv", "-k2,2n"];
  const contents = {
    a: encode('id,number\n1,"7"\n2,5'),
    empty: new Uint8Array(0),
    "b.gz": new Uint8Array(gzipSync('id,number\r\n3,"\n6"\n')),
    c: encode("id,number"),
  };
  const { output } = await sortFiles(contents, { order });
  assert.equal(Buffer.from(output).toString(), 'id,number\n2,5\n3,"\n6"\n1,"7"\n');
  await assert.rejects(sortFiles({ ...contents, d: encode("id,other\n1,2\n") }, { order }), {
    message: 'Cannot sort "d" with "a": the headers differ, they are "id,other" and "id,number"',
  });
});

Deno.test("SortJob: places in errors are those in the file that they name", async () => {
  const order = ["--csv", "-k1"];
  const first = encode(`h\n${"1\n".repeat(50)}`);
  await assert.rejects(sortFiles({ first, second: encode('h\n2\n"open\n') }, { order }), {
    message: 'Cannot sort "second": in the record at byte 4, a quote is not closed',
  });
  await assert.rejects(sortFiles({ first }, { lines: true, names: ["first", "missing"] }), {
    message: /^Cannot read "missing": No such file/,
  });
  const damaged = new Uint8Array(gzipSync("hello\n".repeat(100)));
  damaged[damaged.length - 6]! ^= 1;
  await assert.rejects(sortFiles({ first, damaged }, { lines: true }), {
    message: 'Cannot read "damaged": its gzip data is damaged before byte 35: incorrect data check',
  });
});

Deno.test("SortJob: nobody may read a new output who may not read all inputs", async () => {
  const contents = { a: encode("a\n"), "private-b": encode("b\n"), c: encode("c\n") };
  assert.equal((await sortFiles({ a: contents.a }, { lines: true })).mode, 0o664);
  assert.equal((await sortFiles(contents, { lines: true })).mode, 0o640);
});
