import { KeyEncoder } from "../keys/key_encoder.ts";
import { comparesWholeLines, parseSortOrder, type SortOrder } from "../keys/sort_order.ts";
import type { RecordFormat } from "./record_format.ts";

/** The order of the lines of a format. */
export class LineOrder {
  /** Whether lines are records of CSV. */
  readonly csv: boolean;
  /** Whether lines have keys, whose beginnings are stored with them. */
  readonly keyed: boolean;
  /** Whether equal lines are in reverse order. */
  readonly reverse: boolean;
  readonly #order: SortOrder;

  /** @throws {SyntaxError} If the order of the format is malformed. */
  constructor({ order = [] }: RecordFormat) {
    this.#order = parseSortOrder(order);
    this.csv = this.#order.csv;
    this.reverse = this.#order.reverse;
    this.keyed = !comparesWholeLines(this.#order);
  }

  /** A new encoder of keys; `undefined` if lines have none. */
  newEncoder(): KeyEncoder | undefined {
    return this.keyed ? new KeyEncoder(this.#order) : undefined;
  }
}
