import { runCommandLine } from "./lib/cli/run.ts";
import { isWorkerThread } from "./lib/worker.ts";

// The worker threads of a bundle start here as well.
if (import.meta.main && !isWorkerThread()) Deno.exit(await runCommandLine(Deno.args));
