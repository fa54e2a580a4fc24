import assert from "node:assert/strict";
import { Gathering } from "../../../lib/storage/sqlite/gathering.ts";
import { CHUNK_BYTES } from "../../../lib/storage/sqlite/group_buffer.ts";
import { SnapshotTable } from "../../../lib/storage/sqlite/snapshots.ts";
import { RecordMap } from "../record_map.ts";

/** A table whose piece N is `lengths[N]` bytes N, in memory that it asks for. */
function tableOf(...lengths: number[]): SnapshotTable {
  const owner = new RecordMap();
  owner.copyPiece = (piece: number, allocate = (length: number) => new Uint8Array(length)) => [
    allocate(lengths[piece]!).fill(piece),
  ];
  return new SnapshotTable(1, owner);
}

/** Each piece of a group as its bytes, which must all be the same, and its length. */
function piecesOf(group: Gathering): [byte: number | undefined, length: number][] {
  return group.parts().pieces!.map(({ bytes }) => {
    assert.ok(bytes.buffer instanceof SharedArrayBuffer);
    assert.ok(bytes.every((byte) => byte === bytes[0]));
    return [bytes[0], bytes.length];
  });
}

Deno.test("Gathering: pieces of the same group, and of the one in flight, are apart", async () => {
  const [first, second] = Gathering.pair([0, 1].map(() => new SharedArrayBuffer(CHUNK_BYTES)));
  const table = tableOf(0, 500, 300, CHUNK_BYTES + 1, 400);
  for (const group of [first, second]) {
    group.begin(1);
    for (const piece of [1, 2, 3]) group.putPiece(table, piece, 1);
    await group.copyAll();
  }
  const expected = [[1, 500], [2, 300], [3, CHUNK_BYTES + 1]];
  for (const group of [first, second]) assert.deepEqual(piecesOf(group), expected);

  const { buffer } = first.parts().pieces![0]!.bytes;
  second.clear();
  second.begin(2);
  second.putPiece(table, 4, 2);
  for (const group of [first, second]) {
    assert.deepEqual(piecesOf(group), group === first ? expected : [[4, 400]]);
  }

  // The memory is used again once its group has ended.
  first.clear();
  first.begin(3);
  first.putPiece(table, 4, 3);
  assert.equal(first.parts().pieces![0]!.bytes.buffer, buffer);
});
