/**
 * The third phase of a job as a whole: what a node writes, for sorts of all kinds.
 *
 * @module
 */

import { CountForm } from "../records/count_form.ts";
import { sameTally, type Tally } from "../records/checksum.ts";
import { LineOrder } from "../records/line_order.ts";
import { isReducing, type RecordFormat } from "../records/record_format.ts";
import type { Output } from "./output.ts";
import { OutputPlaces } from "./output_places.ts";
import type { PeerGroup } from "./peer_group.ts";
import { reduceBuckets } from "./reduce_phase.ts";
import { sortBuckets, type SortPhaseOptions } from "./sort_phase.ts";
import { exchangeTop, joinTop } from "./top_exchange.ts";

/** Options for {@linkcode writeSorted}. */
export interface SortedOutputOptions extends Omit<SortPhaseOptions, "places"> {
  node: number;
  nodes: number;
  format: RecordFormat;
  file: Output;
  /** The header of the inputs, if this node writes it. */
  header: Uint8Array;
  /** The entries that this node has. */
  expected: Tally;
}

/** What a node has written. */
export interface SortedOutput {
  written: Tally;
  /** The entries of the inputs that it stands for; of a plain sort, the same. */
  represented: Tally;
}

/**
 * Sorts and reduces what this node has, and writes its output.
 *
 * @throws {Error} If entries are missing or damaged, something cannot be read or written, or the top
 * entries have too many bytes.
 */
export async function writeSorted(
  peers: PeerGroup,
  options: SortedOutputOptions,
): Promise<SortedOutput> {
  const { format, file, expected, threads } = options;
  const header = new CountForm(format, new LineOrder(format)).header(options.header);
  const targets = format.top === undefined ? file.targets : file.targets.slice(0, 1);
  const places = new OutputPlaces(targets, expected.bytes, isReducing(format));
  if (header.length > 0) await threads[0]!.write(header, places.header(header.length));
  if (!isReducing(format)) {
    const written = await sortBuckets({ ...options, places });
    assertComplete(file, written, expected);
    return { written, represented: written };
  }
  const { stored, represented, written, top } = await reduceBuckets({ ...options, places });
  assertComplete(file, stored, expected);
  if (format.top === undefined) return { written, represented };
  const { node, nodes } = options;
  const entries = await exchangeTop(peers, top, { node, nodes, limit: format.top });
  const { bytes, tally } = joinTop(entries);
  if (bytes.length > 0) await threads[0]!.write(bytes, places.next(bytes.length));
  return { written: tally, represented };
}

function assertComplete({ path }: Output, found: Tally, expected: Tally): void {
  if (sameTally(found, expected)) return;
  throw new Error(
    `Cannot complete "${path}": ${found.records} records were written and ` +
      `${expected.records} were sent, or their checksums differ`,
  );
}
