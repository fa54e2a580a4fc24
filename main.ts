import { isWorkerThread } from "./lib/worker.ts";

if (isWorkerThread()) {
  // Only a bundle is the entry point of its workers as well. They load no more than they may run.
  await import("./lib/mesh/sort/worker_starter.ts");
  await import("./lib/mesh/sort/sort_worker.ts");
} else if (import.meta.main) {
  const { runCommandLine } = await import("./lib/cli/run.ts");
  Deno.exit(await runCommandLine(Deno.args));
}
