/**
 * The end of the third phase of a job that wants only the top entries: node 0 collects those of all
 * nodes. Its output has them all, and those of the other nodes are empty.
 *
 * @module
 */

import { FRAME } from "../link/frame.ts";
import { decodeTop, encodeTop } from "../link/top_frame.ts";
import { crc32Of, emptyTally, type Tally } from "../records/checksum.ts";
import { MAX_TOP } from "../records/record_format.ts";
import { MAX_TOP_BYTES, type TopEntry, TopList } from "../sort/top_list.ts";
import type { PeerGroup } from "./peer_group.ts";

/**
 * Collects the top entries of all nodes.
 *
 * @param own Those of this node.
 * @returns On node 0, the top entries of all; on the others, none.
 * @throws {Error} If they have too many bytes.
 * @throws {FrameError} If those of a peer are malformed.
 * @throws {SortEndedError} If the job ends before.
 */
export async function exchangeTop(
  peers: PeerGroup,
  own: TopEntry[],
  { node, nodes, limit }: { node: number; nodes: number; limit: number },
): Promise<TopEntry[]> {
  // Each node may send its part of what node 0 can keep.
  const share = new TopList(limit, Math.floor(MAX_TOP_BYTES / nodes));
  for (const entry of own) share.add(entry);
  const entries = share.entries();
  if (node !== 0) {
    await peers.send(0, FRAME.TOP, encodeTop(entries));
    return [];
  }
  const all = new TopList(limit);
  for (const [i, entry] of entries.entries()) all.add({ ...entry, rank: i });
  for (const { from, frame } of await peers.collect(FRAME.TOP, nodes - 1)) {
    const rank = from * MAX_TOP;
    for (const entry of decodeTop(frame.payload, { rank, limit })) all.add(entry);
  }
  return all.entries();
}

/** The entries as they are written, and their tally. */
export function joinTop(
  entries: readonly TopEntry[],
): { bytes: Uint8Array<ArrayBuffer>; tally: Tally } {
  const tally = emptyTally();
  const size = entries.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const joined = new Uint8Array(size);
  for (const { bytes } of entries) {
    joined.set(bytes, tally.bytes);
    tally.bytes += bytes.length;
    tally.sum += BigInt(crc32Of(bytes, 0, bytes.length));
  }
  tally.records = entries.length;
  return { bytes: joined, tally };
}
