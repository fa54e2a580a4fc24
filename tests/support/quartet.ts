import { makeTempDirectory } from "./temp_directory.ts";

/** The root of the project. */
export const ROOT = new URL("../../", import.meta.url).pathname;

/** The permissions of the task `start`. */
export const PERMISSIONS: readonly string[] = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys=statfs",
];

/** How to start quartet: a program, and the words that precede quartet's own. */
export interface Program {
  readonly path: string;
  readonly words: readonly string[];
}

/** The bundle that `.ci/test.ts` has made for the tests of a whole run, as the task `bundle` does. */
export const BUNDLE: string | undefined = Deno.env.get("QUARTET_TEST_BUNDLE");

/**
 * quartet as most tests start it: from a bundle if the test runner made one, as that saves 0.4 s of a
 * processor at each start, and otherwise from its sources.
 */
export function quartet(permissions = PERMISSIONS): Program {
  return BUNDLE === undefined ? sources(permissions) : bundled(BUNDLE, permissions);
}

/** quartet from its sources. */
function sources(permissions: readonly string[]): Program {
  const options = ["--no-prompt", "--frozen", `--config=${ROOT}deno.json`];
  return { path: Deno.execPath(), words: ["run", ...options, ...permissions, `${ROOT}main.ts`] };
}

/** A daemon with one of the services alone; see one_service_daemon.ts. */
export function oneService(name: "kv" | "task", permissions = PERMISSIONS): Program {
  const { path, words } = sources(permissions);
  const script = `${ROOT}tests/support/one_service_daemon.ts`;
  return { path, words: [...words.slice(0, -1), script, name] };
}

/** quartet from a bundle, which may load nothing but itself. */
export function bundled(file: string, permissions: readonly string[] = PERMISSIONS): Program {
  const options = ["--no-prompt", "--no-config", "--unstable-net", "--no-remote", "--no-npm"];
  return { path: Deno.execPath(), words: ["run", ...options, ...permissions, file] };
}

/** quartet as an executable of its own. */
export function executable(file: string): Program {
  return { path: file, words: [] };
}

/** Runs a quartet command and waits for it to exit. */
export async function runQuartet(
  words: string[],
  options: { stdin?: string | Uint8Array; env?: Record<string, string>; program?: Program } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  await using directory = await makeTempDirectory();
  const { program = quartet() } = options;
  const child = new Deno.Command(program.path, {
    args: [...program.words, ...words],
    cwd: directory.path,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(120_000),
  }).spawn();
  const writer = child.stdin.getWriter();
  // A command that ends without reading its input closes the pipe.
  const { stdin = "" } = options;
  const input = typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin;
  await writer.write(input).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
