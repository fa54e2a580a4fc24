import { ProgressBar } from "./progress_bar.ts";
import { writeAll } from "./terminal.ts";

const WIPE_LINE = new TextEncoder().encode("\r\x1b[K");

/** How far the lines of a `put --lines` are: a bar on a terminal, nothing anywhere else. */
export class LinesProgress {
  #bar: ProgressBar | undefined;

  /** There is another line. */
  more(): void {
    if (!Deno.stderr.isTerminal()) return;
    this.#bar ??= new ProgressBar({
      max: 0,
      clear: true,
      format: ({ time, bar, value, max }) => `${time} [${bar}] ${value}/${max} lines`,
    });
    this.#bar.max++;
  }

  /** A line is through. */
  done(): void {
    if (this.#bar !== undefined) this.#bar.value++;
  }

  /** Makes room for a line on the same terminal; the bar is drawn again below it. */
  makeWay(): void {
    if (this.#bar !== undefined && Deno.stdout.isTerminal()) writeAll(Deno.stderr, WIPE_LINE);
  }

  /** Wipes it away. */
  stop(): void {
    this.#bar?.stop();
  }
}
