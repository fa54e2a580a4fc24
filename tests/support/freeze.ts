import { signal } from "./signal.ts";
import { until } from "./within.ts";

/**
 * Stops a process with SIGSTOP and waits until it stands still: the signal takes effect a moment
 * after it is sent. Continue it with SIGCONT.
 *
 * @param child A process that this test has started.
 */
export async function freeze(child: Deno.ChildProcess): Promise<void> {
  signal(child, "SIGSTOP");
  if (Deno.build.os !== "linux") return;
  // Its state is the letter behind the name, which is in brackets; see proc_pid_stat(5).
  await until("the process stands still", async () => {
    const stat = await Deno.readTextFile(`/proc/${child.pid}/stat`);
    return stat.slice(stat.lastIndexOf(")")).startsWith(") T");
  });
}
