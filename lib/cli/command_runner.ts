import { ProgressFile } from "./progress_file.ts";
import { WorkerError, type WorkRunner } from "./work_runner.ts";

/** The largest result of a command; the rest is cut off. */
const MAX_RESULT_BYTES = 64 * 1024 * 1024;

/** How much of the end of a failed command's standard error becomes the reason. */
const MAX_REASON_BYTES = 1000;

/**
 * Once a command has exited, its output is read until nothing has come for this long: a child that it
 * left in the background may keep the pipe open for ever.
 */
const QUIET_MS = 250;

/** How long events that are queued when that time is up may take to run. */
const AFTER_EVENTS_MS = 20;

/** Why the rest of a body is not written. */
const ABANDONED = new Error("The command has exited");

/** Options for {@linkcode commandRunner}. */
export interface CommandRunnerOptions {
  /** How long a run may take unless the job says otherwise; `undefined` for no limit. */
  timeoutMs: number | undefined;
  /** How long a command may take to end after SIGTERM, before SIGKILL. */
  killAfterMs: number;
}

/**
 * A runner that runs a command for each job, in a process group of its own: a Ctrl-C at the terminal
 * does not reach it, and it can be ended with all its children.
 *
 * @param command The command and its arguments.
 * @throws {WorkerError} If there is no such command.
 */
export async function commandRunner(
  [command, ...args]: readonly string[],
  { timeoutMs, killAfterMs }: CommandRunnerOptions,
): Promise<WorkRunner> {
  await checkCommand(command!);
  return async ({ id, tube, attempt, body, cancelled, stop, ...job }) => {
    const limitMs = job.timeoutMs ?? timeoutMs;
    const progress = job.reports && await ProgressFile.create();
    if (progress !== undefined) job.reports!(() => progress.read());
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command(command!, {
        args,
        env: {
          QUARTET_JOB_ID: id,
          QUARTET_TUBE: tube,
          QUARTET_ATTEMPT: String(attempt),
          ...progress && { QUARTET_PROGRESS: progress.path },
        },
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
        detached: true,
      }).spawn();
    } catch (error) {
      await progress?.remove();
      throw new WorkerError(`Cannot run "${command}": ${(error as Error).message}`);
    }
    let timedOut = false;
    let exited = false;
    const timers: ReturnType<typeof setTimeout>[] = [];
    const kill = () => {
      if (!exited) endGroup(child.pid, "SIGKILL");
    };
    const terminate = () => {
      if (exited) return;
      endGroup(child.pid, "SIGTERM");
      timers.push(setTimeout(kill, killAfterMs));
    };
    if (limitMs !== undefined) {
      timers.push(setTimeout(() => {
        timedOut = !exited;
        terminate();
      }, limitMs));
    }
    if (cancelled.aborted) kill();
    if (stop?.aborted) terminate();
    cancelled.addEventListener("abort", kill);
    stop?.addEventListener("abort", terminate);
    const status = child.status.then((status) => {
      exited = true;
      // The command has ended; what it has started must not go on.
      if (timedOut || cancelled.aborted || stop?.aborted) endGroup(child.pid, "SIGKILL");
      return status;
    });
    try {
      const [{ success, code, signal }, output, reason] = await Promise.all([
        status,
        readStart(child.stdout, MAX_RESULT_BYTES, status),
        readEnd(child.stderr, MAX_REASON_BYTES, status),
        writeBody(child.stdin, body, status),
      ]);
      if (timedOut) return { done: false, reason: `timed out after ${limitMs! / 1000} s` };
      if (success) return { done: true, ...output };
      const how = signal === null ? `exit code ${code}` : `ended by ${signal}`;
      return { done: false, reason: reason.trim() === "" ? how : reason };
    } finally {
      cancelled.removeEventListener("abort", kill);
      stop?.removeEventListener("abort", terminate);
      for (const timer of timers) clearTimeout(timer);
      await progress?.remove();
    }
  };
}

/** @throws {WorkerError} If the command is not an executable file, looked up as a shell would. */
async function checkCommand(command: string): Promise<void> {
  const isPath = command.includes("/");
  const folders = isPath ? [""] : (Deno.env.get("PATH") ?? "").split(":").map((dir) => `${dir}/`);
  let reason = isPath ? "there is no such file" : "there is no such command in PATH";
  for (const folder of folders) {
    try {
      const { isFile, mode } = await Deno.stat(`${folder}${command}`);
      if (isFile && (mode ?? 0o111) & 0o111) return;
      reason = "it is not an executable file";
    } catch (error) {
      const isElsewhere = error instanceof Deno.errors.NotFound ||
        error instanceof Deno.errors.NotADirectory ||
        error instanceof Deno.errors.PermissionDenied;
      if (error instanceof Deno.errors.NotCapable) return;
      if (!isElsewhere) throw error;
    }
  }
  throw new WorkerError(`Cannot run "${command}": ${reason}`);
}

/** Writes the body. A command may ignore it, and a child in the background may keep the pipe open. */
async function writeBody(
  stdin: WritableStream<Uint8Array>,
  body: Uint8Array,
  exit: Promise<unknown>,
): Promise<void> {
  const writer = stdin.getWriter();
  const writing = writer.write(body).then(() => writer.close()).catch((error) => {
    if (!(error instanceof Deno.errors.BrokenPipe || error === ABANDONED)) throw error;
  });
  await Promise.race([writing, exit.then(() => writer.abort(ABANDONED).catch(() => {}))]);
}

/** Reads a stream and keeps its start. */
async function readStart(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  exit: Promise<unknown>,
): Promise<{ result: Uint8Array; resultBytes: number }> {
  const chunks: Uint8Array[] = [];
  let resultBytes = 0;
  for await (const chunk of chunksUntilExit(stream, exit)) {
    if (resultBytes < maxBytes) chunks.push(chunk.subarray(0, maxBytes - resultBytes));
    resultBytes += chunk.length;
  }
  return { result: await new Blob(chunks as BlobPart[]).bytes(), resultBytes };
}

/** Reads a stream and keeps its end, as text. */
async function readEnd(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  exit: Promise<unknown>,
): Promise<string> {
  let end = new Uint8Array(0);
  for await (const chunk of chunksUntilExit(stream, exit)) {
    const all = new Uint8Array(end.length + chunk.length);
    all.set(end);
    all.set(chunk, end.length);
    end = all.slice(-maxBytes);
  }
  return new TextDecoder().decode(end);
}

/** The chunks of a stream until it ends, or until it is quiet after the command has exited. */
async function* chunksUntilExit(
  stream: ReadableStream<Uint8Array>,
  exit: Promise<unknown>,
): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let exited = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => void reader.cancel().catch(() => {});
  const wait = () => {
    clearTimeout(timer);
    if (!exited) return;
    // If this process was held up, there may be output that is not read yet. So when the time is up,
    // let queued events run before giving up.
    timer = setTimeout(() => timer = setTimeout(stop, AFTER_EVENTS_MS), QUIET_MS);
  };
  let ended = false;
  exit.then(() => {
    exited = !ended;
    wait();
  });
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      wait();
      yield read.value;
    }
  } finally {
    ended = true;
    clearTimeout(timer);
  }
}

/** Sends a signal to every process of a group. */
function endGroup(leader: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    Deno.kill(-leader, signal);
  } catch (error) {
    // All of them have ended.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
