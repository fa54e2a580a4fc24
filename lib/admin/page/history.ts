/** Length of the history. */
export const WINDOW_S = 300;

/** The values of a chart over the last {@linkcode WINDOW_S} seconds, in columns. */
export class History {
  /** Unix times of the moments, ascending. */
  readonly times: number[] = [];
  /** One column per series, as long as `times`. */
  readonly columns: (number | null)[][];

  /** @param width Number of series. */
  constructor(width: number) {
    this.columns = Array.from({ length: width }, () => []);
  }

  /**
   * Adds the values of one moment and drops those that are too old.
   *
   * @param timeS Unix time, not before the last one.
   * @param values One per series; `null` where there is none.
   */
  add(timeS: number, values: readonly (number | null)[]): void {
    this.times.push(timeS);
    for (const [i, column] of this.columns.entries()) column.push(values[i] ?? null);
    const old = this.times.findIndex((time) => time >= timeS - WINDOW_S);
    this.times.splice(0, old);
    for (const column of this.columns) column.splice(0, old);
  }
}
