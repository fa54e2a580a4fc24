import assert from "node:assert/strict";
import {
  formatSortOrder,
  MAX_ORDER_CHARACTERS,
  parseSortOrder,
} from "../../../lib/mesh/keys/sort_order.ts";

Deno.test("parseSortOrder() reads the options of sort in all their forms, and writes them in one", () => {
  const cases: [string, string][] = [
    ["", ""],
    ["-s", "-s"],
    ["-r", "-r"],
    ["-n", "-k1n"],
    ["-n -r", "-k1nr -r"],
    ["-nr", "-k1nr -r"],
    ["-t, -k2,2n", "-t, -k2n,2"],
    ['-t" -k2', '-t" -k2'],
    ["-t , -k 2n,2", "-t, -k2n,2"],
    ["-bnk2,2 -k3", "-k2bn,2b -k3bn"],
    ["-rst; -k2.3,4.0", "-t; -k2.3r,4 -rs"],
    ["-k1b,2b", "-k1b,2b"],
    ["-t\\t -k1", "-t\t -k1"],
    ["-t\\0 -k1", "-t\\0 -k1"],
    ["--csv -k2", "--csv -k2"],
    ["--csv -t, -k2", "--csv -k2"],
    ["--csv -t; -k2", "--csv -t; -k2"],
    ["--json-key=a -r", "--json-key=a -r"],
    ["-n --json-key=/a/b~1c --json-key=d", "--json-key=/a/b~1c --json-key=d -n"],
  ];
  for (const [text, canonical] of cases) {
    const words = text.split(" ").filter((word) => word !== "");
    const order = parseSortOrder(words);
    assert.equal(formatSortOrder(order).join(" "), canonical);
    assert.deepEqual(parseSortOrder(formatSortOrder(order)), order, text);
  }
});

Deno.test("parseSortOrder() refuses what is wrong in one line", () => {
  const cases: [string[], RegExp][] = [
    [["-k0"], /"0" as a key: fields are numbered from 1/],
    [["-k1,0"], /fields are numbered from 1/],
    [["-k1.0"], /characters are numbered from 1/],
    [["-k"], /"" as a key: expected FIELD/],
    [["-k1-2"], /"1-2" as a key: expected FIELD/],
    [["-k1x"], /unknown letter "x" in "1x"/],
    [["-k1ng"], /"1ng" reads the same text in two ways/],
    [["-nM"], /"-nM" reads the same text in two ways/],
    [["-z"], /unknown letter "z"/],
    [["-t", "ab"], /"ab" as a separator: it has to be one ASCII character/],
    [["-t", "constructor"], /"constructor" as a separator/],
    [["-tü"], /one ASCII character/],
    [["--csv", '-t"'], /a quote cannot separate the fields of CSV/],
    [["-t\n"], /one ASCII character/],
    [["-t"], /one ASCII character/],
    [["--csv", "--json-key=a"], /cannot be used together with fields/],
    [["-k1", "--json-key=a"], /cannot be used together with fields/],
    [["--json-key="], /needs the name of a field/],
    [["file"], /unknown option "file"/],
    [["--tsv"], /unknown option "--tsv"/],
    [Array(33).fill("-k1"), /more than 32 keys/],
    [[`--json-key=${"x".repeat(MAX_ORDER_CHARACTERS)}`], /more than 2000 characters/],
  ];
  for (const [words, message] of cases) {
    assert.throws(() => parseSortOrder(words), { name: "SyntaxError", message });
  }
});
