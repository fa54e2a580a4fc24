/** What the style of a {@linkcode ProgressBar} is made from. */
export interface ProgressBarFormatter {
  /** The time since the start, "mm:ss". */
  styledTime: string;
  /** The bar alone, such as "###-------". */
  progressBar: string;
  /** The time since the start, in milliseconds. */
  time: number;
  /** `time` of the last report; 0 at first. */
  previousTime: number;
  /** How much is done. */
  value: number;
  /** `value` of the last report. */
  previousValue: number;
  /** How much there is to do. */
  max: number;
}

/** Options for {@linkcode ProgressBar}. */
export interface ProgressBarOptions {
  /** Where it is drawn. @default {Deno.stderr.writable} */
  writable?: WritableStream<Uint8Array>;
  /** How much is done before it starts. @default {0} */
  value?: number;
  /** How much there is to do. */
  max: number;
  /** How long the bar is, in characters. @default {50} */
  barLength?: number;
  /** What stands for what is done. @default {'#'} */
  fillChar?: string;
  /** What stands for what is not done yet. @default {'-'} */
  emptyChar?: string;
  /** Whether it is wiped away when it stops. @default {false} */
  clear?: boolean;
  /** Its style; by default `[mm:ss] [###-------] [0.24/97.66 KiB]`. */
  fmt?: (fmt: ProgressBarFormatter) => string;
  /** Whether `writable` stays open when it stops. @default {true} */
  keepOpen?: boolean;
}

/** How often it is drawn, in milliseconds. */
const INTERVAL_MS = 1000;

/** To the start of the line, and wipe it. */
const CLEAR_LINE = "\r\x1b[K";

/** Tells how far something is, on a line that is drawn again every second. */
export class ProgressBar {
  /** How much is done. */
  value: number;
  /** How much there is to do. */
  max: number;

  readonly #options: Required<Omit<ProgressBarOptions, "value" | "max">>;
  readonly #writer: WritableStreamDefaultWriter<string>;
  readonly #drawn: Promise<void>;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #startMs = Date.now();
  #previousTime = 0;
  #previousValue: number;

  /** @param options See {@linkcode ProgressBarOptions}. */
  constructor(options: ProgressBarOptions) {
    const { value = 0, max, ...style } = options;
    this.value = value;
    this.max = max;
    this.#previousValue = value;
    this.#options = {
      writable: style.writable ?? Deno.stderr.writable,
      barLength: style.barLength ?? 50,
      fillChar: style.fillChar ?? "#",
      emptyChar: style.emptyChar ?? "-",
      clear: style.clear ?? false,
      fmt: style.fmt ?? defaultStyle,
      keepOpen: style.keepOpen ?? true,
    };
    const encoder = new TextEncoderStream();
    this.#writer = encoder.writable.getWriter();
    this.#timer = setInterval(() => this.#draw(), INTERVAL_MS);
    // Nobody fails because nobody can see how far it is: a terminal that is gone ends the drawing.
    this.#drawn = encoder.readable
      .pipeTo(this.#options.writable, { preventClose: this.#options.keepOpen })
      .catch(() => clearInterval(this.#timer));
    this.#draw();
  }

  /** Draws it for the last time, or wipes it, and resolves when that is written. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#options.clear) this.#write(CLEAR_LINE);
    else this.#draw("\n");
    await this.#writer.close().catch(() => {});
    await this.#drawn;
  }

  #draw(end = ""): void {
    const { barLength, fillChar, emptyChar, fmt } = this.#options;
    const time = Date.now() - this.#startMs;
    const done = Math.trunc(Math.min(Math.max(this.value / this.max, 0), 1) * barLength);
    const text = fmt({
      styledTime: minutesAndSeconds(time),
      progressBar: fillChar.repeat(done) + emptyChar.repeat(barLength - done),
      time,
      previousTime: this.#previousTime,
      value: this.value,
      previousValue: this.#previousValue,
      max: this.max,
    });
    this.#previousTime = time;
    this.#previousValue = this.value;
    this.#write(CLEAR_LINE + text + end);
  }

  #write(text: string): void {
    this.#writer.write(text).catch(() => {});
  }
}

function defaultStyle({ styledTime, progressBar, value, max }: ProgressBarFormatter): string {
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
  const step = Math.max(units.findLastIndex((_, index) => max >= 1024 ** (index + 1)), 0);
  const [done, all] = [value, max].map((bytes) => (bytes / 1024 ** (step + 1)).toFixed(2));
  return `[${styledTime}] [${progressBar}] [${done}/${all} ${units[step]}]`;
}

function minutesAndSeconds(ms: number): string {
  const two = (count: number) => String(Math.trunc(count)).padStart(2, "0");
  return `${two(ms / 60_000)}:${two(ms / 1000 % 60)}`;
}
