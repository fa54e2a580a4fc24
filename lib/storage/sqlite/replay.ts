/**
 * Reads the changes in a row of the log.
 *
 * @module
 */

import type { TableOwner } from "../commit_log.ts";
import { CHANGE, CHANGE_HEAD_BYTES } from "./group_buffer.ts";
import type { LogRow } from "./scan_file.ts";

/**
 * Hands the changes in a row to the owners of their tables; changes of other tables are skipped. The
 * format is described in group_buffer.ts.
 *
 * @returns How many changes were handed over.
 */
export function replay(
  { first, bytes }: LogRow,
  ownerOf: (table: number) => TableOwner | undefined,
): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let owner: TableOwner | undefined;
  let version = first;
  let replayed = 0;
  for (let at = 0; at < bytes.length;) {
    const kind = view.getUint8(at);
    if (kind === CHANGE.table) {
      owner = ownerOf(view.getFloat64(at + 1, true));
      at += CHANGE_HEAD_BYTES;
      continue;
    }
    const start = at + CHANGE_HEAD_BYTES;
    const middle = start + view.getUint32(at + 1, true);
    const end = middle + view.getUint32(at + 5, true);
    if (owner !== undefined && kind !== CHANGE.other) {
      if (kind === CHANGE.put) owner.loadPut(bytes, start, middle, end, version);
      else owner.loadDelete(bytes, start, middle, version);
      replayed++;
    }
    version++;
    at = end;
  }
  return replayed;
}
