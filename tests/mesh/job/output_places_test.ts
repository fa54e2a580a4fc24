import { Buffer } from "node:buffer";
import { gunzipSync } from "node:zlib";
import assert from "node:assert/strict";
import { OutputPlaces } from "../../../lib/mesh/job/output_places.ts";
import {
  BucketOutput,
  type OutputPlace,
  type WritableFile,
} from "../../../lib/mesh/sort/bucket_output.ts";
import { OutputClosedError } from "../../../lib/mesh/sort/output_closed.ts";

const MIB = 2 ** 20;
const encode = (text: string) => new TextEncoder().encode(text);

/** A file in memory that takes at most five bytes at a time. */
class Memory implements WritableFile {
  bytes: number[] = [];
  #at = 0;

  seekSync(offset: number): number {
    return this.#at = offset;
  }

  writeSync(bytes: Uint8Array): number {
    const part = bytes.subarray(0, 5);
    for (const byte of part) this.bytes[this.#at++] = byte;
    return part.length;
  }

  get text(): string {
    return Buffer.from(this.bytes).toString();
  }
}

Deno.test("OutputPlaces: buckets of a plain file have offsets, and files get equal parts", () => {
  const one = new OutputPlaces([{ path: "out" }], 30);
  assert.deepEqual(one.header(7), { path: "out", offset: 0 });
  assert.deepEqual([10, 20].map((bytes) => one.next(bytes).offset), [7, 17]);

  const three = new OutputPlaces(["a", "b", "c"].map((path) => ({ path })), 90);
  three.header(5);
  const places = [20, 5, 20, 25, 5, 15].map((bytes) => three.next(bytes));
  assert.deepEqual(
    places.map(({ path, offset }) => `${path}${offset}`),
    ["a5", "a25", "b0", "b20", "c0", "c5"],
  );
});

Deno.test("BucketOutput: buckets without offsets follow one another, whichever is ready first", () => {
  const files = [new Memory(), new Memory()];
  const places = new OutputPlaces(["0", "1"].map((path) => ({ path })), 8, true);
  const words = ["ab", "first", "cd", "second"].map(encode);
  const outputs = words.map(() => {
    const place = places.next(2);
    return new BucketOutput(files[Number(place.path)]!, place);
  });
  for (const i of [3, 1, 2, 0]) outputs[i]!.write(words[i]!);
  // What was written may be overwritten, and nothing is in a file before its turn.
  for (const word of words) word.fill(0x78);
  assert.equal(files[0]!.text + files[1]!.text, "");
  for (const output of outputs) output.end();
  assert.deepEqual(files.map(({ text }) => text), ["abfirst", "cdsecond"]);
});

Deno.test("BucketOutput: compressed buckets are members of one file", () => {
  const file = new Memory();
  const places = new OutputPlaces([{ path: "out.gz", compression: "gzip" }], 5 * MIB);
  const text = encode("some text\n".repeat(3 * MIB / 10));
  for (const part of [encode("header\n"), text, encode("end")]) {
    const output = new BucketOutput(file, places.next(part.length));
    output.write(part.subarray(0, 100));
    output.write(part.subarray(100));
    output.end();
  }
  const expected = `header\n${new TextDecoder().decode(text)}end`;
  assert.ok(gunzipSync(Uint8Array.from(file.bytes)).toString() === expected, "the bytes differ");
});

Deno.test("BucketOutput: more than a thread may keep is written as soon as it is its turn", () => {
  const written: number[] = [];
  const file = {
    writeSync: (bytes: Uint8Array) => {
      written.push(bytes.length);
      return bytes.length;
    },
  };
  const output = new BucketOutput(file, new OutputPlaces([{ path: undefined }], 1).next(1));
  const block = new Uint8Array(MIB);
  for (let i = 0; i < 4; i++) output.write(block);
  assert.equal(written.length, 0);
  output.write(block);
  assert.equal(written.length, 5);
});

Deno.test("BucketOutput: a reader of standard output that has gone differs from other errors", () => {
  const fail = (path: string | undefined, error: Error) => {
    const place: OutputPlace = { path, offset: 0 };
    const file = {
      writeSync: () => {
        throw error;
      },
    };
    return () => new BucketOutput(file, place).write(encode("a"));
  };
  const broken = new Deno.errors.BrokenPipe("Broken pipe");
  assert.throws(fail(undefined, broken), OutputClosedError);
  assert.throws(fail("out", broken), { message: "Cannot write the output: Broken pipe" });
  const full = new Error("No space left on device");
  assert.throws(fail(undefined, full), {
    message: "Cannot write to standard output: No space left on device",
  });
});
