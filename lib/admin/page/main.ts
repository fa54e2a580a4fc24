/**
 * The entry point of the page, which polls the daemon once a second. `deno task page` bundles it.
 *
 * @module
 */

/// <reference lib="dom" />
import { fetchDaemon } from "./api.ts";
import { Page } from "./page.ts";
import type { DaemonJson } from "./daemon_json.ts";

const POLL_MS = 1000;

const page = new Page();

async function poll(): Promise<void> {
  let daemon: DaemonJson;
  try {
    daemon = await fetchDaemon(page.logPosition);
  } catch (error) {
    // No connection, no answer in time, no JSON: to the user, the daemon is lost in any case.
    if (!(error instanceof Error)) throw error;
    page.showLost();
    return;
  }
  try {
    page.show(daemon);
  } catch (error) {
    // A bug in one view must not stop the polling.
    reportError(error);
  }
}

for (;;) {
  const startedMs = performance.now();
  await poll();
  const restMs = Math.max(100, POLL_MS - (performance.now() - startedMs));
  await new Promise((resolve) => setTimeout(resolve, restMs));
}
