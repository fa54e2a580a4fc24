import { delay } from "@std/async/delay";
import { parseDuration } from "../config/values.ts";
import { type Address, formatAddress } from "../net/address.ts";
import { ConnectionLostError } from "../task/beanstalk/client.ts";
import { WrongProtocolError } from "./beanstalk_session.ts";
import { type Command, type CommandArguments, CommandError, EXIT, UsageError } from "./command.ts";
import { commandRunner } from "./command_runner.ts";
import { addressArgument, dial, type DialOptions } from "./dial.ts";
import { LoginError, SERVER_OPTIONS, tlsOptions, tokenOption } from "./server_options.ts";
import { StopSignals } from "./stop_signals.ts";
import { printError } from "./terminal.ts";
import { checkTubeName } from "./tube_name.ts";
import { wholeNumberOption } from "./whole_number.ts";
import { serveTasks } from "./work_push.ts";
import { serveJobs } from "./work_queue.ts";
import { square, WorkerError } from "./work_runner.ts";

const MAX_JOBS = 1000;

/** The first and the longest pause before a lost connection is dialed again. */
const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 10_000;

/** How long a command may take to end after SIGTERM. */
const KILL_AFTER_MS = 5000;

/** The longest time of an option; timers cannot run longer. */
const MAX_TIME_MS = 24 * 86_400_000;

/** `quartet work`: runs jobs of a queue. */
export const work: Command = {
  name: "work",
  summary: "Takes jobs from a queue and runs them",
  usage: "HOST:PORT [--tube T]… [--jobs N] [--timeout TIME] [--push] [-- COMMAND ARGS…]",
  positionals: [1, 1],
  takesRest: true,
  options: [
    {
      name: "tube",
      value: "T",
      repeatable: true,
      help: 'takes jobs from this tube (default "default")',
    },
    { name: "jobs", value: "N", help: "runs up to N jobs at a time (default 1)" },
    {
      name: "timeout",
      value: "TIME",
      help:
        "ends a command that runs longer, and fails the job (default: no limit); a job can have its own",
    },
    {
      name: "kill-after",
      value: "TIME",
      help: `how long it may then take to end after SIGTERM (default ${KILL_AFTER_MS / 1000}s)`,
    },
    { name: "push", help: "speaks the protocol of the push port: one line per task" },
    ...SERVER_OPTIONS,
  ],
  details: `Without COMMAND, each job is a whole number and its result is the square.
With COMMAND, the command runs once for each job. The body of the job is its standard input, and its
environment has QUARTET_JOB_ID, QUARTET_TUBE and QUARTET_ATTEMPT. If it exits with 0, its standard
output is the result. Otherwise the job is given back to be tried again later, and the end of its
standard error is the reason. A job is touched while it runs, so it may take longer than its ttr.
What it writes to the file named by QUARTET_PROGRESS becomes the progress of the job within seconds.
If the job is cancelled meanwhile, the command gets SIGTERM within seconds, and SIGKILL after
--kill-after.
The command runs in a process group of its own, which is ended as a whole. What it leaves running in
the background does not delay the result. A result that is too long for the server is truncated.
If the worker itself is killed by SIGKILL, the command runs on while another worker gets the job. On
Linux, \`setpriv --pdeathsig KILL COMMAND\` ends with its worker; a service of systemd ends as a whole.
On SIGTERM or SIGINT, finishes the jobs it has and exits, an idle worker within 2 s. On a second one,
ends the commands at once, gives the jobs back without counting an attempt, and exits with ${EXIT.INTERRUPTED}.`,
  run: async (args) => {
    const address = addressArgument(args.positionals[0]!);
    const jobs = wholeNumberOption(args, "jobs", { min: 1, max: MAX_JOBS, fallback: 1 });
    const tubes = args.texts("tube");
    const push = args.flag("push");
    if (push && tubes.length > 0) {
      throw new UsageError("--tube cannot be used with --push: the server chooses the tube");
    }
    tubes.forEach(checkTubeName);
    const limits = {
      timeoutMs: timeOption(args, "timeout"),
      killAfterMs: timeOption(args, "kill-after") ?? KILL_AFTER_MS,
    };
    for (const name of ["timeout", "kill-after"]) {
      if (args.rest.length > 0 || args.text(name) === undefined) continue;
      throw new UsageError(`--${name} needs a COMMAND`);
    }
    const runner = args.rest.length > 0 ? await commandRunner(args.rest, limits) : square;
    const token = tokenOption(args);
    const server = { address, tls: tlsOptions(address, args) };
    using signals = new StopSignals();
    const serve = (conn: Deno.Conn, ready: () => void) =>
      push
        ? serveTasks(conn, { runner, token, signals })
        : serveJobs(conn, { address, tubes, runner, token, signals, ready });
    await Promise.all(
      Array.from({ length: jobs }, () => stayConnected(server, signals.stopping, serve)),
    );
    if (signals.ending.aborted) return EXIT.INTERRUPTED;
    return EXIT.OK;
  },
};

/** Connects and serves, again and again, until it should stop. */
async function stayConnected(
  { address, tls }: { address: Address; tls: Pick<DialOptions, "tls"> },
  stopping: AbortSignal,
  serve: (conn: Deno.Conn, ready: () => void) => Promise<void>,
): Promise<void> {
  let backoffMs = RECONNECT_MIN_MS;
  let accepted = false;
  const ready = () => {
    backoffMs = RECONNECT_MIN_MS;
    accepted = true;
  };
  while (!stopping.aborted) {
    try {
      const conn = await dial(address, { retry: false, ...tls });
      await serve(conn, ready);
      if (stopping.aborted) return;
    } catch (error) {
      if (
        error instanceof UsageError || error instanceof WorkerError || error instanceof LoginError
      ) throw error;
      // Later on, a server that does not reply is more likely overloaded than of another protocol.
      if (error instanceof WrongProtocolError && !accepted) throw error;
      if (!(error instanceof ConnectionLostError || error instanceof CommandError)) throw error;
      if (stopping.aborted) return;
      printError(error.message.split(";")[0]!);
    }
    printError(`Trying ${formatAddress(address)} again in ${backoffMs} ms`);
    await delay(backoffMs, { signal: stopping }).catch(() => {});
    backoffMs = Math.min(2 * backoffMs, RECONNECT_MAX_MS);
  }
}

/** The value of an option that takes a time, in milliseconds; `undefined` if it is not given. */
function timeOption(args: CommandArguments, name: string): number | undefined {
  const text = args.text(name);
  if (text === undefined) return undefined;
  const ms = parseDuration(text) ?? 0;
  if (ms >= 1 && ms <= MAX_TIME_MS) return ms;
  throw new UsageError(`--${name} must be a time from 1ms to 24d such as "10s"`);
}
