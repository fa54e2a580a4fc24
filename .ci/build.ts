/**
 * Runs the tasks `bundle` and `compile` of deno.json with other paths and platforms.
 *
 * @module
 */

import project from "../deno.json" with { type: "text" };

/** The root of the project. */
export const ROOT = new URL("../", import.meta.url);

const { tasks } = JSON.parse(project) as {
  tasks: { bundle: string; compile: { command: string } };
};

/** A task has failed; the message holds what it wrote to standard error. */
export class BuildError extends Error {
  override name = "BuildError";
}

/** Options for {@linkcode compile}. */
export interface CompileOptions {
  /** The bundle to embed. */
  bundle: string;
  /** Where to write the executable. */
  output: string;
  /** The platform, in Deno's words. @default {the one this runs on} */
  target?: string;
  /** Additional environment variables. */
  env?: Record<string, string>;
  /** Stops the compiler. */
  signal?: AbortSignal;
}

/**
 * Runs the task `bundle`.
 *
 * @param output Where to write the bundle.
 * @param options `check`: whether to check the types, which takes most of the time.
 * @throws {BuildError} If it fails.
 */
export async function bundle(output: string, { check = true } = {}): Promise<void> {
  const words = withOutput(tasks.bundle, output);
  await deno(check ? words : words.filter((word) => word !== "--check"));
}

/**
 * Runs the command of the task `compile`, without the task `bundle` that precedes it.
 *
 * @param options See {@linkcode CompileOptions}.
 * @throws {BuildError} If it fails, or the signal has stopped it.
 */
export async function compile(options: CompileOptions): Promise<void> {
  const { bundle, output, target, env = {}, signal } = options;
  const [command, ...words] = withOutput(tasks.compile.command, output).with(-1, bundle);
  const platform = target === undefined ? [] : ["--target", target];
  await deno([command!, ...platform, ...words], { env, ...(signal && { signal }) });
}

/** Runs Deno in the root of the project and returns its standard output. */
export async function deno(
  args: string[],
  options: { env?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    ...options,
  });
  const { success, code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new BuildError(`deno ${args.join(" ")}: exit code ${code}\n${decoder.decode(stderr)}`);
  }
  return decoder.decode(stdout);
}

/** The words of a task behind "deno", with another path after `--output`. */
function withOutput(task: string, output: string): string[] {
  const [program, ...words] = task.split(" ");
  const option = words.indexOf("--output");
  if (program !== "deno" || option === -1) throw new BuildError(`Cannot read the task "${task}"`);
  return words.with(option + 1, output);
}
