import { ProgressBar, type ProgressState } from "./progress_bar.ts";

const BYTES_PER_MB = 1_000_000;

/** A progress bar in bytes if standard error is a terminal, otherwise nothing. */
export class Progress {
  readonly #bar: ProgressBar | undefined;

  /**
   * @param label Names the work, such as "verify".
   * @param max How many bytes there are.
   */
  constructor(label: string, max: number) {
    if (max === 0 || !Deno.stderr.isTerminal()) return;
    this.#bar = new ProgressBar({ max, format: (state) => format(label, state) });
  }

  /** Sets how many bytes are done. */
  set value(bytes: number) {
    if (this.#bar) this.#bar.value = bytes;
  }

  /** Adds to the bytes that are done. */
  add(bytes: number): void {
    if (this.#bar) this.#bar.value += bytes;
  }

  /** Draws the bar for the last time. */
  stop(): void {
    this.#bar?.stop();
  }
}

function format(label: string, { time, bar, value, max, elapsedMs }: ProgressState): string {
  const percent = Math.floor(100 * value / max);
  const rate = elapsedMs > 0 ? value / BYTES_PER_MB / (elapsedMs / 1000) : 0;
  return `${label.padEnd(8)} ${time} [${bar}] ${percent}% ${rate.toFixed(0)} MB/s`;
}
