/**
 * Worker threads that run a module of this program.
 *
 * When the program runs from its sources, each module is a file and the worker loads that file.
 * When it is bundled, as the executable always is, one file holds everything: the worker loads that
 * same file, and main.ts imports the modules of workers and nothing else. Each recognises its turn
 * by the name of the worker.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** Whether this thread is a worker and not the main thread. */
export function isWorkerThread(): boolean {
  return "WorkerGlobalScope" in globalThis;
}

/**
 * Starts a worker.
 *
 * @param name The worker's name, by which the module recognises its turn.
 * @param module The module's path relative to `lib/`, such as "mesh/sort/sort_worker.ts".
 */
export function startWorker(name: string, module: string): Worker {
  const url = isBundled() ? import.meta.url : new URL(module, import.meta.url);
  return new Worker(url, { type: "module", name });
}

/** The path that a worker needs permission to read: the bundle, or the folder of the sources. */
export function workerSources(): string {
  return fileURLToPath(isBundled() ? import.meta.url : new URL(".", import.meta.url));
}

function isBundled(): boolean {
  return !import.meta.url.endsWith("/lib/worker.ts");
}
