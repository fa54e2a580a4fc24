/**
 * `deno task bench NAME [OPTIONS]` runs one benchmark; without a name it lists them.
 *
 * @module
 */

/** All benchmarks; only the one that runs is loaded. */
const BENCHMARKS: Record<string, () => Promise<{ main(args: string[]): Promise<void> }>> = {
  bus: () => import("./bus.ts"),
  echo: () => import("./echo.ts"),
  kv: () => import("./kv.ts"),
  mesh: () => import("./mesh.ts"),
  task: () => import("./task.ts"),
};

const [name, ...args] = Deno.args;
const benchmark = BENCHMARKS[name ?? ""];
if (benchmark === undefined) {
  const problem = name === undefined ? "" : `Cannot run "${name}": no such benchmark\n`;
  const usage = `${problem}deno task bench ${Object.keys(BENCHMARKS).join("|")} [OPTIONS]\n`;
  await Deno.stderr.write(new TextEncoder().encode(usage));
  Deno.exit(2);
}
await (await benchmark()).main(args);
