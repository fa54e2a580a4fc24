/** The root of the project. */
export const ROOT = new URL("../../", import.meta.url).pathname;

/** What the task `start` allows. */
export const PERMISSIONS: readonly string[] = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
];

/**
 * The words that run quartet with Deno, before its own.
 *
 * @param bundle What is run instead of main.ts; it may load nothing but itself.
 */
export function denoWords(bundle?: string): string[] {
  const from = bundle === undefined
    ? ["--frozen", `--config=${ROOT}deno.json`]
    : ["--no-config", "--no-remote", "--no-npm"];
  return ["run", ...from, ...PERMISSIONS, bundle ?? `${ROOT}main.ts`];
}

/** Runs a quartet command to its end. */
export async function runQuartet(
  words: string[],
  options: { stdin?: string | Uint8Array; env?: Record<string, string>; entry?: string } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  await using directory = await makeTempDirectory();
  const child = new Deno.Command(Deno.execPath(), {
    args: [...denoWords(options.entry), ...words],
    cwd: directory.path,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(60_000),
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

/** A directory that is there as long as its owner. */
export async function makeTempDirectory(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "quartet-test-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
