import { CommandError } from "./command.ts";

/** A job as a {@linkcode WorkRunner} gets it. */
export interface RunnableJob {
  id: string;
  tube: string;
  /** The number of this run, from 1. */
  attempt: number;
  body: Uint8Array;
  /** Aborts when the job is no longer reserved for this worker, so that its result is useless. */
  lost: AbortSignal;
}

/** The outcome of a job. */
export type JobOutcome =
  | { done: true; result: Uint8Array }
  | { done: false; reason: string };

/** Runs a job. */
export type WorkRunner = (job: RunnableJob) => Promise<JobOutcome>;

/** Thrown when the worker cannot go on and a retry would not help. */
export class WorkerError extends CommandError {
  override name = "WorkerError";
}

/** The largest result of a command. */
const MAX_RESULT_BYTES = 64 * 1024 * 1024;

/** How much of the end of a failed command's standard error becomes the reason. */
const MAX_REASON_BYTES = 1000;

/** The most digits of a number to square. */
const MAX_DIGITS = 10_000;

/** The built-in runner: squares a whole number. */
export const square: WorkRunner = ({ body }) => {
  const text = new TextDecoder().decode(body.subarray(0, MAX_DIGITS + 1)).trim();
  if (!/^-?\d+$/.test(text) || text.length > MAX_DIGITS) {
    const reason = `Cannot square "${text.slice(0, 50)}": it is not a whole number`;
    return Promise.resolve({ done: false, reason });
  }
  const result = new TextEncoder().encode(String(BigInt(text) ** 2n));
  return Promise.resolve({ done: true, result });
};

/**
 * A runner that runs a command for each job.
 *
 * @throws {WorkerError} If there is no such command.
 */
export async function commandRunner([command, ...args]: readonly string[]): Promise<WorkRunner> {
  await checkCommand(command!);
  return async ({ id, tube, attempt, body, lost }) => {
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command(command!, {
        args,
        env: {
          QUARTET_JOB_ID: id,
          QUARTET_TUBE: tube,
          QUARTET_ATTEMPT: String(attempt),
        },
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    } catch (error) {
      throw new WorkerError(`Cannot run "${command}": ${(error as Error).message}`);
    }
    const kill = () => endChild(child);
    lost.addEventListener("abort", kill);
    try {
      const [result, reason] = await Promise.all([
        readUpTo(child.stdout, MAX_RESULT_BYTES, kill),
        readEnd(child.stderr, MAX_REASON_BYTES),
        writeBody(child.stdin, body),
      ]);
      const { success, code, signal } = await child.status;
      if (result === null) {
        return { done: false, reason: `the result is longer than ${MAX_RESULT_BYTES} bytes` };
      }
      if (success) return { done: true, result };
      const how = signal === null ? `exit code ${code}` : `ended by ${signal}`;
      return { done: false, reason: reason.trim() === "" ? how : reason };
    } finally {
      lost.removeEventListener("abort", kill);
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

function endChild(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // It has already ended.
    if (!(error instanceof TypeError)) throw error;
  }
}

/** Writes the body. A command may ignore it. */
async function writeBody(stdin: WritableStream<Uint8Array>, body: Uint8Array): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(body);
    await writer.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** Reads a whole stream; `null` if it is longer than allowed. */
async function readUpTo(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  tooMuch: () => void,
): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > maxBytes) tooMuch();
    else chunks.push(chunk);
  }
  return length > maxBytes ? null : await new Blob(chunks as BlobPart[]).bytes();
}

/** Reads a stream and keeps its end, as text. */
async function readEnd(stream: ReadableStream<Uint8Array>, maxBytes: number): Promise<string> {
  let end = new Uint8Array(0);
  for await (const chunk of stream) {
    const all = new Uint8Array(end.length + chunk.length);
    all.set(end);
    all.set(chunk, end.length);
    end = all.slice(-maxBytes);
  }
  return new TextDecoder().decode(end);
}
