import { withOthersOff } from "../../tests/support/daemon.ts";
import { denoRun, quartetServe, ROOT, type ServerCommand } from "../support/servers.ts";

/** quartet with only task enabled. */
export function quartet(storage: string): ServerCommand {
  return async (port, directory) => {
    const task = '[task]\nlisten = "127.0.0.1:0"\n' +
      `beanstalk = "127.0.0.1:${port}"\nstorage = "${storage}"\n` +
      'max_memory = "8GiB"\n[task.generator]\nenabled = false\n[daemon]\ndata_dir = "."\n';
    const file = `${directory}/quartet.toml`;
    await Deno.writeTextFile(file, withOthersOff(task));
    return quartetServe(file);
  };
}

/** beanstalkd in memory. */
export const beanstalkd: ServerCommand = (port) =>
  Promise.resolve({ command: "beanstalkd", args: ["-l", "127.0.0.1", "-p", String(port)] });

/** beanstalkd with its log on disk, synced at every write. */
export const durableBeanstalkd: ServerCommand = (port, directory) =>
  Promise.resolve({
    command: "beanstalkd",
    args: ["-l", "127.0.0.1", "-p", String(port), "-b", directory, "-f", "0"],
  });

/** The baseline for PostgreSQL: one statement at a time. */
export function oneStatementAtATime(url: string): ServerCommand {
  const file = `${ROOT}bench/task/baseline_server.ts`;
  return (port) => Promise.resolve(denoRun(["-A", file, String(port), url]));
}

/** Whether beanstalkd is installed. */
export async function hasBeanstalkd(): Promise<boolean> {
  try {
    return (await new Deno.Command("beanstalkd", { args: ["-v"] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A loop of reads and writes that answers as a queue would; the limit for one in Deno. */
export function emptyLoop(bodyBytes: number): ServerCommand {
  const file = `${ROOT}bench/task/empty_server.ts`;
  return (port) => Promise.resolve(denoRun(["-A", file, String(port), String(bodyBytes)]));
}
