import { ProgressBar, type ProgressBarFormatter } from "@std/cli/unstable-progress-bar";
import { writeAll } from "./terminal.ts";

const BYTES_PER_MB = 1_000_000;

/** A progress bar on a terminal, and nothing anywhere else. */
export class Progress {
  readonly #bar: ProgressBar | undefined;

  /**
   * @param label What is being done.
   * @param max How many bytes there are.
   */
  constructor(label: string, max: number) {
    if (max === 0 || !Deno.stderr.isTerminal()) return;
    this.#bar = new ProgressBar({
      // One of its own: that of Deno takes one bar at a time, and the next would wait for ever.
      writable: new WritableStream({ write: (bytes) => void writeAll(Deno.stderr, bytes) }),
      max,
      fmt: (state) => format(label, state),
      barLength: 30,
    });
  }

  /** Says how many bytes are done. */
  set value(bytes: number) {
    if (this.#bar) this.#bar.value = bytes;
  }

  /** Says that so many more bytes are done. */
  add(bytes: number): void {
    if (this.#bar) this.#bar.value += bytes;
  }

  /** Draws it for the last time. */
  async stop(): Promise<void> {
    await this.#bar?.stop();
  }
}

function format(label: string, state: ProgressBarFormatter): string {
  const { styledTime, progressBar, value, max, time } = state;
  const percent = Math.floor(100 * value / max);
  const rate = time > 0 ? value / BYTES_PER_MB / (time / 1000) : 0;
  return `${label.padEnd(8)} ${styledTime} [${progressBar}] ${percent}% ${rate.toFixed(0)} MB/s`;
}
