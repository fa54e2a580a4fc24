import { CommandError } from "./command.ts";

/** A job for a {@linkcode JobRunner}. */
export interface Job {
  id: string;
  tube: string;
  /** Which run this is, from 1. */
  attempt: number;
  body: Uint8Array;
  /** Aborts when the job was taken away: nobody wants its result any more. */
  lost: AbortSignal;
}

/** What came of a job. */
export type JobOutcome =
  | { done: true; result: Uint8Array }
  | { done: false; reason: string };

/** Does a job. */
export type JobRunner = (job: Job) => Promise<JobOutcome>;

/** The worker cannot go on, and to try again would not help. */
export class WorkerError extends CommandError {
  override name = "WorkerError";
}

/** The largest result of a command. */
const MAX_RESULT_BYTES = 64 * 1024 * 1024;

/** So much of the end of its standard error is the reason when a command fails. */
const MAX_REASON_BYTES = 1000;

/** The longest number that is squared, in digits. */
const MAX_DIGITS = 10_000;

/** The built-in job: the square of a whole number. */
export const square: JobRunner = ({ body }) => {
  const text = new TextDecoder().decode(body.subarray(0, MAX_DIGITS + 1)).trim();
  if (!/^-?\d+$/.test(text) || text.length > MAX_DIGITS) {
    const reason = `Cannot square "${text.slice(0, 50)}": it is not a whole number`;
    return Promise.resolve({ done: false, reason });
  }
  const result = new TextEncoder().encode(String(BigInt(text) ** 2n));
  return Promise.resolve({ done: true, result });
};

/** Runs a command for each job. */
export function commandRunner([command, ...args]: readonly string[]): JobRunner {
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

function endChild(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // It has ended by itself.
    if (!(error instanceof TypeError)) throw error;
  }
}

/** Writes the body; a command need not read it. */
async function writeBody(stdin: WritableStream<Uint8Array>, body: Uint8Array): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(body);
    await writer.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** All that a stream brings; `null` once that is more than allowed. */
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

/** The end of what a stream brings, as text. */
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
