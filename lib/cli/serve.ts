import type { LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { Daemon, type DaemonOptions } from "../daemon/daemon.ts";
import { createLog, type Log, type LogOptions } from "../log.ts";
import { LogOutput } from "../log_output.ts";
import type { Metric } from "../metrics.ts";
import { RecentLog } from "../recent_log.ts";
import { isDriverFault } from "../storage/postgres/driver_fault.ts";
import { SERVICES } from "../services.ts";
import { VERSION } from "../version.ts";
import { type Command, CommandError, EXIT } from "./command.ts";
import { CONFIG_OPTIONS, readConfig } from "./config_file.ts";
import { InspectorGuard } from "./inspector_guard.ts";
import { coloured, wantsColours } from "./log_colours.ts";
import { Signals } from "./signals.ts";
import { SystemdNotifier } from "./systemd.ts";

/** How long the end of the daemon may wait until the last lines of the log are written. */
const LAST_LINES_MAX_MS = 1000;

/** The log, and what others may see of it. */
interface LogParts {
  options: LogOptions;
  recentLog: RecentLog;
  logMetrics: () => Metric[];
}

/** `quartet serve`: runs the daemon until a signal stops it. */
export const serve: Command = {
  name: "serve",
  summary: "Runs the services that the configuration enables",
  usage: "[--config FILE] [--set KEY=VALUE]…",
  positionals: [0, 0],
  options: CONFIG_OPTIONS,
  details: `SIGINT or SIGTERM finishes accepted work and exits; a second SIGINT exits at once.
SIGHUP reads the configuration again. Limits change at once; a service restarts only if it must.
SIGUSR2 makes task refuse new jobs until the next start; workers finish those in the queue.`,
  run: async (args) => {
    // Must come before the first await: the default action of these signals ends the process.
    using signals = new Signals();
    const read = () => readConfig(args.text("config"), args.texts("set"));
    const output = new LogOutput({
      write: (lines) => Deno.stderr.write(lines),
      onLost: (lines) => createLog("daemon", options).warn("Log lines were lost", { lines }),
    });
    const recentLog = new RecentLog();
    const hasColours = wantsColours(Deno.stderr);
    const options: LogOptions = {
      level: "info",
      format: "text",
      sink: (lines) => {
        recentLog.add(lines);
        output.write(hasColours ? coloured(lines) : lines);
      },
      ready: () => output.ready(),
    };
    try {
      return await Promise.race([
        runDaemon(signals, read, { options, recentLog, logMetrics: () => output.metrics() }),
        // This works at any time, also while a slow database keeps the daemon from starting.
        signals.interruptedTwice.then(() => EXIT.INTERRUPTED),
      ]);
    } finally {
      await output.flush(LAST_LINES_MAX_MS);
    }
  },
};

async function runDaemon(
  signals: Signals,
  read: () => LoadedConfig,
  { options, ...view }: LogParts,
): Promise<number> {
  const { config } = read();
  Object.assign(options, config.log);
  const log = createLog("daemon", options);
  logUnhandledErrors(log);
  using _guard = new InspectorGuard(log);
  const daemon = await start(config, options, {
    ...view,
    readConfig: () => readAgain(read),
    signal: signals.stop,
  });
  if (daemon === undefined) {
    log.info("Stopped while starting", { signal: await signals.next() });
    return EXIT.OK;
  }
  using systemd = new SystemdNotifier(config.daemon.data_dir, log);
  const names = () => [...daemon.running.keys()].join(",");
  log.info("Ready", { version: VERSION, services: names() });
  await systemd.send("READY=1", `STATUS=Serving ${names()}`);
  systemd.startWatchdog();

  let signal = await signals.next();
  for (; signal === "SIGHUP" || signal === "SIGUSR2"; signal = await signals.next()) {
    if (signal === "SIGUSR2") {
      const services = daemon.refuseNewWork().join(",");
      log.info("Drain mode: taking no new jobs until the next start", { services });
      await systemd.send("STATUS=Drain mode: taking no new jobs");
      continue;
    }
    await systemd.send("RELOADING=1", "STATUS=Reading the configuration again");
    await reload(daemon, read, options, log);
    await systemd.send("READY=1", `STATUS=Serving ${names()}`);
  }
  log.info("Draining", { signal });
  await systemd.send("STOPPING=1", "STATUS=Draining");
  await daemon.drain();
  log.info("Stopped");
  return EXIT.OK;
}

/** Starts the daemon; returns `undefined` if the signal came first. */
async function start(
  config: LoadedConfig["config"],
  options: LogOptions,
  view: Omit<LogParts, "options"> & Pick<DaemonOptions, "readConfig" | "signal">,
): Promise<Daemon | undefined> {
  try {
    return await Daemon.start(config, {
      services: SERVICES,
      createLog: (part) => createLog(part, options),
      ...view,
    });
  } catch (error) {
    if (view.signal?.aborted) return undefined;
    if (!(error instanceof Error)) throw error;
    throw new CommandError(error.message);
  }
}

async function reload(
  daemon: Daemon,
  read: () => LoadedConfig,
  options: LogOptions,
  log: Log,
): Promise<void> {
  const config = readAgain(read);
  if (Array.isArray(config)) {
    daemon.rejectReload();
    for (const fault of config) log.error("Not reloaded: the configuration is wrong", { fault });
    return;
  }
  await daemon.reload(config);
  Object.assign(options, config.log);
  log.info("Reloaded");
}

/** Reads the configuration of the running daemon; returns one line per fault if it is wrong. */
function readAgain(read: () => LoadedConfig): Config | string[] {
  try {
    return read().config;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return error.message.split("\n");
  }
}

/** Keeps an unhandled error from ending the daemon, and logs it as the bug that it is. */
function logUnhandledErrors(log: Log): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    const { reason } = event;
    if (isDriverFault(reason)) {
      log.debug("A connection to the database ended while it was being opened", {
        error: reason.message,
      });
      return;
    }
    const stack = reason instanceof Error ? reason.stack : undefined;
    log.error("Bug: unhandled error", { error: String(reason), stack });
  });
}
