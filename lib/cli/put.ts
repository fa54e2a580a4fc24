import { parseDuration } from "../config/values.ts";
import {
  BeanstalkClient,
  type BeanstalkReply,
  ConnectionLostError,
} from "../task/beanstalk/client.ts";
import { type Command, type CommandArguments, CommandError, EXIT, UsageError } from "./command.ts";
import { openBeanstalkSession } from "./beanstalk_session.ts";
import { addressArgument, dial } from "./dial.ts";
import { askMaxJobBytes, readJobBody } from "./job_body.ts";
import { JOB_FLAGS, jobFlags } from "./job_flags.ts";
import { linesOf } from "./lines.ts";
import { LinesProgress } from "./put_progress.ts";
import { ResultWaiter } from "./result_waiter.ts";
import { SERVER_OPTIONS, tlsOptions, tokenOption } from "./server_options.ts";
import { print, printError, writeAll } from "./terminal.ts";
import { checkTubeName } from "./tube_name.ts";
import { wholeNumberOption } from "./whole_number.ts";

const DEFAULT_PRIORITY = 1024;
const DEFAULT_TTR = "60s";

/** The largest priority, and the largest time in seconds. */
const MAX_U32 = 2 ** 32 - 1;

/** How many lines are in flight at a time. */
const WINDOW = 1000;

/** `quartet put`: puts jobs into a queue. */
export const put: Command = {
  name: "put",
  summary: "Puts jobs into a queue, optionally waiting for the results",
  usage: "HOST:PORT [--tube T] [--wait] [--lines] [BODY|-]",
  positionals: [1, 2],
  options: [
    { name: "tube", value: "T", help: 'puts into this tube (default "default")' },
    {
      name: "priority",
      value: "P",
      help: `0 is the most urgent (default ${DEFAULT_PRIORITY})`,
    },
    { name: "delay", value: "TIME", help: "the job becomes ready after this time (default 0s)" },
    { name: "ttr", value: "TIME", help: `how long a worker may take (default ${DEFAULT_TTR})` },
    ...JOB_FLAGS,
    {
      name: "wait",
      help: "prints progress, waits for the result, and prints it instead of the id",
    },
    { name: "lines", help: "puts one job for each line of standard input" },
    { name: "retry", help: "keeps trying for half a minute if there is no server yet" },
    ...SERVER_OPTIONS,
  ],
  details:
    `Without BODY, or with "-", the body is read from standard input. Write "--" before a BODY that
begins with a dash.
The flags from --attempts to --timeout need a server that is quartet; the others do for beanstalkd.
With --wait, a lost connection is dialed again for about half a minute; the jobs go on meanwhile.
With --lines --wait, results are printed in the order of the lines. If a job is buried, its reason
goes to standard error, an empty line takes the place of its result, and the exit code is 1.`,
  run: async (args) => {
    const address = addressArgument(args.positionals[0]!);
    const command = putCommand(args);
    const lines = args.flag("lines");
    if (lines && args.positionals.length > 1) throw new UsageError("--lines takes no BODY");
    const tube = args.text("tube");
    if (tube !== undefined) checkTubeName(tube);
    const token = tokenOption(args);
    const options = { retry: args.flag("retry"), ...tlsOptions(address, args) };
    const connect = async (retry = options.retry) =>
      await openBeanstalkSession(await dial(address, { ...options, retry }), { address, token });
    const producer = await connect().catch(asCommandError);
    const wait = args.flag("wait");
    // Results come on a connection of their own, so that they do not wait behind puts.
    const first = wait && lines ? await connect().catch(asCommandError) : producer;
    const waiter = wait ? new ResultWaiter(first, () => connect(true)) : undefined;
    try {
      if (tube !== undefined) {
        const { words } = await producer.ask(`use ${tube}`);
        if (words[0] !== "USING") throw new UsageError(`--tube "${tube}": ${words.join(" ")}`);
      }
      if (lines) return await putLines(producer, command, waiter);
      const [, text = "-"] = args.positionals;
      const body = text === "-"
        ? await readJobBody(Deno.stdin.readable, () => askMaxJobBytes(producer))
        : new TextEncoder().encode(text);
      return await putOne(producer, command(body), { body, waiter });
    } catch (error) {
      return asCommandError(error);
    } finally {
      producer.close();
      await waiter?.close();
    }
  },
};

function asCommandError(error: unknown): never {
  if (error instanceof ConnectionLostError) throw new CommandError(error.message);
  throw error;
}

/** Makes the command line for a body. */
type PutCommand = (body: Uint8Array) => string;

function putCommand(args: CommandArguments): PutCommand {
  const priority = wholeNumberOption(args, "priority", {
    min: 0,
    max: MAX_U32,
    fallback: DEFAULT_PRIORITY,
  });
  const delay = seconds("delay", args.text("delay") ?? "0s");
  const ttr = seconds("ttr", args.text("ttr") ?? DEFAULT_TTR);
  const { words, options } = jobFlags(args);
  if ((options.expiresMs ?? Infinity) <= 1000 * delay) {
    throw new UsageError("--expires must be longer than --delay, or the job cannot start in time");
  }
  const name = words === "" ? "put" : "put-job";
  return (body) => `${name} ${priority} ${delay} ${ttr} ${body.length}${words}`;
}

function seconds(name: string, text: string): number {
  const ms = /^\d+$/.test(text) ? 1000 * Number(text) : parseDuration(text);
  const seconds = Math.ceil((ms ?? Infinity) / 1000);
  if (seconds > MAX_U32) throw new UsageError(`--${name} "${text}" is not a time such as "10s"`);
  return seconds;
}

async function putOne(
  client: BeanstalkClient,
  command: string,
  { body, waiter }: { body: Uint8Array; waiter: ResultWaiter | undefined },
): Promise<number> {
  const id = idOf(await client.ask(command, body));
  if (waiter === undefined) {
    print(id);
    return EXIT.OK;
  }
  const result = await resultOf(waiter, id, {
    onProgress: (text) => printError(`Job ${id}: ${new TextDecoder().decode(text)}`),
  });
  if (typeof result === "string") throw new CommandError(`Job ${id}: ${result}`);
  writeAll(Deno.stdout, result);
  if (Deno.stdout.isTerminal()) print("");
  return EXIT.OK;
}

/** Puts each line of standard input and prints its id or result, in the order of the lines. */
async function putLines(
  producer: BeanstalkClient,
  command: PutCommand,
  waiter: ResultWaiter | undefined,
): Promise<number> {
  const progress = new LinesProgress();
  let exitCode: number = EXIT.OK;

  async function putLine(body: Uint8Array): Promise<string | Uint8Array> {
    const id = idOf(await producer.ask(command(body), body));
    if (waiter === undefined) return new TextEncoder().encode(id);
    return await resultOf(waiter, id, { about: `job ${id}: ` });
  }
  function printNext(answer: string | Uint8Array, line: number): void {
    progress.done();
    progress.makeWay();
    if (typeof answer === "string") {
      exitCode = EXIT.FAILED;
      printError(`Line ${line}: ${answer}`);
    } else {
      writeAll(Deno.stdout, answer);
    }
    print("");
  }

  const flying: Promise<string | Uint8Array>[] = [];
  let printed = 0;
  try {
    for await (const line of linesOf(Deno.stdin)) {
      progress.more();
      const answer = putLine(line);
      // It is awaited in its turn; until then a rejection must not count as unhandled.
      answer.catch(() => {});
      flying.push(answer);
      if (flying.length >= WINDOW) printNext(await flying.shift()!, ++printed);
    }
    for (const answer of flying) printNext(await answer, ++printed);
  } finally {
    progress.stop();
  }
  return exitCode;
}

/** @throws {CommandError} If the job was refused. */
function idOf({ words }: BeanstalkReply): string {
  if (words[0] === "INSERTED" || words[0] === "EXISTS") return words[1]!;
  if (words[0] === "NOT_FOUND") {
    throw new CommandError("Cannot put a job: there never was one of the jobs in --after");
  }
  throw new CommandError(`Cannot put a job: the server said ${words.join(" ")}`);
}

/**
 * Waits for the result of a job.
 *
 * @param options `about` precedes the reason if the result cannot be had although the job may be
 * done; `onProgress` is called with what the worker says meanwhile about its progress.
 * @returns The result; a string if there is none, saying why.
 */
async function resultOf(
  waiter: ResultWaiter,
  id: string,
  { about = "", onProgress }: { about?: string; onProgress?: (text: Uint8Array) => void },
): Promise<string | Uint8Array> {
  let reply: BeanstalkReply;
  try {
    reply = await waiter.wait(id, onProgress);
  } catch (error) {
    if (!(error instanceof ConnectionLostError || error instanceof CommandError)) throw error;
    return `${about}no result: ${error.message}`;
  }
  const { words, body } = reply;
  const [word, , state] = words;
  if (word !== "RESULT") return `${about}no result: the server said ${words.join(" ")}`;
  if (state === "done") return body;
  // The reason of a job that is buried or a dead letter; a cancelled or deleted one has none.
  const reason = new TextDecoder().decode(body).trimEnd();
  return reason === "" ? `${state}` : `${state}: ${reason}`;
}
