import { Buffer } from "node:buffer";
import { gzipSync, zstdCompressSync } from "node:zlib";
import assert from "node:assert/strict";
import { copyPlain } from "../../../lib/mesh/sort/plain_copy.ts";
import { decompress } from "../../../lib/mesh/sort/decompress.ts";
import type { Compression } from "../../../lib/mesh/sort/compression.ts";
import { isInstalled } from "../../support/programs.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";

const hello = Buffer.from("hello\n".repeat(20));
const world = Buffer.from("world\n");
const COMPRESSORS = { gzip: gzipSync, zstd: zstdCompressSync };
/** A skippable frame of three bytes. */
const SKIPPABLE = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);

/** Decompresses bytes that arrive in blocks. */
async function decompressed(
  bytes: Uint8Array,
  compression: Compression,
  blockBytes = bytes.length,
): Promise<string> {
  const parts: Uint8Array[] = [];
  async function* blocks() {
    for (let at = 0; at < bytes.length; at += blockBytes) {
      yield await Promise.resolve(bytes.subarray(at, at + blockBytes));
    }
  }
  await decompress(blocks(), compression, (part) => void parts.push(part.slice()));
  return Buffer.concat(parts).toString();
}

for (const compression of ["gzip", "zstd"] as const) {
  const pack = COMPRESSORS[compression];
  const one = pack(hello);
  const two = Buffer.concat([one, pack(Buffer.alloc(0)), pack(world)]);

  Deno.test(`decompress() reads all members of ${compression}, however they are cut into blocks`, async () => {
    for (let blockBytes = 1; blockBytes <= two.length; blockBytes++) {
      const text = await decompressed(two, compression, blockBytes);
      assert.equal(text, `${hello}${world}`, `blocks of ${blockBytes} bytes`);
    }
  });

  Deno.test(`decompress() refuses ${compression} that is cut off anywhere but between members`, async () => {
    const empty = one.length + pack(Buffer.alloc(0)).length;
    for (let length = 1; length < two.length; length++) {
      if (length === one.length || length === empty) continue;
      for (const blockBytes of [7, length]) {
        await assert.rejects(
          decompressed(two.subarray(0, length), compression, blockBytes),
          { name: "DamagedError", message: /cut off at byte \d+$/ },
          `${length} bytes`,
        );
      }
    }
  });

  Deno.test(`decompress() refuses what follows ${compression}`, async () => {
    for (const blockBytes of [1, 5, 1000]) {
      await assert.rejects(
        decompressed(Buffer.concat([one, Buffer.from("\0more")]), compression, blockBytes),
        { name: "DamagedError", message: /other than|damaged|cut off/ },
        `blocks of ${blockBytes} bytes`,
      );
    }
  });
}

Deno.test({
  name: "decompress() reads frames of all kinds that the zstd command writes",
  ignore: !await isInstalled("zstd"),
  fn: async () => {
    const text = Buffer.from("a line of text, and another one\n".repeat(10_000));
    for (const words of [["-1"], ["-9", "--long=27"], ["--no-check", "--no-content-size"]]) {
      const { stdout } = await pipeThrough(["zstd", "-c", ...words], text);
      const bytes = Buffer.concat([SKIPPABLE, stdout, SKIPPABLE, stdout]);
      assert.ok(await decompressed(bytes, "zstd", 1000) === `${text}${text}`, words.join(" "));
    }
  },
});

Deno.test("decompress() accepts zeros behind gzip, and nothing behind the zeros", async () => {
  const padded = Buffer.concat([gzipSync(hello), Buffer.alloc(600)]);
  for (const blockBytes of [1, 100, 1000]) {
    assert.equal(await decompressed(padded, "gzip", blockBytes), `${hello}`);
    await assert.rejects(
      decompressed(Buffer.concat([padded, gzipSync(world)]), "gzip", blockBytes),
      { message: `at byte ${padded.length} is something other than gzip data` },
    );
  }
});

Deno.test("copyPlain() names the input and the place of damage in it", async () => {
  await using directory = await makeTempDirectory();
  const [source, target] = ["in", "out"].map((name) => `${directory.path}/${name}`);
  const copy = async (content: Uint8Array) => {
    await Deno.writeFile(source!, content);
    await Deno.writeFile(target!, new Uint8Array(0));
    const bytes = await copyPlain({ source, name: "in.x", target: target! });
    const copied = await Deno.readFile(target!);
    assert.equal(copied.length, bytes);
    return Buffer.from(copied).toString();
  };
  assert.equal(await copy(new Uint8Array(0)), "");
  assert.equal(await copy(Buffer.from("hi")), "hi");
  const noise = crypto.getRandomValues(new Uint8Array(60_000));
  for (const pack of [gzipSync, zstdCompressSync]) {
    assert.equal(await copy(pack(hello)), `${hello}`);
    const first = pack(noise);
    const damaged = Buffer.concat([first, first]);
    damaged[first.length + 40_000]! ^= 1;
    // A bit of noise that is stored as it is: only the checksum tells, if there is one.
    if (pack === gzipSync) {
      await assert.rejects(copy(damaged), /^Error: Cannot read "in.x": its gzip data is damaged/);
    }
    damaged[first.length + 4]! ^= 0x80;
    damaged[first.length + 5]! ^= 0x80;
    damaged.fill(0xff, first.length + 6, first.length + 30);
    await assert.rejects(
      copy(damaged),
      pack === gzipSync
        ? /Cannot read "in.x": its gzip data is damaged before byte \d+: /
        : new RegExp(`Cannot read "in.x": the zstd frame at byte ${first.length} is `),
    );
  }
});

/** Runs a program with this input. */
async function pipeThrough(words: string[], input: Uint8Array): Promise<Deno.CommandOutput> {
  const child = new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  const [output] = await Promise.all([
    child.output(),
    writer.write(input).then(() => writer.close()),
  ]);
  return output;
}
