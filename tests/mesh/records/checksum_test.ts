import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import {
  copyBytesWithCrc32,
  copyWithCrc32,
  CrcSum,
  formatSum,
} from "../../../lib/mesh/records/checksum.ts";

Deno.test("copyWithCrc32() copies, and gives the CRC-32 of zlib", () => {
  fc.assert(fc.property(
    fc.uint8Array({ minLength: 0, maxLength: 300, size: "max" }),
    fc.nat(5),
    fc.nat(5),
    (bytes, from, to) => {
      const count = bytes.length >>> 2;
      const record = bytes.subarray(0, 4 * count);
      const source = new Uint32Array(80);
      const target = new Uint32Array(80);
      new Uint8Array(source.buffer).set(record, 4 * from);
      assert.equal(copyWithCrc32(source, from, target, to, count), crc32(record));
      const copied = new Uint8Array(target.buffer);
      assert.deepEqual(copied.subarray(4 * to, 4 * to + record.length), record);
      assert.ok(target.every((word, i) => word === 0 || (i >= to && i < to + count)));
    },
  ));
});

Deno.test("copyBytesWithCrc32() copies, and gives the CRC-32 of zlib", () => {
  fc.assert(fc.property(
    fc.uint8Array({ minLength: 0, maxLength: 300, size: "max" }),
    fc.nat(5),
    fc.nat(5),
    (line, from, to) => {
      const source = new Uint8Array(320);
      const target = new Uint8Array(320);
      source.set(line, from);
      assert.equal(copyBytesWithCrc32(source, from, target, to, line.length), crc32(line));
      assert.deepEqual(target.subarray(to, to + line.length), line);
      assert.ok(target.every((byte, i) => byte === 0 || (i >= to && i < to + line.length)));
    },
  ));
});

Deno.test("CrcSum adds up more than a double can hold", () => {
  const sum = new CrcSum();
  const times = 2 ** 22 + 3;
  for (let i = 0; i < times; i++) sum.addCrc(0xffffffff);
  assert.equal(sum.value, BigInt(times) * 0xffffffffn);
  assert.equal(formatSum(sum.value), (BigInt(times) * 0xffffffffn).toString(16));
});
