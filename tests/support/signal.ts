/**
 * Sends a signal to a process that this test has started, if it still runs. A process may end at
 * any moment before its status is known here, and then `ChildProcess.kill()` throws.
 */
export function signal(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    child.kill(name);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}
