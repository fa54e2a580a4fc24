import { writeAll } from "./terminal.ts";

/** How often the bar is redrawn, in milliseconds. */
const INTERVAL_MS = 1000;

const BAR_CHARS = 30;

/** To the start of the line, and clear it. */
const CLEAR_LINE = "\r\x1b[K";

/** What the line of a {@linkcode ProgressBar} can show. */
export interface ProgressState {
  /** The bar itself, such as "###-------". */
  bar: string;
  /** The time since the start as "mm:ss". */
  time: string;
  /** The time since the start in milliseconds. */
  elapsedMs: number;
  /** How much is done. */
  value: number;
  /** How much there is to do. */
  max: number;
}

/** Options for {@linkcode ProgressBar}. */
export interface ProgressBarOptions {
  /** How much there is to do. */
  max: number;
  /** Makes the line from the state; it has to fit into one row. */
  format: (state: ProgressState) => string;
  /** Whether `stop` clears the line instead of leaving it. @default {false} */
  clear?: boolean;
  /** Writes to the terminal. @default {to standard error} */
  write?: (bytes: Uint8Array) => void;
}

/** A line on a terminal that shows how far a command has come, redrawn every second. */
export class ProgressBar {
  /** How much is done. */
  value = 0;
  /** How much there is to do. */
  max: number;

  readonly #options: ProgressBarOptions;
  readonly #encoder = new TextEncoder();
  readonly #startMs = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;

  /** @param options See {@linkcode ProgressBarOptions}. */
  constructor(options: ProgressBarOptions) {
    this.max = options.max;
    this.#options = options;
    this.#timer = setInterval(() => this.#draw(), INTERVAL_MS);
    this.#draw();
  }

  /** Draws the line for the last time, or clears it. */
  stop(): void {
    clearInterval(this.#timer);
    if (this.#options.clear) this.#write(CLEAR_LINE);
    else this.#draw("\n");
  }

  #draw(end = ""): void {
    const { value, max } = this;
    const elapsedMs = performance.now() - this.#startMs;
    const done = max > 0 ? Math.trunc(Math.min(value / max, 1) * BAR_CHARS) : 0;
    const bar = "#".repeat(done) + "-".repeat(BAR_CHARS - done);
    const time = minutesAndSeconds(elapsedMs);
    this.#write(
      CLEAR_LINE + this.#options.format({ bar, time, elapsedMs, value, max }) + end,
    );
  }

  #write(text: string): void {
    const { write = (bytes) => writeAll(Deno.stderr, bytes) } = this.#options;
    try {
      write(this.#encoder.encode(text));
    } catch {
      // The terminal is gone. The work goes on without anyone watching it.
      clearInterval(this.#timer);
    }
  }
}

function minutesAndSeconds(ms: number): string {
  const twoDigits = (count: number) => String(Math.trunc(count)).padStart(2, "0");
  return `${twoDigits(ms / 60_000)}:${twoDigits(ms / 1000 % 60)}`;
}
