/** How often the watch looks. */
const CHECK_MS = 500;

/** The database counts as silent when a question has been open for this many checks. */
const SILENT_CHECKS = 5;

/** Options for {@linkcode AnswerWatch}. */
export interface AnswerWatchOptions {
  /** Asks the database something; settles when it has answered, or cannot. */
  ask: () => Promise<unknown>;
  /** Called when the database falls silent, and when it answers again. */
  onChange: (silent: boolean) => void;
  /** @default {CHECK_MS} */
  checkMs?: number | undefined;
}

/**
 * Notices that a database does not answer any more, although its connections are open: the server
 * hangs, or the network swallows everything. It asks only if nothing else was answered lately. Time is
 * counted in checks: however long this process was held up, that is one check, and answers that
 * arrived meanwhile are read before the next one.
 */
export class AnswerWatch implements Disposable {
  readonly #options: AnswerWatchOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #answered = true;
  /** For how many checks a question has been open; `undefined` if none is. */
  #open: number | undefined;
  #silent = false;

  /** @param options See {@linkcode AnswerWatchOptions}. */
  constructor(options: AnswerWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#check(), options.checkMs ?? CHECK_MS);
    Deno.unrefTimer(this.#timer);
  }

  /** Whether the database does not answer: for at most four seconds if it has fallen silent. */
  get silent(): boolean {
    return this.#silent;
  }

  /** Notes that the database has answered something. */
  answered(): void {
    this.#answered = true;
    if (this.#silent) this.#change(false);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    if (this.#open !== undefined) this.#open++;
    if (this.#answered) {
      this.#answered = false;
      if (this.#open !== undefined) this.#open = 0;
      return;
    }
    if (this.#open === undefined) this.#ask();
    else if (this.#open >= SILENT_CHECKS && !this.#silent) this.#change(true);
  }

  async #ask(): Promise<void> {
    this.#open = 0;
    try {
      await this.#options.ask();
    } catch {
      // A database that is lost is not silent; its client reports the loss.
    } finally {
      this.#open = undefined;
      this.answered();
    }
  }

  #change(silent: boolean): void {
    this.#silent = silent;
    this.#options.onChange(silent);
  }
}
