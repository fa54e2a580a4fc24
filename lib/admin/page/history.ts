/** How far back charts go. */
export const WINDOW_S = 300;

/** Values over time, one row a moment, as long as the window is. */
export class History {
  readonly times: number[] = [];
  readonly columns: (number | null)[][];

  /** @param width How many values a moment has. */
  constructor(width: number) {
    this.columns = Array.from({ length: width }, () => []);
  }

  /**
   * Adds a moment.
   *
   * @param timeS Unix time; not before the last one.
   * @param values `null` where there is none.
   */
  add(timeS: number, values: readonly (number | null)[]): void {
    this.times.push(timeS);
    for (const [i, column] of this.columns.entries()) column.push(values[i] ?? null);
    const old = this.times.findIndex((time) => time >= timeS - WINDOW_S);
    this.times.splice(0, old);
    for (const column of this.columns) column.splice(0, old);
  }
}
