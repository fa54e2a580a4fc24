import type { TopEntry } from "../sort/top_list.ts";
import { FrameError } from "./frame.ts";

const COUNT_BYTES = 4;
/** A count and a length. */
const ENTRY_HEADER_BYTES = 12;

/** The payload of a frame with the top entries of a node, in order; they get their ranks anew. */
export function encodeTop(entries: readonly TopEntry[]): Uint8Array<ArrayBuffer> {
  const size = entries.reduce((sum, { bytes }) => sum + ENTRY_HEADER_BYTES + bytes.length, 4);
  const payload = new Uint8Array(size);
  const view = new DataView(payload.buffer);
  view.setUint32(0, entries.length);
  let at = COUNT_BYTES;
  for (const { count, bytes } of entries) {
    view.setFloat64(at, count);
    view.setUint32(at + 8, bytes.length);
    payload.set(bytes, at + ENTRY_HEADER_BYTES);
    at += ENTRY_HEADER_BYTES + bytes.length;
  }
  return payload;
}

/**
 * Decodes the top entries of a node.
 *
 * @param rank The rank of the first one; each of the others has the next.
 * @param limit The most entries that there may be.
 * @throws {FrameError} If the payload is malformed.
 */
export function decodeTop(
  payload: Uint8Array,
  { rank, limit }: { rank: number; limit: number },
): TopEntry[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const count = payload.length < COUNT_BYTES ? Infinity : view.getUint32(0);
  if (count > limit) throw new FrameError("a malformed list of top entries");
  const entries: TopEntry[] = [];
  let at = COUNT_BYTES;
  for (let i = 0; i < count; i++) {
    const start = at + ENTRY_HEADER_BYTES;
    if (start > payload.length) throw new FrameError("a malformed list of top entries");
    const entry = { count: view.getFloat64(at), rank: rank + i };
    at = start + view.getUint32(start - 4);
    if (!Number.isSafeInteger(entry.count) || entry.count < 0 || at > payload.length) {
      throw new FrameError("a malformed list of top entries");
    }
    entries.push({ ...entry, bytes: payload.slice(start, at) });
  }
  if (at !== payload.length) throw new FrameError("a malformed list of top entries");
  return entries;
}
