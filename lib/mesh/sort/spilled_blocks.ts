import { SLOT_BYTES } from "./open_pieces.ts";
import { readAt } from "./file_reads.ts";

/** The place of a spilled piece in the spill file. */
export interface Extent {
  offset: number;
  bytes: number;
  /** Set if it continues the line of the extent before it. */
  continues?: true;
}

/** Whole entries of a spill file. */
export interface SpilledBlock {
  /** Contains the entries, from its start; valid until the next block. */
  bytes: Uint8Array;
  /** Their length. */
  length: number;
  /** The number of bytes before them, as if the extents were one file. */
  position: number;
}

/**
 * Reads spilled entries in blocks: one extent, with the continuations of its last line.
 *
 * @throws {Error} If the file has become shorter.
 */
export function* spilledBlocks(
  file: Deno.FsFile,
  extents: readonly Extent[],
): Generator<SpilledBlock> {
  // One buffer for all: thousands of them would stay in memory until the garbage collector runs.
  let bytes = new Uint8Array(SLOT_BYTES);
  let position = 0;
  for (let i = 0; i < extents.length;) {
    const first = i++;
    while (extents[i]?.continues) i++;
    const parts = extents.slice(first, i);
    const length = parts.reduce((sum, part) => sum + part.bytes, 0);
    if (bytes.length < length) bytes = new Uint8Array(Math.ceil(length / 4) * 4);
    let at = 0;
    for (const part of parts) {
      readAt(file, part.offset, bytes.subarray(at, at += part.bytes));
    }
    yield { bytes, length, position };
    position += length;
  }
}
