import { ProgressBar } from "./progress_bar.ts";
import { writeAll } from "./terminal.ts";

const WIPE_LINE = new TextEncoder().encode("\r\x1b[K");

/** The progress of `put --lines`: a bar on a terminal, nothing elsewhere. */
export class LinesProgress {
  #bar: ProgressBar | undefined;

  /** Counts another line. */
  more(): void {
    if (!Deno.stderr.isTerminal()) return;
    this.#bar ??= new ProgressBar({
      max: 0,
      clear: true,
      format: ({ time, bar, value, max }) => `${time} [${bar}] ${value}/${max} lines`,
    });
    this.#bar.max++;
  }

  /** Counts a finished line. */
  done(): void {
    if (this.#bar !== undefined) this.#bar.value++;
  }

  /** Clears the bar before a line is printed on the same terminal; it is drawn again below. */
  makeWay(): void {
    if (this.#bar !== undefined && Deno.stdout.isTerminal()) writeAll(Deno.stderr, WIPE_LINE);
  }

  /** Removes the bar. */
  stop(): void {
    this.#bar?.stop();
  }
}
