import { delay } from "@std/async/delay";
import { ADMIN_OPTIONS, adminTarget } from "./admin_target.ts";
import { type Command, CommandError, EXIT, UsageError } from "./command.ts";
import { TOKEN_OPTION, tokenOption } from "./server_options.ts";
import { StopSignals } from "./stop_signals.ts";
import { printError, writeAll } from "./terminal.ts";
import { timeOption } from "./time_option.ts";
import { DaemonReader } from "./top/daemon_reader.ts";
import { plainReport } from "./top/plain_report.ts";
import { keysIn, Screen } from "./top/screen.ts";
import { TopView } from "./top/view.ts";

const DEFAULT_INTERVAL = "2s";
const MIN_INTERVAL_MS = 100;

/** The time between the two looks of `--once`, which make the rates. */
const ONCE_INTERVAL_MS = 1000;

const encoder = new TextEncoder();

/** `quartet top`: shows what a running daemon does. */
export const top: Command = {
  name: "top",
  summary: "Shows what a running daemon does: rates, latencies, clients, tubes",
  usage: "[--once] [--interval TIME] [--address HOST:PORT] [--token-file FILE]",
  positionals: [0, 0],
  options: [
    { name: "once", help: "prints one report and exits" },
    {
      name: "interval",
      value: "TIME",
      help: `how often to ask the daemon (default ${DEFAULT_INTERVAL})`,
    },
    TOKEN_OPTION,
    ...ADMIN_OPTIONS,
  ],
  details:
    `Keys: q quits, Tab and 1 to 4 select clients, tubes, subjects or mesh, the left and right
arrows the service whose clients are listed, and s their order.

If standard output is not a terminal, it prints a report in plain lines at each interval. Clients are
listed only to users who may make changes at the admin service.`,
  run: async (args) => {
    const reader = new DaemonReader(adminTarget(args), tokenOption(args));
    const intervalMs = timeOption(args, "interval", DEFAULT_INTERVAL);
    if (intervalMs < MIN_INTERVAL_MS) throw new UsageError("--interval must be at least 100ms");
    using signals = new StopSignals();
    const stop = signals.stopping;
    if (args.flag("once")) {
      await reader.read();
      await pause(ONCE_INTERVAL_MS, stop);
      print(await plainReport(reader));
    } else if (Deno.stdout.isTerminal() && Deno.stdin.isTerminal()) {
      await showScreen(reader, intervalMs, stop);
    } else await printReports(reader, intervalMs, stop);
    return EXIT.OK;
  },
};

/** Prints a report at each interval, until it is stopped or nobody reads. */
async function printReports(
  reader: DaemonReader,
  intervalMs: number,
  stop: AbortSignal,
): Promise<void> {
  await reader.read();
  while (!stop.aborted) {
    await pause(intervalMs, stop);
    if (stop.aborted) return;
    try {
      if (!print(`${await plainReport(reader)}\n`)) return;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      printError(error.message);
    }
  }
}

/** Shows the daemon on the screen, until the user quits. */
async function showScreen(
  reader: DaemonReader,
  intervalMs: number,
  stop: AbortSignal,
): Promise<void> {
  const view = new TopView();
  // A wrong address or token is said at once, on the screen that the user sees.
  view.show(await reader.read());
  using screen = new Screen();
  const quit = new AbortController();
  const over = AbortSignal.any([stop, quit.signal]);
  const draw = () => screen.draw(view.lines(reader.address, screen.size));
  /** Ends the present pause, because the user wants to see something else. */
  let hurry = new AbortController();
  const keyboard = followKeys(over, (key) => {
    if (key === "q" || key === "interrupt") quit.abort();
    else if (view.press(key)) {
      draw();
      hurry.abort();
    }
  });
  Deno.addSignalListener("SIGWINCH", draw);
  try {
    while (!over.aborted) {
      await refresh(reader, view);
      if (over.aborted) break;
      draw();
      await pause(intervalMs, AbortSignal.any([over, hurry.signal]));
      hurry = new AbortController();
    }
  } finally {
    Deno.removeSignalListener("SIGWINCH", draw);
    quit.abort();
    await keyboard;
  }
}

async function refresh(reader: DaemonReader, view: TopView): Promise<void> {
  try {
    view.show(await reader.read());
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return view.lose(error.message, Date.now());
  }
  const { wanted } = view;
  if (wanted === undefined) return;
  try {
    view.showClients(await reader.clients(wanted.service, { order: wanted.order }));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    view.showClients(error.message);
  }
}

/** Calls a function with each key that is pressed. */
async function followKeys(over: AbortSignal, pressed: (key: string) => void): Promise<void> {
  const reader = Deno.stdin.readable.getReader();
  const decoder = new TextDecoder();
  over.addEventListener("abort", () => void reader.cancel().catch(() => {}), { once: true });
  for (;;) {
    const { done, value } = await reader.read();
    // The terminal is gone.
    if (done && !over.aborted) return pressed("q");
    if (done) return;
    for (const key of keysIn(decoder.decode(value, { stream: true }))) pressed(key);
  }
}

/** Waits, but no longer than until a signal. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, { signal }).catch((error) => {
    if (!signal.aborted) throw error;
  });
}

function print(text: string): boolean {
  return writeAll(Deno.stdout, encoder.encode(`${text}\n`));
}
