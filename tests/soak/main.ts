/**
 * Puts all services under load, from well-behaved clients and from misbehaving ones.
 *
 *     deno task soak [--minutes 10]    a mixed load with frequent reloads
 *     deno task fuzz [--minutes 1]     the same load next to many clients that send garbage
 *
 * Exits with 1 if anything was lost, memory has grown, descriptors leaked, or an error was logged.
 */

import { parseArgs } from "@std/cli/parse-args";
import { print, printError } from "../../lib/cli/terminal.ts";
import { type DaemonProcess, startDaemon, withOthersOff } from "../support/daemon.ts";
import { until } from "../support/within.ts";
import { echoWorkload } from "./echo_workload.ts";
import { kvWorkload } from "./kv_workload.ts";
import { meshWorkload } from "./mesh_workload.ts";
import { ProcessWatch } from "./process_watch.ts";
import { taskWorkload } from "./task_workload.ts";
import { makeTrouble } from "./trouble.ts";
import { pause, type Targets } from "./workload.ts";

const RELOAD_EVERY_MS = 2000;
const WARM_UP_MS = 3000;
/** Number of misbehaving clients. */
const TROUBLEMAKERS = { soak: 5, fuzz: 40 };

/** The configuration; each reload changes a setting that affects no connection. */
function config(turn: number): string {
  return withOthersOff(`
[daemon]
drain_timeout = "${9 + turn % 2}s"
[echo]
listen = "127.0.0.1:0"
# The readers share their cores with everything else here, so they may pause without being slow.
slow_after = "500ms"
[kv]
listen = "127.0.0.1:0"
[task]
listen = "127.0.0.1:0"
beanstalk = "127.0.0.1:0"
[mesh]
listen = "127.0.0.1:0"
memory = "64MiB"
[admin]
listen = "127.0.0.1:0"
`);
}

function targetsOf(daemon: DaemonProcess): Targets {
  return {
    echo: daemon.address("echo"),
    kv: daemon.address("kv"),
    task: daemon.addresses("task")[0]!,
    beanstalk: daemon.addresses("task")[1]!,
    mesh: daemon.address("mesh"),
    admin: daemon.address("admin"),
  };
}

async function reloadRepeatedly(daemon: DaemonProcess, stop: AbortSignal): Promise<string> {
  let reloads = 0;
  while (!stop.aborted) {
    await pause(RELOAD_EVERY_MS);
    await Deno.writeTextFile(daemon.configFile, config(++reloads));
    daemon.signal("SIGHUP");
    await daemon.loggedTimes("msg=Reloaded", reloads);
  }
  return `${reloads} reloads`;
}

async function run(kind: "soak" | "fuzz", minutes: number): Promise<boolean> {
  await using daemon = await startDaemon({ config: config(0) });
  const targets = targetsOf(daemon);
  const watch = new ProcessWatch(daemon.child.pid);
  const workloads = [
    echoWorkload(targets),
    kvWorkload(targets),
    taskWorkload(targets),
    meshWorkload(targets, `${daemon.directory}/data/sort`),
  ];
  // Warm up first: threads and files that are opened on first use are not leaks.
  const warm = AbortSignal.timeout(WARM_UP_MS);
  await Promise.all(workloads.map((workload) => workload.run(warm)));
  const idle = "the clients of the warm-up have disconnected";
  let descriptorsBefore = Infinity;
  await until(
    idle,
    () => {
      const falling = watch.descriptors() < descriptorsBefore;
      descriptorsBefore = watch.descriptors();
      return !falling;
    },
    10_000,
    200,
  );
  const stop = AbortSignal.timeout(minutes * 60_000);
  const all = [
    ...workloads.map(async (workload) => say(workload.name, await workload.run(stop))),
    makeTrouble(targets, stop, TROUBLEMAKERS[kind]).then(({ connections, bytes }) =>
      say("trouble", `${connections} connections, ${bytes} bytes of garbage`)
    ),
    watch.run(stop),
  ];
  if (kind === "soak") {
    all.push(reloadRepeatedly(daemon, stop).then((text) => say("reload", text)));
  }
  const failures = (await Promise.allSettled(all)).filter((end) => end.status === "rejected");
  for (const { reason } of failures) say("FAILED", String(reason?.stack ?? reason));

  await until("no descriptor is left open", () => watch.descriptors() <= descriptorsBefore + 2)
    .catch(() => {});
  const descriptors = watch.descriptors();
  const { beforeMib, afterMib, peakMib, isFlat } = watch.growth();
  say("memory", `${beforeMib} MiB early on, ${afterMib} MiB at the end, ${peakMib} MiB at most`);
  say("files", `${descriptorsBefore} descriptors before, ${descriptors} after`);
  const { code } = await daemon.stop();
  say("exit", String(code));
  const errors = daemon.log.split("\n").filter((line) => line.includes("level=error"));
  for (const line of errors.slice(0, 10)) say("error", line);
  return failures.length === 0 && isFlat && descriptors <= descriptorsBefore + 2 && code === 0 &&
    errors.length === 0;
}

function say(name: string, text: string): void {
  print(`${name.padEnd(8)} ${text}`);
}

const { _: [kind = "soak"], minutes } = parseArgs(Deno.args, { string: ["minutes"] });
const time = Number(minutes ?? (kind === "fuzz" ? 1 : 10));
if (!(kind === "soak" || kind === "fuzz") || !(time > 0)) {
  printError("usage: deno task soak|fuzz [--minutes N]");
  Deno.exit(2);
}
const passed = await run(kind, time);
print(passed ? "passed" : "FAILED");
Deno.exit(passed ? 0 : 1);
