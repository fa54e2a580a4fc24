/** How many lines are remembered; the oldest go first. */
const MAX_LINES = 500;

/**
 * The lines that were typed before, as in a shell: a position that moves to older and newer lines
 * and, beyond the newest, to the line being typed. It is kept in memory only, because lines may
 * contain secrets.
 */
export class LineHistory {
  readonly #lines: string[] = [];
  /** The position; the number of lines stands for the line being typed. */
  #at = 0;
  /** The line being typed, while an older one is shown. */
  #draft = "";

  /** Adds a line that was entered, unless it is blank or the same as the last, and moves behind it. */
  add(line: string): void {
    if (line.trim() !== "" && line !== this.#lines.at(-1)) this.#lines.push(line);
    if (this.#lines.length > MAX_LINES) this.#lines.shift();
    this.#at = this.#lines.length;
  }

  /**
   * Moves to the line before.
   *
   * @param shown The line that is shown now, which becomes the draft if it is not in the history.
   * @returns The line to show, or `undefined` if there is no older one.
   */
  older(shown: string): string | undefined {
    if (this.#at === 0) return undefined;
    if (this.#at === this.#lines.length) this.#draft = shown;
    return this.#lines[--this.#at];
  }

  /**
   * Moves to the line after.
   *
   * @returns The line to show, or `undefined` if there is no newer one.
   */
  newer(): string | undefined {
    if (this.#at === this.#lines.length) return undefined;
    this.#at++;
    return this.#at === this.#lines.length ? this.#draft : this.#lines[this.#at];
  }
}
