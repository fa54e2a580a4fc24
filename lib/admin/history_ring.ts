import { ROW_VALUES } from "./page/chart_series.ts";
import type { HistoryJson } from "./page/daemon_json.ts";

/** The interval between two rows. */
export const HISTORY_EVERY_MS = 10_000;

/** How many rows are kept: those of a day. */
export const HISTORY_MAX_ROWS = 24 * 60 * 6;

/** The most rows in one answer: about as many as a chart has pixels. */
const MAX_ANSWERED_ROWS = 360;

/** The values that the page's charts show, in a ring of rows. */
export class HistoryRing {
  readonly #capacity: number;
  /** When each row was taken, in seconds. */
  readonly #times: Float64Array;
  /** The rows, back to back; NaN where there is no value. */
  readonly #values: Float32Array;
  /** The number of rows added so far. */
  #rows = 0;

  /** @param capacity How many rows are kept. */
  constructor(capacity: number = HISTORY_MAX_ROWS) {
    this.#capacity = capacity;
    this.#times = new Float64Array(capacity);
    this.#values = new Float32Array(capacity * ROW_VALUES);
  }

  /**
   * Adds a row, whose values are in the order of the charts; `null` where there is none.
   *
   * @param timeS When it was taken, on a clock that never goes back.
   */
  add(timeS: number, values: readonly (number | null)[]): void {
    const at = this.#rows++ % this.#capacity;
    this.#times[at] = timeS;
    for (let i = 0; i < ROW_VALUES; i++) this.#values[at * ROW_VALUES + i] = values[i] ?? NaN;
  }

  /**
   * Returns the rows after a moment. If they are many, several become one, which has the highest of
   * their values, so that no peak is lost.
   *
   * @param afterS On the clock of {@linkcode add}.
   */
  read(afterS: number): HistoryJson {
    const first = Math.max(0, this.#rows - this.#capacity);
    let from = this.#rows;
    while (from > first && this.#times[(from - 1) % this.#capacity]! > afterS) from--;
    const joined = Math.max(1, Math.ceil((this.#rows - from) / MAX_ANSWERED_ROWS));
    const times: number[] = [];
    const columns: (number | null)[][] = Array.from({ length: ROW_VALUES }, () => []);
    for (; from < this.#rows; from += joined) {
      const to = Math.min(from + joined, this.#rows);
      times.push(this.#times[(to - 1) % this.#capacity]!);
      for (let i = 0; i < ROW_VALUES; i++) columns[i]!.push(this.#highest(i, from, to));
    }
    return { everyS: joined * HISTORY_EVERY_MS / 1000, times, columns };
  }

  /** The highest value of a column in the rows `from` to `to` (exclusive). */
  #highest(column: number, from: number, to: number): number | null {
    let highest: number | null = null;
    for (let row = from; row < to; row++) {
      const value = this.#values[(row % this.#capacity) * ROW_VALUES + column]!;
      if (!Number.isNaN(value) && (highest === null || value > highest)) highest = value;
    }
    // More digits say nothing on a chart.
    return highest === null ? null : Number(highest.toPrecision(4));
  }
}
