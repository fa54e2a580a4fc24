import { delay } from "@std/async/delay";
import { type Address, formatAddress } from "../net/address.ts";
import { type BeanstalkClient, ConnectionLostError } from "../task/beanstalk/client.ts";
import { type Command, CommandError, EXIT, UsageError } from "./command.ts";
import { openBeanstalkSession, WrongProtocolError } from "./beanstalk_session.ts";
import { addressArgument, dial, type DialOptions } from "./dial.ts";
import { serveTasks } from "./work_push.ts";
import { commandRunner, square, WorkerError, type WorkRunner } from "./work_runner.ts";
import { SERVER_OPTIONS, tlsOptions, tokenOption } from "./server_options.ts";
import { printError } from "./terminal.ts";
import { wholeNumberOption } from "./whole_number.ts";

const MAX_JOBS = 1000;

/** The first and the longest pause before a lost connection is dialed again. */
const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 10_000;

/** `quartet work`: runs jobs of a queue. */
export const work: Command = {
  name: "work",
  summary: "Takes jobs from a queue and runs them",
  usage: "HOST:PORT [--tube T]… [--jobs N] [--push] [-- COMMAND ARGS…]",
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
    { name: "push", help: "speaks the protocol of the push port: one line per task" },
    ...SERVER_OPTIONS,
  ],
  details: `Without COMMAND, each job is a whole number and its result is the square.
With COMMAND, the command runs once for each job. The body of the job is its standard input, and its
environment has QUARTET_JOB_ID, QUARTET_TUBE and QUARTET_ATTEMPT. If it exits with 0, its standard
output is the result. Otherwise the job is given back to be tried again later, and the end of its
standard error is the reason. A job is touched while it runs, so it may take longer than its ttr.
On SIGTERM or SIGINT, finishes the jobs it has and exits.`,
  run: async (args) => {
    const address = addressArgument(args.positionals[0]!);
    const jobs = wholeNumberOption(args, "jobs", { min: 1, max: MAX_JOBS, fallback: 1 });
    const tubes = args.texts("tube");
    const push = args.flag("push");
    if (push && tubes.length > 0) {
      throw new UsageError("--tube cannot be used with --push: the server chooses the tube");
    }
    const runner = args.rest.length > 0 ? await commandRunner(args.rest) : square;
    const token = tokenOption(args);
    const server = { address, tls: tlsOptions(address, args) };
    const stopping = new AbortController();
    const stop = () => stopping.abort();
    for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, stop);
    try {
      const serve = push
        ? (conn: Deno.Conn, session: SessionOptions) =>
          serveTasks(conn, { runner, token, stopping: session.stopping })
        : (conn: Deno.Conn, session: SessionOptions) =>
          serveJobs(conn, { address, tubes, runner, token, ...session });
      await Promise.all(
        Array.from({ length: jobs }, () => stayConnected(server, stopping.signal, serve)),
      );
    } finally {
      for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.removeSignalListener(signal, stop);
    }
    return EXIT.OK;
  },
};

/** What a session on a connection needs. */
interface SessionOptions {
  /** Aborts when no more jobs should be taken. */
  stopping: AbortSignal;
  /** Called when the server has accepted the session. */
  ready(): void;
}

/** Connects and serves, again and again, until it should stop. */
async function stayConnected(
  { address, tls }: { address: Address; tls: Pick<DialOptions, "tls"> },
  stopping: AbortSignal,
  serve: (conn: Deno.Conn, session: SessionOptions) => Promise<void>,
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
      await serve(conn, { stopping, ready });
      if (stopping.aborted) return;
    } catch (error) {
      if (error instanceof UsageError || error instanceof WorkerError) throw error;
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

/** Takes one job after another from the beanstalk port. */
async function serveJobs(
  conn: Deno.Conn,
  { address, tubes, runner, token, stopping, ready }: SessionOptions & {
    address: Address;
    tubes: string[];
    runner: WorkRunner;
    token: string | undefined;
  },
): Promise<void> {
  const client = await openBeanstalkSession(conn, { address, token });
  // A worker that waits for a job has none to finish.
  let waiting = false;
  const stop = () => waiting && client.close();
  stopping.addEventListener("abort", stop);
  try {
    for (const tube of tubes) {
      const { words } = await client.ask(`watch ${tube}`);
      if (words[0] !== "WATCHING") throw new UsageError(`--tube "${tube}": ${words.join(" ")}`);
    }
    if (tubes.length > 0 && !tubes.includes("default")) await client.ask("ignore default");
    ready();
    while (!stopping.aborted) {
      waiting = true;
      const { words, body } = await client.ask("reserve");
      waiting = false;
      if (words[0] === "RESERVED") await doJob(client, { id: words[1]!, body }, runner);
      else throw new CommandError(`Cannot reserve a job: the server said ${words.join(" ")}`);
    }
  } finally {
    stopping.removeEventListener("abort", stop);
    client.close();
  }
}

/** Runs a job, touches it meanwhile, and reports the outcome. */
async function doJob(
  client: BeanstalkClient,
  { id, body }: { id: string; body: Uint8Array },
  runner: WorkRunner,
): Promise<void> {
  const stats = new TextDecoder().decode((await client.ask(`stats-job ${id}`)).body);
  const field = (name: string) => new RegExp(`^${name}: "?(.*?)"?$`, "m").exec(stats)?.[1] ?? "";
  const lost = new AbortController();
  const touchMs = Math.max(300, Number(field("ttr")) * 1000 / 3);
  const touching = setInterval(() => {
    client.ask(`touch ${id}`).then(({ words }) => {
      if (words[0] === "NOT_FOUND") lost.abort();
    }, () => lost.abort());
  }, touchMs);
  const outcome = await runner({
    id,
    body,
    tube: field("tube"),
    attempt: Number(field("reserves")) || 1,
    lost: lost.signal,
  }).finally(() => clearInterval(touching));
  if (lost.signal.aborted) return printError(`Job ${id}: it was taken away`);
  if (outcome.done) {
    const { words } = await client.ask(`done ${id} ${outcome.result.length}`, outcome.result);
    if (words[0] === "DONE") return;
    if (words[0] === "NOT_FOUND") return printError(`Job ${id}: it was taken away`);
    await fail(client, id, `the result was refused: ${words.join(" ")}`);
  } else {
    await fail(client, id, outcome.reason);
  }
}

async function fail(client: BeanstalkClient, id: string, reason: string): Promise<void> {
  const bytes = new TextEncoder().encode(reason);
  const { words } = await client.ask(`fail ${id} ${bytes.length}`, bytes);
  const became = words[0] === "BURIED" ? "buried" : "will be tried again";
  printError(`Job ${id}: ${became}: ${reason.trimEnd()}`);
}
