import assert from "node:assert/strict";
import { type Command, parseCommandLine, UsageError } from "../../lib/cli/command.ts";
import { commandHelp } from "../../lib/cli/help.ts";
import { readFormat } from "../../lib/cli/records_format.ts";
import { sort } from "../../lib/cli/sort.ts";

const COMMAND: Command = {
  name: "test",
  summary: "Tests",
  usage: "",
  positionals: [0, 9],
  options: [
    { name: "reverse", short: "r", help: "reverses" },
    { name: "stable", short: "s", help: "keeps" },
    { name: "key", short: "k", value: "KEY", repeatable: true, help: "sorts by it" },
    { name: "file", value: "FILE", help: "reads it" },
  ],
  run: () => Promise.resolve(0),
};

Deno.test("parseCommandLine() takes letters, together and with values", () => {
  const words = "-rk2,2n in -k 3 --key=4 --key 5 --file f -- -s".split(" ");
  const args = parseCommandLine(COMMAND, words);
  assert.deepEqual([args.flag("reverse"), args.flag("stable")], [true, false]);
  assert.deepEqual(args.texts("key"), ["2,2n", "3", "4", "5"]);
  assert.equal(args.text("file"), "f");
  assert.deepEqual(args.positionals, ["in", "-s"]);
  assert.deepEqual(parseCommandLine(COMMAND, ["-"]).positionals, ["-"]);
});

Deno.test("parseCommandLine() refuses unknown letters and values that are missing", () => {
  const cases: [string[], RegExp][] = [
    [["-x"], /unknown option "-x" in "-x"/],
    [["-rx"], /unknown option "-x" in "-rx"/],
    [["-k"], /--key needs a KEY/],
    [["-rk"], /--key needs a KEY/],
  ];
  for (const [words, message] of cases) {
    assert.throws(() => parseCommandLine(COMMAND, words), { name: "UsageError", message });
  }
});

Deno.test("commandHelp() shows letters", () => {
  assert.match(commandHelp(COMMAND), /^ {2}-k, --key KEY +sorts by it \(can be repeated\)$/m);
});

/** The format that a command line of `quartet sort` says. */
function formatOf(text: string) {
  return readFormat(parseCommandLine(sort, [...text.split(" ").filter(Boolean), "in", "out"]));
}

Deno.test("quartet sort: options of sort say how lines are ordered", () => {
  assert.deepEqual(formatOf("").order, undefined);
  assert.deepEqual(formatOf("--lines").order, undefined);
  assert.deepEqual(formatOf("-t, -k2,2n -k 1,1 -r").order, ["-t,", "-k2n,2", "-k1r,1", "-r"]);
  assert.deepEqual(formatOf("--numeric-sort --stable").order, ["-k1n", "-s"]);
  assert.deepEqual(formatOf("--csv --key 3V").order, ["--csv", "-k3V"]);
  assert.deepEqual(formatOf("--json-key a --json-key b").order, ["--json-key=a", "--json-key=b"]);
  assert.equal(formatOf("-n --max-line 5MiB").maxLineBytes, 5 * 2 ** 20);
  assert.deepEqual(formatOf("--lines -k 3:7"), { recordBytes: 0, keyStart: 3, keyEnd: 7 });
  for (
    const [text, message] of [
      ["-k0", /fields are numbered from 1/],
      ["-k 1:2 -k 3:4", /only one --key of the form FIRST:END/],
      ["-k 1:2 -k 3", /the bytes "1:2" as a key together with fields/],
      ["-n --record 7", /"lines" and "record" together/],
      ["-ng", /reads the same text in two ways/],
      ["--lines --max-line 1GiB", /--max-line "1GiB" is not a size up to 512MiB/],
      ["--lines --max-line x", /--max-line "x" is not a size/],
      ["--max-line 1KiB", /--max-line is for lines/],
    ] as const
  ) {
    assert.throws(() => formatOf(text), { constructor: UsageError, message }, text);
  }
});
