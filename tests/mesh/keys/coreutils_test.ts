/**
 * Orders of all kinds beside `sort` of coreutils, which sorts the same lines with the same options.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { KeyEncoder } from "../../../lib/mesh/keys/key_encoder.ts";
import { formatSortOrder, parseSortOrder } from "../../../lib/mesh/keys/sort_order.ts";

const LINES = 1500;
const hasSort = await new Deno.Command("sort", { args: ["--version"], stdout: "null" }).output()
  .then(({ success }) => success, () => false);

/**
 * Parts of lines in which numbers, units, months, versions and blanks of all kinds meet. There is no
 * NaN, whose order coreutils leaves open, and no unit that old versions do not know.
 */
const PARTS = [
  ..."0 00 1 01 10 9 -1 -0 -10 1.5 1.50 -1.5 .5 -.5 0.05 . - + +1 1e3 1E-2 -2e2 1e 9e99".split(" "),
  ..."12345678901234567890 12345678901234567891 -12345678901234567890.0000001".split(" "),
  ..."1K 2K 1M 900K 1G 1k 0K -1K -2M 1.5G 1T 3x jan FEB Mar december xJAN".split(" "),
  ..."a A ab aB b Z z ~ a1 a01 a10 a2 a~1 1.2.3 1.10 1.2~rc1 x.tar.gz x.tar x1.tar.gz".split(" "),
  ...". .. .a .b1 a.b.c a.~1~ inf -inf INFINITY é \u00ff \u0001 \0 ! _ -".split(" "),
  "",
  " ",
  "\t",
  "  x",
];

/** Numbers that `sort -g` of coreutils does not compare exactly. */
const BEYOND_LONG_DOUBLES = /\d{15}|e-?\d{4}/i;

/** Makes the same lines for the same seed. */
function linesOf(seed: number): string[] {
  const random = (n: number) => (seed = Math.imul(seed, 48271) >>> 1) % n;
  const separators = [" ", "  ", "\t", ",", ",", ",", ":", ""];
  return Array.from({ length: LINES }, () => {
    let line = "";
    for (let parts = random(6); parts > 0; parts--) {
      line += PARTS[random(PARTS.length)]! + separators[random(separators.length)]!;
    }
    return line;
  });
}

/** Sorts lines by their keys, each of at most `limitBytes`, and lines with equal keys by nothing. */
function sortByKeys(lines: string[], words: string[]): string {
  const encoder = new KeyEncoder(parseSortOrder(words));
  const keyed = lines.map((line) => {
    const bytes = new TextEncoder().encode(line);
    encoder.encode(bytes, 0, bytes.length, Infinity);
    assert.ok(!encoder.cut);
    return { line, key: encoder.bytes.slice(0, encoder.length) };
  });
  keyed.sort((a, b) => Buffer.compare(a.key, b.key));
  return keyed.map(({ line }) => `${line}\n`).join("");
}

async function sortByCoreutils(lines: string[], words: string[]): Promise<string> {
  const child = new Deno.Command("sort", {
    args: words,
    env: { LC_ALL: "C" },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(lines.map((line) => `${line}\n`).join("")));
  await writer.close();
  const { stdout, success } = await output;
  assert.ok(success);
  return new TextDecoder().decode(stdout);
}

const ORDERS = [
  "",
  "-r",
  "-rs",
  "-n",
  "-nr",
  "-ns",
  "-rns",
  "-g",
  "-gr",
  "-h",
  "-hr",
  "-fh",
  "-V",
  "-Vr",
  "-fV",
  "-M",
  "-Mr",
  "-f",
  "-fr",
  "-fs",
  "-b",
  "-bf",
  "-k2",
  "-k2r",
  "-k2,2n",
  "-k2,2 -r",
  "-k2,2 -s",
  "-k1.2,1.3",
  "-k2b,2.2b",
  "-b -k2.2,3.1",
  "-k2.2b,2.3",
  "-t, -k2",
  "-t, -k2,2n",
  "-t, -k2,2nr -k1,1",
  "-t, -k3,3V -k1,1nr -r",
  "-t, -k2.2,2.3f -k1,1h -s",
  "-t, -k1,1M -k2,2g -k3,3V -k4,4h",
  "-t: -k2,1 -k3.3,3.0n",
  "-t, -k9,9n",
  "-t, -bk2,2 -k1b,1.2b -s",
  "-k1,1fr -k2,2bn -rs",
];

for (const order of ORDERS) {
  Deno.test({
    name: `KeyEncoder: keys sort lines as \`sort ${order}\` does`,
    ignore: !hasSort,
    fn: async () => {
      const words = order.split(" ").filter((word) => word !== "");
      let lines = linesOf(7 + order.length * 1000 + order.charCodeAt(1));
      if (order.includes("g")) lines = lines.filter((line) => !BEYOND_LONG_DOUBLES.test(line));
      const expected = await sortByCoreutils(lines, words);
      assert.equal(sortByKeys(lines, words), expected);
      assert.equal(sortByKeys(lines, formatSortOrder(parseSortOrder(words))), expected);
    },
  });
}
