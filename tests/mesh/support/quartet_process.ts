import { quartet } from "../../support/quartet.ts";
import { signal } from "../../support/signal.ts";
import { within } from "../../support/within.ts";

/** Long enough for a machine that is busy with all other tests. */
const END_MS = 180_000;
/** A line that shows only how slowly the other nodes start. */
const WAITING_LINE = /^Waiting for node .*\n/gm;

/** A `quartet` process, which is killed at the end of its scope. */
export class QuartetProcess implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  readonly #ended: Promise<{ code: number; stdout: string; stderr: string }>;
  #stderr = "";
  /** Resolves when there is more on standard error, or its end. */
  #more = Promise.withResolvers<void>();
  #closed = false;

  constructor(args: string[], options: { prefix?: string[] } = {}) {
    const { path, words } = quartet(["-A"]);
    const command = [...(options.prefix ?? []), path, ...words, ...args];
    this.child = new Deno.Command(command[0]!, {
      args: command.slice(1),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    this.#ended = Promise.all([
      this.child.status,
      new Response(this.child.stdout).text(),
      this.#readErrors(),
    ]).then(([{ code }, stdout]) => (
      { code, stdout, stderr: this.#stderr.replaceAll(WAITING_LINE, "") }
    ));
  }

  async #readErrors(): Promise<void> {
    for await (const text of this.child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#stderr += text;
      this.#more.resolve();
      this.#more = Promise.withResolvers();
    }
    this.#closed = true;
    this.#more.resolve();
  }

  /** Waits until it has written a text to standard error. */
  async said(pattern: RegExp, ms = END_MS): Promise<void> {
    while (!pattern.test(this.#stderr)) {
      if (this.#closed) throw new Error(`It ended without ${pattern}: ${this.#stderr}`);
      await within(ms, `${pattern} on standard error`, this.#more.promise);
    }
  }

  /**
   * The exit code and the output. Lines that tell which nodes it waits for are left out of standard
   * error: they depend on how busy the machine is.
   */
  ended(ms = END_MS): Promise<{ code: number; stdout: string; stderr: string }> {
    return within(ms, "the end of the process", this.#ended);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    signal(this.child, "SIGKILL");
    await this.#ended;
  }
}
