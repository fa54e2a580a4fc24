import assert from "node:assert/strict";
import { PieceError, Pieces } from "../../../lib/storage/table/pieces.ts";
import { Table } from "../../../lib/storage/table/table.ts";
import { keyBytes, Model, randomNumbers } from "./model.ts";

/** A change as a log has it. */
interface Logged {
  key: string;
  version: number;
  value: Uint8Array | undefined;
  expiresAtMs: number;
}

function joined(parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** What is on disk: pieces with the version up to which they are complete, and the log since. */
class Disk {
  readonly pieces = new Map<number, { packed: Uint8Array; version: number }>();
  log: Logged[] = [];

  /** Writes a piece if it has changed. */
  write(pieces: Pieces, piece: number, version: number): void {
    if (!pieces.changedSince(piece, this.pieces.get(piece)?.version ?? 0)) return;
    const packed = joined(pieces.copy(piece));
    if (packed.length === 0) this.pieces.delete(piece);
    else this.pieces.set(piece, { packed, version });
  }

  load(order: (pieces: number[]) => number[]): Table {
    const table = new Table();
    const pieces = new Pieces(table);
    for (const piece of order([...this.pieces.keys()])) {
      const { packed, version } = this.pieces.get(piece)!;
      pieces.load(piece, packed, version);
    }
    for (const { key, version, value, expiresAtMs } of this.log) {
      const bytes = keyBytes(key);
      if (value === undefined) pieces.loadDelete(bytes, 0, bytes.length, version);
      else {
        const both = new Uint8Array(bytes.length + value.length);
        both.set(bytes);
        both.set(value, bytes.length);
        const end = bytes.length;
        pieces.loadPut(both, 0, end, end, both.length, version, expiresAtMs);
      }
    }
    return table;
  }
}

Deno.test("Pieces: pieces of different ages and the changes since restore the table", () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const random = randomNumbers(seed);
  const model = new Model();
  const disk = new Disk();
  let pieces = new Pieces(model.table);
  /** The piece that a running snapshot writes next, and the version at which it began. */
  let next = 0;
  let began = 0;
  const note = (key: string) => {
    const entry = model.map.get(key);
    const { value, expiresAtMs = 0 } = entry ?? {};
    disk.log.push({ key, version: model.version, value, expiresAtMs });
  };
  try {
    for (let operation = 0; operation < 30_000; operation++) {
      const key = `${random(200)}`;
      const length = random(30) === 0 ? random(50_000) : random(200);
      switch (random(12)) {
        case 0:
        case 1:
        case 2:
          if (!model.map.has(key)) break;
          model.delete(key, false);
          note(key);
          break;
        case 3:
          if (!model.map.has(key)) break;
          model.expire(key, random(5), false);
          note(key);
          break;
        case 4:
        case 5: {
          disk.write(pieces, next, model.version);
          if (++next < pieces.count) break;
          disk.log = disk.log.filter(({ version }) => version > began);
          next = 0;
          began = model.version;
          break;
        }
        default:
          model.put(key, new Uint8Array(length).fill(operation), random(4), false);
          note(key);
      }
      if (random(150) === 0) {
        model.table = disk.load((numbers) => numbers.sort(() => random(3) - 1));
        model.check();
        pieces = new Pieces(model.table);
        next = 0;
        began = model.version;
      }
    }
    assert.ok(disk.log.length < 5_000, "the log was never cut");
  } catch (error) {
    throw new Error(`With seed ${seed}`, { cause: error });
  }
});

Deno.test("Pieces: leaves out what is kept for undo and reports what has changed", () => {
  const model = new Model();
  for (const key of ["a", "b", "c"]) model.put(key, new Uint8Array(20), 0, false);
  const pieces = new Pieces(model.table);
  const piece = 2;
  assert.ok(pieces.count > piece);
  assert.ok(pieces.changedSince(piece, 0));
  assert.ok(!pieces.changedSince(piece, model.version));
  const before = model.version;
  model.put("a", new Uint8Array(20), 0, true);
  model.delete("b", true);
  assert.ok(pieces.changedSince(piece, before));
  assert.ok(!pieces.changedSince(piece, model.version));
  const table = new Table();
  new Pieces(table).load(piece, joined(pieces.copy(piece)), model.version);
  assert.equal(table.size, 2);
  model.release(2);
  model.delete("a", false);
  model.delete("c", false);
  assert.deepEqual(pieces.copy(piece), []);
  assert.ok(pieces.changedSince(piece, before));
  assert.deepEqual(pieces.copy(1), []);
});

Deno.test("Pieces: refuses bytes that are no piece", () => {
  const model = new Model();
  for (const key of ["a", "b", "c"]) model.put(key, new Uint8Array(20), 3, false);
  const packed = joined(new Pieces(model.table).copy(2));
  const load = (bytes: Uint8Array, piece = 2) => new Pieces(new Table()).load(piece, bytes, 3);
  load(packed);
  for (let length = 0; length < packed.length; length++) {
    assert.throws(() => load(packed.subarray(0, length)), PieceError);
  }
  assert.throws(() => load(packed, 1), PieceError);
  assert.throws(() => load(packed, 0), PieceError);
  const changed = (at: number, byte: number) => {
    const copy = packed.slice();
    copy[at] = byte;
    return copy;
  };
  for (
    const [at, byte] of [[0, 200], [3, 1], [7, 9], [8, 255], [15, 1], [12, 3], [20, 9]] as const
  ) {
    assert.throws(() => load(changed(at, byte)), PieceError, `byte ${at}`);
  }
});

Deno.test("Pieces: of two records of a key the newer one stays, and the other piece counts as changed", () => {
  const older = new Model();
  older.put("a", new Uint8Array(20), 0, false);
  const newer = new Model();
  newer.version = 5;
  newer.put("a", new Uint8Array(70_000).fill(1), 0, false);
  const small = joined(new Pieces(older.table).copy(2));
  const large = joined(new Pieces(newer.table).copy(1));
  for (const pieces of [[[2, small], [1, large]], [[1, large], [2, small]]] as const) {
    newer.table = new Table();
    const loaded = new Pieces(newer.table);
    for (const [piece, packed] of pieces) loaded.load(piece, packed, 1);
    newer.check();
    // Its version was 1 when it was written; without a change it would stay on disk for ever.
    assert.ok(loaded.changedSince(2, 1));
  }
});

Deno.test("Pieces: a piece that gets a record from the log counts as changed, however new it is", () => {
  const model = new Model();
  model.put("a", new Uint8Array(20), 0, false);
  model.version = 10;
  model.put("b", new Uint8Array(20), 0, false);
  const table = new Table();
  const loaded = new Pieces(table);
  loaded.load(2, joined(new Pieces(model.table).copy(2)), 11);
  assert.ok(!loaded.changedSince(2, 11));
  const record = new Uint8Array(21);
  loaded.loadPut(record, 0, 1, 1, 21, 5, 0);
  assert.ok(loaded.changedSince(2, 11));
});
