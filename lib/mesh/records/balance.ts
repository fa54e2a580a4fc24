import { sameTally, type Tally } from "./checksum.ts";
import { LineOrder } from "./line_order.ts";
import type { RecordFormat } from "./record_format.ts";

/**
 * Whether a sort has lost nothing: what was read, and what the output stands for. Entries with equal
 * keys that differ are only counted, as the output has one of them.
 */
export function balances(format: RecordFormat, read: Tally, represented: Tally): boolean {
  const keepsAll = format.reduce === undefined || new LineOrder(format).distinct;
  return keepsAll ? sameTally(read, represented) : read.records === represented.records;
}
