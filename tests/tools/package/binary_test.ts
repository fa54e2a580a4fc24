import assert from "node:assert/strict";
import { HEADER_BYTES, platformOf } from "../../../tools/package/binary.ts";

/** A header that begins with some bytes and has others at 18. */
function header(start: number[], at18: number[] = []): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  bytes.set(start);
  bytes.set(at18, 18);
  return bytes;
}

const ELF = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1];

Deno.test("platformOf() tells what a binary was built for", () => {
  const linux = { system: "linux" };
  assert.deepEqual(platformOf(header(ELF, [62, 0])), { ...linux, architecture: "amd64" });
  assert.deepEqual(platformOf(header(ELF, [183, 0])), { ...linux, architecture: "arm64" });
  const macos = { system: "macos" };
  const machO = [0xcf, 0xfa, 0xed, 0xfe];
  const [amd64, arm64] = [[...machO, 7, 0, 0, 1], [...machO, 0x0c, 0, 0, 1]];
  assert.deepEqual(platformOf(header(amd64)), { ...macos, architecture: "amd64" });
  assert.deepEqual(platformOf(header(arm64)), { ...macos, architecture: "arm64" });
});

Deno.test("platformOf() refuses everything else", () => {
  const riscv = header(ELF, [243, 0]);
  const windows = header([0x4d, 0x5a]);
  const script = new TextEncoder().encode("#!/bin/sh\nexec quartet.js\n");
  const short = header(ELF, [62, 0]).subarray(0, HEADER_BYTES - 1);
  for (const other of [riscv, windows, script, short, new Uint8Array()]) {
    assert.throws(() => platformOf(other), /it is no executable for Linux or macOS/);
  }
});
