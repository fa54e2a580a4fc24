import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import {
  GroupBuffer,
  OPERATION,
  OPERATION_HEAD_BYTES,
} from "../../../lib/storage/sqlite/group_buffer.ts";
import { latin1From, valueBytes } from "../../../lib/storage/value.ts";

/** An operation as a test gives it to the buffer, and as it is found in the bytes. */
type Operation =
  | { kind: "put"; table: number; key: string; head: Uint8Array; record: string | Uint8Array }
  | { kind: "delete"; table: number; key: string }
  | { kind: "clear"; table: number }
  | { kind: "swap"; table: number; other: number };

const table = fc.nat(0xffff);
const latin1 = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((bytes) => latin1From(bytes));

/** Lengths on both sides of those at which `copyValue` changes its way, and of the first growth. */
const record = fc.oneof(
  latin1(100),
  fc.uint8Array({ maxLength: 100 }),
  fc.record({ length: fc.integer({ min: 60_000, max: 70_000 }), byte: fc.nat(255) })
    .map(({ length, byte }) => new Uint8Array(length).fill(byte)),
);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    kind: fc.constant("put" as const),
    table,
    key: latin1(100),
    head: fc.uint8Array({ maxLength: 9 }),
    record,
  }),
  fc.record({ kind: fc.constant("delete" as const), table, key: latin1(100) }),
  fc.record({ kind: fc.constant("clear" as const), table }),
  fc.record({ kind: fc.constant("swap" as const), table, other: table }),
);

function add(buffer: GroupBuffer, operation: Operation): void {
  const { kind, table } = operation;
  if (kind === "put") buffer.put(table, operation.key, operation.record, operation.head);
  else if (kind === "delete") buffer.delete(table, operation.key);
  else if (kind === "clear") buffer.clear(table);
  else buffer.swap(table, operation.other);
}

/** The bytes of an operation by the description at the top of group_buffer.ts. */
function encode(operation: Operation): Uint8Array {
  const key = "key" in operation ? valueBytes(operation.key) : new Uint8Array();
  const second = operation.kind === "put"
    ? new Uint8Array([...operation.head, ...valueBytes(operation.record)])
    : new Uint8Array();
  const head = new DataView(new ArrayBuffer(OPERATION_HEAD_BYTES));
  head.setUint8(0, OPERATION[operation.kind]);
  head.setUint16(1, operation.table, true);
  head.setUint32(3, key.length, true);
  head.setUint32(7, operation.kind === "swap" ? operation.other : second.length, true);
  return new Uint8Array([...new Uint8Array(head.buffer), ...key, ...second]);
}

function encodeAll(operations: readonly Operation[]): Uint8Array {
  const parts = operations.map(encode);
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Compares without the message of `deepEqual`, which takes minutes for long arrays. */
function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(Buffer.compare(actual, expected), 0, "the bytes differ");
}

Deno.test("GroupBuffer: holds the operations of each group, whichever buffer it got", () => {
  const groups = fc.array(
    fc.record({
      operations: fc.array(operation, { maxLength: 12 }),
      // The log gives no buffer to the first groups, and returns each one when its group has ended.
      returned: fc.boolean(),
    }),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(
    fc.property(groups, (groups) => {
      const buffer = new GroupBuffer();
      for (const { operations, returned } of groups) {
        for (const operation of operations) add(buffer, operation);
        const expected = encodeAll(operations);
        assert.equal(buffer.operations, operations.length);
        assert.equal(buffer.bytes, expected.length);
        const taken = buffer.take();
        assertSameBytes(taken, expected);
        assert.equal(buffer.operations, 0);
        assert.equal(buffer.bytes, 0);
        buffer.give(returned ? taken.buffer : undefined);
      }
    }),
    { numRuns: 50 },
  );
});

Deno.test("GroupBuffer: a group of any size fits, up to the byte", () => {
  // The first buffer has 64 KiB, so these end just before its end, at it, and behind it.
  const full = 64 * 1024 - OPERATION_HEAD_BYTES;
  for (const length of [0, 1, full - 1, full, full + 1, 2 * full, 5_000_000]) {
    const buffer = new GroupBuffer();
    buffer.put(1, "", new Uint8Array(length).fill(7));
    buffer.delete(2, "k");
    const taken = buffer.take();
    assert.equal(taken.length, 2 * OPERATION_HEAD_BYTES + length + 1);
    assert.equal(taken[OPERATION_HEAD_BYTES], length === 0 ? OPERATION.delete : 7);
    assert.equal(taken.at(-1), "k".charCodeAt(0));
  }
});

Deno.test("GroupBuffer.give: uses a buffer again, unless it has grown too large to keep", () => {
  const buffer = new GroupBuffer();
  const group = (length: number) => {
    buffer.put(0, "k", new Uint8Array(length));
    const taken = buffer.take();
    buffer.give(taken.buffer);
    return taken.buffer;
  };
  const first = group(10);
  assert.equal(group(10), first);
  const grown = group(900_000);
  assert.notEqual(grown, first);
  assert.equal(group(10), grown);
  const large = group(2_000_000);
  assert.ok(large.byteLength > 1024 * 1024);
  const small = group(10);
  assert.notEqual(small, large);
  assert.equal(small.byteLength, 64 * 1024);
});

Deno.test("GroupBuffer: what was taken stays as it is while the next group gathers", () => {
  const buffer = new GroupBuffer();
  buffer.put(0, "first", "1");
  const first = buffer.take();
  const copy = first.slice();
  buffer.give(undefined);
  for (let key = 0; key < 100; key++) buffer.put(0, `${key}`, new Uint8Array(2_000).fill(9));
  assertSameBytes(first, copy);
});
