import { quartet } from "./quartet.ts";
import { signal } from "./signal.ts";
import { within } from "./within.ts";

/** How long a program may take to show something. */
const SHOW_MAX_MS = 60_000;

/** Whether script(1) of util-linux is installed; it runs a program at a terminal of its own. */
export const HAS_SCRIPT: boolean = Deno.build.os === "linux" &&
  await new Deno.Command("script", { args: ["--version"], stdout: "null", stderr: "null" })
    .output().then(({ success }) => success, () => false);

/** `quartet`, run at a terminal of its own. */
export class TestTerminal implements Disposable {
  /** Resolves with the exit code. */
  readonly code: Promise<number>;
  readonly #child: Deno.ChildProcess;
  readonly #keyboard: WritableStreamDefaultWriter<Uint8Array>;
  readonly #screen: ReadableStreamDefaultReader<string>;
  #shown = "";
  #ended = false;

  /**
   * Starts it.
   *
   * @param words The words of the command line.
   * @param directory The working directory.
   * @param options.redirection Appended to the command line in the shell, such as "</dev/null".
   * @param options.env Variables of the environment that differ from those of the tests.
   */
  constructor(
    words: readonly string[],
    directory: string,
    { redirection = "", env = {} }: { redirection?: string; env?: Record<string, string> } = {},
  ) {
    const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;
    const command = [Deno.execPath(), ...quartet().words, ...words].map(quote).join(" ");
    this.#child = new Deno.Command("script", {
      args: [
        "--quiet",
        "--return",
        "--flush",
        "--command",
        `${command} ${redirection}`,
        "/dev/null",
      ],
      cwd: directory,
      env,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      signal: AbortSignal.timeout(120_000),
    }).spawn();
    this.code = this.#child.status.then(({ code }) => code).finally(() => (this.#ended = true));
    this.#keyboard = this.#child.stdin.getWriter();
    this.#screen = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Types keys. */
  async type(keys: string): Promise<void> {
    await this.#keyboard.write(new TextEncoder().encode(keys));
  }

  /**
   * Waits until a text has appeared on the screen, and forgets what is before its end.
   *
   * @returns What was shown, up to and including the text.
   */
  async seen(text: string): Promise<string> {
    while (!this.#shown.includes(text)) {
      const read = this.#screen.read();
      const { done, value } = await within(SHOW_MAX_MS, `${text} in ${this.#shown}`, read);
      if (done) throw new Error(`It ended without ${JSON.stringify(text)}:\n${this.#shown}`);
      this.#shown += value;
    }
    const end = this.#shown.indexOf(text) + text.length;
    const seen = this.#shown.slice(0, end);
    this.#shown = this.#shown.slice(end);
    return seen;
  }

  /**
   * Waits until the program has ended.
   *
   * @returns What it has shown since the last text that was seen.
   */
  async ends(): Promise<string> {
    for (;;) {
      const { done, value } = await within(SHOW_MAX_MS, "the end", this.#screen.read());
      if (done) break;
      this.#shown += value;
    }
    await this.code;
    await this.#keyboard.close().catch(() => {});
    return this.#shown;
  }

  /** Removes the terminal if the program still runs, which ends it. */
  [Symbol.dispose](): void {
    if (!this.#ended) signal(this.#child, "SIGKILL");
  }
}
