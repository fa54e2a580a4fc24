import assert from "node:assert/strict";
import { parseCommandLine } from "../../lib/cli/command.ts";
import { sort } from "../../lib/cli/sort.ts";
import { readSortFiles } from "../../lib/cli/sort_files.ts";
import { readSortSettings } from "../../lib/cli/sort_options.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";

/** Reads the words after `quartet sort`, in which "@" stands for a directory. */
async function read(directory: string, words: string) {
  const args = parseCommandLine(sort, words.replaceAll("@", directory).split(" "));
  const files = await readSortFiles(args);
  readSortSettings(args, files);
  const { inputs, output, parts, spillDir } = files;
  const short = (path: string) => path.replace(directory, "@");
  return [inputs.map(short).join(" "), short(output), short(spillDir), ...parts ? [parts] : []];
}

Deno.test("quartet sort: inputs come before the output, or the output is named with -o", async () => {
  await using directory = await makeTempDirectory();
  for (const name of ["a", "b", "c"]) await Deno.writeTextFile(`${directory.path}/${name}`, "");
  const temporary = Deno.env.get("TMPDIR") || "/tmp";
  const cases: [string, unknown[]][] = [
    ["@/a @/b", ["@/a", "@/b", "@"]],
    ["@/a @/b @/new", ["@/a @/b", "@/new", "@"]],
    ["@/a @/b @/c -o @/a", ["@/a @/b @/c", "@/a", "@"]],
    ["-o@/new @/b -r", ["@/b", "@/new", "@"]],
    ["-o @/x/new", ["-", "@/x/new", "@/x"]],
    ["@ -", ["@/a @/b @/c", "-", temporary]],
    ["- @/[bc] - --spill-dir @", ["- @/b @/c", "-", "@"]],
    ["--parts 3 @/a @/parts", ["@/a", "@/parts", "@", 3]],
  ];
  for (const [words, expected] of cases) {
    assert.deepEqual(await read(directory.path, words), expected, words);
  }
});

Deno.test("quartet sort: inputs without an output, and outputs that would be lost, are refused", async () => {
  await using directory = await makeTempDirectory();
  for (const name of ["a", "b", "c"]) await Deno.writeTextFile(`${directory.path}/${name}`, "");
  const refusals: [string, RegExp][] = [
    ["-r", /^UsageError: INPUT and OUTPUT are missing$/],
    ["@/a", /^UsageError: OUTPUT is missing/],
    ["@/a @/b @/c", /^CommandError: Cannot replace ".*\/c" with several inputs; .* with -o$/],
    ["- - @/x", /^UsageError: "-" can be only one of the inputs$/],
    ["@/*.gz @/x", /^CommandError: .*no file matches it$/],
    ["@ @/x", /^CommandError: .*would be one of its files$/],
    ["--parts 0 @/a @/x", /^UsageError: --parts must be a whole number from 1 to 1000$/],
    ["--parts 2 @/a -", /^UsageError: --parts needs a folder/],
    ["--nodes h:1,h:2 --node 0 @/a -", /^UsageError: with --nodes, OUTPUT has to be a file$/],
    ["--nodes h:1,h:2 --node 0 --parts 2 @/a @/x", /^UsageError: with --nodes, OUTPUT has/],
  ];
  for (const [words, message] of refusals) {
    await assert.rejects(read(directory.path, words), message, words);
  }
});
