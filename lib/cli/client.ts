import { abortable } from "@std/async/abortable";
import { deadline } from "@std/async/deadline";
import { TextLineStream } from "@std/streams/text-line-stream";
import { lossReason } from "../net/connect.ts";
import { type Command, type CommandArguments, CommandError, EXIT, UsageError } from "./command.ts";
import { CLIENT_SERVICES, type ClientService, completions, usualService } from "./client_words.ts";
import { addressArgument, dial } from "./dial.ts";
import { LineEditor } from "./line_editor.ts";
import { RAW_OPTION, ReceivedOutput } from "./received_output.ts";
import { loginError, SERVER_OPTIONS, tlsOptions, tokenOption } from "./server_options.ts";
import { printError, writeAll } from "./terminal.ts";
import { timeOption } from "./time_option.ts";

const DEFAULT_WAIT = "10s";
const PROMPT = "> ";
const READ_BYTES = 64 * 1024;
const NEWLINE = 10;

/** How long a server may take to answer a token, and how long its answer may be. */
const LOGIN_TIMEOUT_MS = 10_000;
const LOGIN_MAX_BYTES = 4096;

/** The signals that end a conversation; Ctrl-C is a key in raw mode. */
const STOP_SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? []
  : ["SIGTERM", "SIGHUP"];

/** The width of a terminal that does not tell its own. */
const DEFAULT_COLUMNS = 80;

const encoder = new TextEncoder();

/** `quartet client`: sends lines from the keyboard or a file to a server and prints its answers. */
export const client: Command = {
  name: "client",
  summary: "Sends lines to a server and prints its answers",
  usage: "HOST:PORT [--retry] [--service NAME] [--wait TIME] [--raw] [--tls] [--token-file FILE]",
  positionals: [1, 1],
  options: [
    { name: "retry", help: "keeps trying to connect for half a minute" },
    {
      name: "service",
      value: "NAME",
      help: "what to complete at a terminal: kv, task or mesh (default: by the usual port)",
    },
    {
      name: "wait",
      value: "TIME",
      help: `how long to wait for answers after the last line was sent (default ${DEFAULT_WAIT})`,
    },
    RAW_OPTION,
    ...SERVER_OPTIONS,
  ],
  details: `The address may also be unix:/path.

At a terminal, the keys of a shell edit the line, the cursor keys bring back earlier lines, and Tab
completes commands. Lines for task end with CR LF, which its beanstalk port requires. "exit" or
Ctrl-D leaves.

Otherwise standard input is sent unchanged, with a newline after the last line if it has none, and
answers are printed until the server closes the connection or --wait has passed. If standard output
is a terminal, control characters in answers are shown as \\x1b, so that they cannot change colours
or move the cursor.`,
  run: async (args) => {
    const address = addressArgument(args.positionals[0]!);
    const waitMs = timeOption(args, "wait", DEFAULT_WAIT);
    const service = serviceOption(args) ?? usualService(address);
    const token = tokenOption(args);
    using conn = await dial(address, {
      retry: args.flag("retry"),
      ...tlsOptions(address, args),
    });
    if (token !== undefined) await logIn(conn, token);
    if (Deno.stdin.isTerminal() && Deno.stdout.isTerminal()) {
      await converse(conn, args, service);
    } else await sendAll(conn, args, waitMs);
    return EXIT.OK;
  },
};

/**
 * Reads the option `--service`.
 *
 * @throws {UsageError} If there is no such service.
 */
function serviceOption(args: CommandArguments): ClientService | undefined {
  const name = args.text("service");
  const service = CLIENT_SERVICES.find((candidate) => candidate === name);
  if (name !== undefined && service === undefined) {
    throw new UsageError(`--service must be one of ${CLIENT_SERVICES.join(", ")}`);
  }
  return service;
}

/**
 * Sends a token as the first line, and reads the answer but nothing beyond it.
 *
 * @throws {CommandError} If the server does not accept the token.
 */
async function logIn(conn: Deno.Conn, token: string): Promise<void> {
  let answer = "";
  try {
    const bytes = encoder.encode(`AUTH ${token}\n`);
    for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
    // Byte by byte, to leave everything after the answer to the conversation.
    const byte = new Uint8Array(1);
    const limit = AbortSignal.timeout(LOGIN_TIMEOUT_MS);
    while (!answer.endsWith("\n") && answer.length < LOGIN_MAX_BYTES) {
      if (await abortable(conn.read(byte), limit) === null) break;
      answer += String.fromCharCode(byte[0]!);
    }
  } catch (error) {
    if (!(error instanceof DOMException) && !isConnectionEnd(error)) throw error;
    throw new CommandError("Cannot log in: the server does not answer");
  }
  if (answer.trim() !== "OK") throw loginError(answer.trim());
}

/** Sends all of standard input and prints the answers. */
async function sendAll(
  conn: Deno.Conn,
  args: CommandArguments,
  waitMs: number,
): Promise<void> {
  const ended = new AbortController();
  const printed = printAnswers(conn, new ReceivedOutput(args), ended);
  await send(conn, Deno.stdin.readable, ended.signal);
  try {
    await deadline(printed, waitMs);
  } catch (error) {
    if (!(error instanceof DOMException && error.name === "TimeoutError")) throw error;
  }
}

/** Sends lines as they are typed and prints answers above the prompt. */
async function converse(
  conn: Deno.Conn,
  args: CommandArguments,
  service: ClientService | undefined,
): Promise<void> {
  const ended = new AbortController();
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  // Without a listener the process would end and leave the terminal in raw mode.
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, stop);
  // Before the first prompt, or the terminal itself echoes whatever is typed at once.
  Deno.stdin.setRaw(true);
  const editor = new LineEditor(
    {
      write: (bytes) => writeAll(Deno.stdout, bytes),
      columns: () => Deno.consoleSize().columns || DEFAULT_COLUMNS,
    },
    PROMPT,
    (typed) => service === undefined ? [] : completions(service, typed),
  );
  try {
    const lines = Deno.stdin.readable
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(editor.keys)
      .pipeThrough(new TextLineStream())
      .pipeThrough(untilExit(service === "task" ? "\r\n" : "\n"));
    const output = new ReceivedOutput(args, (bytes) => editor.show(bytes));
    const printed = printAnswers(conn, output, ended);
    const end = AbortSignal.any([ended.signal, stopped.signal]);
    await Promise.race([send(conn, lines, end), printed]);
  } finally {
    editor.close();
    Deno.stdin.setRaw(false);
    for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, stop);
  }
  if (ended.signal.aborted) printError("The server has closed the connection.");
}

/** Passes lines on as bytes, each with its terminator, and ends at the line "exit". */
function untilExit(terminator: string): TransformStream<string, Uint8Array> {
  return new TransformStream({
    transform(line, controller) {
      if (line.trim() === "exit") controller.terminate();
      else controller.enqueue(encoder.encode(line + terminator));
    },
  });
}

/**
 * Sends the input, with a newline after its last line if it has none, and closes the sending side.
 * Stops early when the connection ends.
 *
 * The reads are abortable one by one, because an iterator over the input could not return while a
 * read is pending, and nobody may be typing.
 */
async function send(
  conn: Deno.Conn,
  input: ReadableStream<Uint8Array>,
  ended: AbortSignal,
): Promise<void> {
  const reader = input.getReader();
  let last = NEWLINE;
  try {
    for (;;) {
      const { done, value } = await abortable(reader.read(), ended);
      if (done) break;
      for (let sent = 0; sent < value.length;) sent += await conn.write(value.subarray(sent));
      last = value.at(-1) ?? last;
    }
    if (last !== NEWLINE) await conn.write(Uint8Array.of(NEWLINE));
    await conn.closeWrite();
  } catch (error) {
    if (error !== ended.reason && !isConnectionEnd(error)) throw error;
  }
}

/**
 * Prints answers until the server closes the connection or standard output is closed, then aborts
 * `ended`.
 */
async function printAnswers(
  conn: Deno.Conn,
  output: ReceivedOutput,
  ended: AbortController,
): Promise<void> {
  const buffer = new Uint8Array(READ_BYTES);
  try {
    for (let count; (count = await conn.read(buffer)) !== null;) {
      if (!output.write(buffer.subarray(0, count))) break;
    }
  } catch (error) {
    if (error instanceof Deno.errors.UnexpectedEof) {
      throw new CommandError(`Connection lost: ${lossReason(error)}`);
    }
    if (!isConnectionEnd(error)) throw error;
  } finally {
    output.end();
    ended.abort();
  }
}

/** Whether an error only reports that either side has closed the connection. */
function isConnectionEnd(error: unknown): boolean {
  return [
    Deno.errors.ConnectionReset,
    Deno.errors.BrokenPipe,
    Deno.errors.NotConnected,
    Deno.errors.UnexpectedEof,
    Deno.errors.BadResource,
    Deno.errors.Interrupted,
  ].some((kind) => error instanceof kind);
}
