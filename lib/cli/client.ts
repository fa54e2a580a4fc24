import { abortable } from "@std/async/abortable";
import { deadline } from "@std/async/deadline";
import { TextLineStream } from "@std/streams/text-line-stream";
import { parseDuration } from "../config/values.ts";
import { lossReason } from "../net/connect.ts";
import { type Command, CommandError, EXIT, UsageError } from "./command.ts";
import { addressArgument, dial } from "./dial.ts";
import { LineEditor } from "./line_editor.ts";
import { loginError, SERVER_OPTIONS, tlsOptions, tokenOption } from "./server_options.ts";
import { printError, writeAll } from "./terminal.ts";

const DEFAULT_WAIT = "10s";
const PROMPT = "> ";
const READ_BYTES = 64 * 1024;
const NEWLINE = 10;

/** How long a server may take to answer a token, and how long that answer may be. */
const LOGIN_TIMEOUT_MS = 10_000;
const LOGIN_MAX_BYTES = 4096;

/** What ends a conversation from outside; Ctrl-C is a key in raw mode. */
const STOP_SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? []
  : ["SIGTERM", "SIGHUP"];

/** Where the columns of a terminal are not known. */
const DEFAULT_COLUMNS = 80;

const encoder = new TextEncoder();

/** `quartet client`: lines from the keyboard or a file to a server, and its answers back. */
export const client: Command = {
  name: "client",
  summary: "Sends lines to a server and prints what it says",
  usage: "HOST:PORT [--retry] [--wait TIME] [--tls] [--token-file FILE]",
  positionals: [1, 1],
  options: [
    { name: "retry", help: "tries again for half a minute if there is no server yet" },
    {
      name: "wait",
      value: "TIME",
      help: `waits so long for answers after the last line was sent (default ${DEFAULT_WAIT})`,
    },
    ...SERVER_OPTIONS,
  ],
  details: `The address may be unix:/path as well.

At a terminal: "exit" or Ctrl-D leaves. Else everything from standard input is sent as it is, with
a newline behind the last line, and the answers are printed until the server closes the connection,
or --wait is over.`,
  run: async (args) => {
    const address = addressArgument(args.positionals[0]!);
    const wait = args.text("wait") ?? DEFAULT_WAIT;
    const waitMs = parseDuration(wait);
    if (waitMs === undefined) throw new UsageError(`--wait "${wait}" is not a time such as "10s"`);
    const token = tokenOption(args);
    using conn = await dial(address, {
      retry: args.flag("retry"),
      ...tlsOptions(address, args),
    });
    if (token !== undefined) await logIn(conn, token);
    if (Deno.stdin.isTerminal() && Deno.stdout.isTerminal()) await converse(conn);
    else await sendAll(conn, waitMs);
    return EXIT.OK;
  },
};

/**
 * Shows the server a token, as its first line. What it says behind its answer is left unread.
 *
 * @throws {CommandError} If it does not say that the token is right.
 */
async function logIn(conn: Deno.Conn, token: string): Promise<void> {
  let answer = "";
  try {
    const bytes = encoder.encode(`AUTH ${token}\n`);
    for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
    // Byte by byte, so that nothing is taken away from who reads the conversation.
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

/** Sends all of standard input, and prints the answers. */
async function sendAll(conn: Deno.Conn, waitMs: number): Promise<void> {
  const ended = new AbortController();
  const printed = printAnswers(conn, (bytes) => writeAll(Deno.stdout, bytes), ended);
  await send(conn, Deno.stdin.readable, ended.signal);
  try {
    await deadline(printed, waitMs);
  } catch (error) {
    if (!(error instanceof DOMException && error.name === "TimeoutError")) throw error;
  }
}

/** Sends lines as they are typed, and prints what arrives above the prompt. */
async function converse(conn: Deno.Conn): Promise<void> {
  const ended = new AbortController();
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  // A process that just ends would leave the terminal raw.
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, stop);
  // Before the first prompt, or the terminal echoes as well what is typed at once.
  Deno.stdin.setRaw(true);
  const editor = new LineEditor({
    write: (bytes) => writeAll(Deno.stdout, bytes),
    columns: () => Deno.consoleSize().columns || DEFAULT_COLUMNS,
  }, PROMPT);
  try {
    const lines = Deno.stdin.readable
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(editor.keys)
      .pipeThrough(new TextLineStream());
    const printed = printAnswers(conn, (bytes) => editor.show(bytes), ended);
    const end = AbortSignal.any([ended.signal, stopped.signal]);
    await Promise.race([send(conn, untilExit(lines), end), printed]);
  } finally {
    editor.close();
    Deno.stdin.setRaw(false);
    for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, stop);
  }
  if (ended.signal.aborted) printError("The server has closed the connection.");
}

async function* untilExit(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const line of lines) {
    if (line.trim() === "exit") return;
    yield encoder.encode(`${line}\n`);
  }
}

/**
 * Sends bytes, ends their last line, and says that there are no more, unless the server ends the
 * connection before.
 */
async function send(
  conn: Deno.Conn,
  input: AsyncIterable<Uint8Array>,
  ended: AbortSignal,
): Promise<void> {
  let last = NEWLINE;
  try {
    for await (const bytes of abortable(input, ended)) {
      for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
      last = bytes.at(-1) ?? last;
    }
    if (last !== NEWLINE) await conn.write(Uint8Array.of(NEWLINE));
    await conn.closeWrite();
  } catch (error) {
    if (error !== ended.reason && !isConnectionEnd(error)) throw error;
  }
}

/**
 * Prints what arrives until the server closes the connection or nobody is there to read it; then
 * it aborts `ended`.
 */
async function printAnswers(
  conn: Deno.Conn,
  print: (bytes: Uint8Array) => boolean,
  ended: AbortController,
): Promise<void> {
  const buffer = new Uint8Array(READ_BYTES);
  try {
    for (let count; (count = await conn.read(buffer)) !== null;) {
      if (!print(buffer.subarray(0, count))) break;
    }
  } catch (error) {
    if (error instanceof Deno.errors.UnexpectedEof) {
      throw new CommandError(`Connection lost: ${lossReason(error)}`);
    }
    if (!isConnectionEnd(error)) throw error;
  } finally {
    ended.abort();
  }
}

/** Whether an error only says that the other side, or this one, has closed the connection. */
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
