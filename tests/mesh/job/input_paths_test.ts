import assert from "node:assert/strict";
import { inputPaths } from "../../../lib/mesh/job/input_paths.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";

/** Folders with files, and a function that expands words in them. */
async function makeFolders() {
  const directory = await makeTempDirectory();
  const at = (path: string) => `${directory.path}/${path}`;
  for (const folder of ["logs", "logs/old", "more", "empty", "empty/inner"]) {
    await Deno.mkdir(at(folder));
  }
  const files = ["b.log", "a.log", "c.txt", "B.log", ".hidden", "old/z.log", "[x].log", "é.log"];
  for (const file of files) await Deno.writeTextFile(at(`logs/${file}`), "");
  await Deno.writeTextFile(at("more/b.log"), "");
  await Deno.symlink(at("more"), at("logs/link"));
  await Deno.symlink(at("more/b.log"), at("logs/linked.log"));
  const expand = async (words: string[], options = {}) => {
    const found = await inputPaths(words.map(at), { output: at("out"), ...options });
    return found.map((path) => path.slice(directory.path.length + 1));
  };
  return Object.assign(directory, { at, expand });
}

Deno.test("inputPaths() takes the files of a folder by name, without hidden ones and folders", async () => {
  await using files = await makeFolders();
  const names = ["B", "[x]", "a", "b"].map((name) => `logs/${name}.log`);
  assert.deepEqual(await files.expand(["logs", "more/"]), [
    ...names,
    "logs/c.txt",
    "logs/linked.log",
    "logs/é.log",
    "more/b.log",
  ]);
  await assert.rejects(
    files.expand(["empty"]),
    { message: `Cannot sort "${files.at("empty")}": there are no files in it` },
  );
});

Deno.test("inputPaths() expands patterns as a shell does, and takes names that look like one", async () => {
  await using files = await makeFolders();
  const cases: [string, string[]][] = [
    ["logs/*.txt", ["logs/c.txt"]],
    ["logs/[ab].log", ["logs/a.log", "logs/b.log"]],
    ["logs/[!a-z]*.log", ["logs/B.log", "logs/[x].log", "logs/é.log"]],
    ["logs/?.log", ["logs/B.log", "logs/a.log", "logs/b.log", "logs/é.log"]],
    ["*/b.log", ["logs/b.log", "more/b.log"]],
    ["l*/o*/*", ["logs/old/z.log"]],
    ["logs/[x].log", ["logs/[x].log"]],
    ["logs/[[]x].log", ["logs/[x].log"]],
    ["logs/missing", ["logs/missing"]],
    ["logs/*/", ["logs/*/"]],
  ];
  for (const [word, expected] of cases) {
    assert.deepEqual(await files.expand([word]), expected, word);
  }
  for (const word of ["logs/*.gz", "logs/.*", "logs/[z-a].log", "logs/[", "none/*"]) {
    await assert.rejects(files.expand([word]), /no file matches it/, word);
  }
});

Deno.test("inputPaths() keeps the order of the words, and standard input among them", async () => {
  await using files = await makeFolders();
  const words = [files.at("more/b.log"), "-", files.at("logs/[ab].log"), files.at("more/b.log")];
  assert.deepEqual(await inputPaths(words, { output: "-" }), [
    ...words.slice(0, 2),
    files.at("logs/a.log"),
    files.at("logs/b.log"),
    words[3],
  ]);
});

Deno.test("inputPaths() refuses a folder or a pattern that the output belongs to", async () => {
  await using files = await makeFolders();
  for (
    const [word, output] of [["logs", "logs/new"], ["logs/*.log", "logs/a.log"], [
      "more",
      "logs/link/x",
    ]]
  ) {
    await assert.rejects(
      files.expand([word!], { output: files.at(output!) }),
      /the output ".*" would be one of its files$/,
      word,
    );
  }
  // A file that is named may be the output as well, as with "sort -o".
  const same = await files.expand(["logs/a.log"], { output: files.at("logs/a.log") });
  assert.deepEqual(same, ["logs/a.log"]);
});

Deno.test("inputPaths() of a client follows no links and takes nothing but files", async () => {
  await using files = await makeFolders();
  const plain = { anything: false };
  assert.deepEqual(
    await files.expand(["logs/li*"], plain).catch(({ message }) => message),
    `Cannot sort "${files.at("logs/li*")}": no file matches it`,
  );
  assert.deepEqual(await files.expand(["*/b.log"], plain), ["logs/b.log", "more/b.log"]);
  await assert.rejects(files.expand(["logs/li*/b.log"], plain), /no file matches it/);
  assert.ok(!(await files.expand(["logs"], plain)).includes("logs/linked.log"));
  await assert.rejects(files.expand(["logs/linked.log"], plain), /it is not a file$/);
});
