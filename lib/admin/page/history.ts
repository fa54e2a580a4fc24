/** How far back the values go that the page itself has read, once a second. */
export const WINDOW_S = 300;

/** Moments and the values at each of them, in columns. */
export interface Rows {
  /** Unix times in seconds, ascending. */
  readonly times: readonly number[];
  /** One column per series, as long as `times`; `null` where there is no value. */
  readonly columns: readonly (readonly (number | null)[])[];
}

/** The values of a chart over the last {@linkcode WINDOW_S} seconds. */
export class History implements Rows {
  readonly times: number[] = [];
  readonly columns: (number | null)[][];

  /** @param width Number of series. */
  constructor(width: number) {
    this.columns = Array.from({ length: width }, () => []);
  }

  /**
   * Adds the values of one moment and drops those that are too old.
   *
   * @param timeS Unix time. If it is before the last one, everything is forgotten.
   * @param values One per series; `null` where there is none.
   */
  add(timeS: number, values: readonly (number | null)[]): void {
    if (timeS < (this.times.at(-1) ?? timeS)) this.#drop(this.times.length);
    this.times.push(timeS);
    for (const [i, column] of this.columns.entries()) column.push(values[i] ?? null);
    this.#drop(this.times.findIndex((time) => time >= timeS - WINDOW_S));
  }

  /** Puts older values in front; those that overlap with what is there are left out. */
  precede({ times, columns }: Rows): void {
    const last = this.times.at(-1) ?? times.at(-1) ?? 0;
    const first = this.times[0] ?? Infinity;
    const from = Math.max(0, times.findIndex((time) => time >= last - WINDOW_S));
    const end = times.findIndex((time) => time >= first);
    const to = end === -1 ? times.length : end;
    this.times.unshift(...times.slice(from, to));
    for (const [i, column] of this.columns.entries()) {
      column.unshift(...columns[i]!.slice(from, to));
    }
  }

  #drop(count: number): void {
    this.times.splice(0, count);
    for (const column of this.columns) column.splice(0, count);
  }
}
