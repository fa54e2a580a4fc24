/**
 * Server processes for benchmarks.
 *
 * @module
 */

import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";

/** A running server process. */
export interface ServerProcess extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  /** Milliseconds from the start of the process to the first accepted connection. */
  readonly startMs: number;
}

/** Returns the command that starts a server on a port, with `directory` for its files. */
export type ServerCommand = (port: number, directory: string) => Promise<{
  command: string;
  args: string[];
}>;

/** The root of the project. */
export const ROOT = new URL("../../", import.meta.url).pathname;

/** The flag that the tasks `start` and `compile` pass to V8; see docs/architecture.md. */
export const V8_FLAGS = "--max-semi-space-size=2";

const START_MAX_MS = 20_000;

/** The command that runs a program with Deno and the project's configuration. */
export function denoRun(words: string[]): { command: string; args: string[] } {
  return {
    command: Deno.execPath(),
    args: ["run", "--frozen", `--config=${ROOT}deno.json`, ...words],
  };
}

/** The command that runs quartet with a configuration file. */
export function quartetServe(
  file: string,
  words: string[] = [],
): { command: string; args: string[] } {
  const permissions = ["--allow-net", "--allow-read", "--allow-write", "--allow-env"];
  return denoRun([
    `--v8-flags=${V8_FLAGS}`,
    ...permissions,
    `${ROOT}main.ts`,
    "serve",
    "--config",
    file,
    ...words,
  ]);
}

/** Whether a program is installed. */
export async function isInstalled(program: string): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args: ["--version"] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Options for {@linkcode startServer}. */
export interface StartOptions {
  /** The directory for its files, which stays. By default a temporary one, which is removed. */
  directory?: string;
}

/**
 * Starts a server and waits until it accepts a connection.
 *
 * @throws {Error} If it does not do so in time; the process is then killed.
 */
export async function startServer(
  server: ServerCommand,
  options: StartOptions = {},
): Promise<ServerProcess> {
  const directory = options.directory ?? await Deno.makeTempDir({ prefix: "quartet-bench-" });
  const port = freePort();
  const { command, args } = await server(port, directory);
  const startedMs = performance.now();
  const child = new Deno.Command(command, {
    args,
    cwd: directory,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  async function stop(): Promise<void> {
    try {
      child.kill("SIGKILL");
    } catch (error) {
      // The process has already ended.
      if (!(error instanceof TypeError)) throw error;
    }
    await child.status;
    if (options.directory === undefined) await Deno.remove(directory, { recursive: true });
  }
  try {
    await deadline(firstAccept(port, child.status), START_MAX_MS);
  } catch (error) {
    await stop();
    throw new Error(`Cannot start ${command} ${args.join(" ")}`, { cause: error });
  }
  const startMs = performance.now() - startedMs;
  return { pid: child.pid, port, startMs, [Symbol.asyncDispose]: stop };
}

/** Picks a free port: not every server reports the port that it picked itself. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function firstAccept(port: number, ended: Promise<Deno.CommandStatus>): Promise<void> {
  let hasEnded = false;
  ended.then(() => hasEnded = true);
  for (;;) {
    try {
      return (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      if (hasEnded) throw new Error("The process ended");
    }
    await delay(1);
  }
}
