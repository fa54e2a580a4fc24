/**
 * Worker threads that run a module of this program.
 *
 * Run from its sources or compiled, the program has a file for each module, and the worker runs
 * that file. Bundled, there is one file for everything: the worker runs that one, and the module
 * sees from the name of the worker that its time has come. So the module has to be imported by
 * the main program as well, which is also what puts it into the compiled one.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** Whether this thread is a worker of the program rather than its main thread. */
export function isWorkerThread(): boolean {
  return "WorkerGlobalScope" in globalThis;
}

/**
 * Starts a worker.
 *
 * @param name Its name, by which the module knows that it is meant.
 * @param module The module relative to the folder of this one, such as "mesh/sort/sort_worker.ts".
 */
export function startWorker(name: string, module: string): Worker {
  const url = isBundled() ? import.meta.url : new URL(module, import.meta.url);
  return new Worker(url, { type: "module", name });
}

/** What Deno has to allow a worker to read for it to start: the sources of the program. */
export function workerSources(): string {
  return fileURLToPath(isBundled() ? import.meta.url : new URL(".", import.meta.url));
}

function isBundled(): boolean {
  return !import.meta.url.endsWith("/lib/worker.ts");
}
