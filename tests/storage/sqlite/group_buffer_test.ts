import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import {
  CHANGE,
  CHANGE_HEAD_BYTES,
  CHUNK_BYTES,
  GroupBuffer,
} from "../../../lib/storage/sqlite/group_buffer.ts";
import { latin1From, valueBytes } from "../../../lib/storage/value.ts";

/** A change as a test gives it to the buffer, and as it is found in the bytes. */
type Change =
  | { kind: "put"; table: number; key: string; head: Uint8Array; record: string | Uint8Array }
  | { kind: "delete"; table: number; key: string }
  | { kind: "other" };

const table = fc.oneof(fc.nat(3), fc.constant(2 ** 53 - 1));
const latin1 = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((bytes) => latin1From(bytes));

/** Lengths on both sides of those at which the way of copying changes, and of a chunk's. */
const record = fc.oneof(
  latin1(100),
  fc.uint8Array({ maxLength: 100 }),
  fc.record({
    length: fc.constantFrom(60_000, 262_143, 262_145, CHUNK_BYTES - 30, CHUNK_BYTES + 1),
    byte: fc.nat(255),
  }).map(({ length, byte }) => new Uint8Array(length).fill(byte)),
);

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    kind: fc.constant("put" as const),
    table,
    key: latin1(100),
    head: fc.uint8Array({ maxLength: 9 }),
    record,
  }),
  fc.record({ kind: fc.constant("delete" as const), table, key: latin1(100) }),
  fc.record({ kind: fc.constant("other" as const) }),
);

function newBuffer(): GroupBuffer {
  return new GroupBuffer(new SharedArrayBuffer(CHUNK_BYTES));
}

/** Adds a change; by ranges of bytes if the test says so. */
function add(buffer: GroupBuffer, change: Change, { ranges }: { ranges: boolean }): void {
  if (change.kind === "other") return buffer.other();
  const { table, key } = change;
  if (!ranges) {
    if (change.kind === "put") buffer.put(table, key, change.record, change.head);
    else buffer.delete(table, key);
    return;
  }
  const record = change.kind === "put" ? valueBytes(change.record) : new Uint8Array();
  const bytes = Buffer.concat([Buffer.from("before"), valueBytes(key), record, Buffer.from("x")]);
  const middle = 6 + key.length;
  if (change.kind === "delete") buffer.deleteRange(table, bytes, 6, middle);
  else buffer.putRange(table, bytes, 6, middle, middle + record.length, change.head);
}

/** The changes in chunks, decoded by the description at the top of group_buffer.ts. */
function decode(buffer: GroupBuffer): Change[] {
  const changes: Change[] = [];
  for (const chunk of buffer.chunks) {
    const bytes = chunk.bytes.slice(0, chunk.length);
    const view = new DataView(bytes.buffer);
    let table: number | undefined;
    const before = changes.length;
    for (let at = 0; at < bytes.length;) {
      const kind = view.getUint8(at);
      if (kind === CHANGE.table) {
        table = view.getFloat64(at + 1, true);
        at += CHANGE_HEAD_BYTES;
        continue;
      }
      const middle = at + CHANGE_HEAD_BYTES + view.getUint32(at + 1, true);
      const end = middle + view.getUint32(at + 5, true);
      const key = latin1From(bytes, at + CHANGE_HEAD_BYTES, middle);
      if (kind === CHANGE.other) changes.push({ kind: "other" });
      else if (kind === CHANGE.delete) changes.push({ kind: "delete", table: table!, key });
      else {
        const record = bytes.slice(middle, end);
        changes.push({ kind: "put", table: table!, key, head: new Uint8Array(), record });
      }
      at = end;
    }
    assert.equal(chunk.changes, changes.length - before);
  }
  return changes;
}

/** Compares without the message of `deepEqual`, which takes minutes for long arrays. */
function assertSame(actual: Change[], expected: readonly Change[]): void {
  assert.equal(actual.length, expected.length);
  for (const [at, change] of expected.entries()) {
    const found = actual[at]!;
    assert.equal(found.kind, change.kind);
    if (change.kind === "other" || found.kind === "other") continue;
    assert.deepEqual([found.table, found.key], [change.table, change.key]);
    if (change.kind === "delete" || found.kind === "delete") continue;
    const record = Buffer.concat([change.head, valueBytes(change.record)]);
    assert.equal(Buffer.compare(valueBytes(found.record), record), 0, "the record differs");
  }
}

Deno.test("GroupBuffer: holds the changes of each group, whichever way they came", () => {
  const groups = fc.array(
    fc.array(fc.record({ change, ranges: fc.boolean() }), { maxLength: 12 }),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(groups, (groups) => {
      const buffer = newBuffer();
      for (const group of groups) {
        for (const { change, ranges } of group) add(buffer, change, { ranges });
        while (buffer.copying) buffer.copyStep();
        const changes = group.map(({ change }) => change);
        assertSame(decode(buffer), changes);
        assert.equal(buffer.changes, changes.length);
        assert.equal(buffer.puts, changes.filter(({ kind }) => kind === "put").length);
        assert.equal(buffer.bytes, buffer.chunks.reduce((sum, { length }) => sum + length, 0));
        buffer.clear();
        assert.deepEqual([buffer.changes, buffer.puts, buffer.bytes], [0, 0, 0]);
        assert.equal(buffer.usesFirst, true);
      }
    }),
    { numRuns: 40 },
  );
});

Deno.test("GroupBuffer: a change of any size fits, up to the byte", () => {
  const full = CHUNK_BYTES - 2 * CHANGE_HEAD_BYTES;
  for (const length of [0, 1, full - 10, full - 9, full - 1, full, full + 1, 5_000_000]) {
    const buffer = newBuffer();
    buffer.put(1, "", new Uint8Array(length).fill(7));
    buffer.delete(2, "k");
    while (buffer.copying) buffer.copyStep();
    const expected = new Uint8Array(length).fill(7);
    assertSame(decode(buffer), [
      { kind: "put", table: 1, key: "", head: new Uint8Array(), record: expected },
      { kind: "delete", table: 2, key: "k" },
    ]);
    assert.ok(buffer.chunks.every((chunk) => chunk.length <= chunk.bytes.length));
  }
});

Deno.test("GroupBuffer: copies long arrays in steps, and short ones at once", () => {
  const buffer = newBuffer();
  buffer.put(0, "k", new Uint8Array(256 * 1024).fill(1));
  assert.equal(buffer.copying, false);
  const long = new Uint8Array(1024 * 1024 + 1).fill(2);
  buffer.put(0, "k", long);
  let steps = 0;
  for (; buffer.copying; steps++) buffer.copyStep();
  assert.equal(steps, 5);
  assert.equal(buffer.usesFirst, true);
  assert.equal(buffer.chunks.length, 2);
  buffer.put(0, "k", long);
  buffer.clear();
  assert.equal(buffer.copying, false);
  buffer.put(0, "k", long);
  assert.equal(buffer.usesFirst, false);
});
