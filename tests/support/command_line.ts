import { runCommandLine } from "../../lib/cli/run.ts";

/** Collects what is written to a standard stream until it is disposed. */
class Captured implements Disposable {
  #text = "";
  readonly #stream: typeof Deno.stdout;
  readonly #decoder = new TextDecoder();

  constructor(stream: typeof Deno.stdout) {
    this.#stream = stream;
    stream.writeSync = (bytes) => {
      this.#text += this.#decoder.decode(bytes, { stream: true });
      return bytes.length;
    };
  }

  get text(): string {
    return this.#text;
  }

  [Symbol.dispose](): void {
    // Uncovers the method of the prototype.
    Reflect.deleteProperty(this.#stream, "writeSync");
  }
}

/**
 * Runs a quartet command in this process. A process of its own takes half a second of a processor to
 * start, which is wasted on a command that only checks its command line or a file. The command must
 * end by itself and read no standard input; only one can run at a time.
 *
 * @param words The words after the name of the program.
 */
export async function runHere(
  words: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  using stdout = new Captured(Deno.stdout);
  using stderr = new Captured(Deno.stderr);
  const code = await runCommandLine(words);
  return { code, stdout: stdout.text, stderr: stderr.text };
}
