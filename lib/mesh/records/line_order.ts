import { KeyEncoder } from "../keys/key_encoder.ts";
import { comparesWholeLines, parseSortOrder, type SortOrder } from "../keys/sort_order.ts";
import { MAX_LINE_BYTES, type RecordFormat } from "./record_format.ts";

/** The order of the lines of a format. */
export class LineOrder {
  /** Whether lines are records of CSV. */
  readonly csv: boolean;
  /** Whether lines have keys, whose beginnings are stored with them. */
  readonly keyed: boolean;
  /** Whether equal lines are in reverse order. */
  readonly reverse: boolean;
  /** The byte between fields, if the order names one. */
  readonly separator: number | undefined;
  /** Whether only entries that are equal in all bytes have equal keys. */
  readonly distinct: boolean;
  readonly #order: SortOrder;

  /** @throws {SyntaxError} If the order of the format is malformed. */
  constructor({ recordBytes, order = [], reduce, keyStart, keyEnd }: RecordFormat) {
    const parsed = parseSortOrder(order);
    // Equal keys are one key then, whatever else is in their lines; as with `sort -u`.
    this.#order = { ...parsed, stable: parsed.stable || reduce !== undefined };
    this.csv = this.#order.csv;
    this.reverse = this.#order.reverse;
    this.separator = parsed.separator;
    this.distinct = parsed.keys.length === 0 && keyStart === 0 &&
      keyEnd === (recordBytes || MAX_LINE_BYTES);
    this.keyed = !comparesWholeLines(this.#order);
  }

  /** A new encoder of keys; `undefined` if lines have none. */
  newEncoder(): KeyEncoder | undefined {
    return this.keyed ? new KeyEncoder(this.#order) : undefined;
  }
}
