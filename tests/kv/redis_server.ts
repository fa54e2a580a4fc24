/**
 * A real Redis server for tests that compare quartet with it.
 *
 * @module
 */

import { runProgram } from "../support/programs.ts";
import { signal } from "../support/signal.ts";

/** Whether Redis 7 is installed. Other versions word some replies differently. */
export const HAS_REDIS = /v=7\./.test(
  (await runProgram("redis-server", ["--version"]))?.text ?? "",
);

/** A Redis server on a Unix socket, in its own directory. */
export class TestRedis implements AsyncDisposable {
  readonly path: string;
  readonly #directory: string;
  readonly #child: Deno.ChildProcess;

  private constructor(directory: string, path: string, child: Deno.ChildProcess) {
    this.#directory = directory;
    this.path = path;
    this.#child = child;
  }

  /** Starts a server that accepts connections when this resolves. */
  static async start(): Promise<TestRedis> {
    const directory = await Deno.makeTempDir({ prefix: "quartet-redis-" });
    const path = `${directory}/socket`;
    const child = new Deno.Command("redis-server", {
      args: ["--port", "0", "--unixsocket", path, "--save", "", "--dir", directory],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    let log = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      log += text;
      if (log.includes("ready to accept connections")) break;
    }
    return new TestRedis(directory, path, child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    signal(this.#child, "SIGKILL");
    await this.#child.status;
    await Deno.remove(this.#directory, { recursive: true });
  }
}
