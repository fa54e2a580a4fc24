import { runCommandLine } from "./lib/cli/run.ts";
import { isWorkerThread } from "./lib/worker.ts";

// In the bundled program this is the entry point of worker threads as well.
if (import.meta.main && !isWorkerThread()) Deno.exit(await runCommandLine(Deno.args));
