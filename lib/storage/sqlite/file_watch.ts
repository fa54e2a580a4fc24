/**
 * Notices when a file is deleted or replaced while it is open. Writes to it still succeed then, but
 * nobody will ever find them.
 *
 * @module
 */

/** How often to look. */
const INTERVAL_MS = 1_000;

/** Watches a file. */
export class FileWatch {
  readonly #path: string;
  #identity: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  /** Why the file must not be written; `undefined` if it is still the same one. */
  problem: string | undefined;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Starts to watch an existing file. */
  static async start(path: string): Promise<FileWatch> {
    const watch = new FileWatch(path);
    watch.#identity = await identityOf(path);
    watch.#later();
    return watch;
  }

  /** Looks now. */
  async check(): Promise<void> {
    const identity = await identityOf(this.#path);
    if (identity === this.#identity) this.problem = undefined;
    else if (identity === undefined) this.problem = "the file was deleted while it was in use";
    else this.problem = "the file was replaced while it was in use; restart to use the new one";
  }

  /** Stops. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #later(): void {
    this.#timer = setTimeout(async () => {
      await this.check();
      if (!this.#closed) this.#later();
    }, INTERVAL_MS);
    Deno.unrefTimer(this.#timer);
  }
}

/** The device and number of a file; `undefined` if it cannot be found. */
async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await Deno.stat(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
