import type { Address } from "../net/address.ts";
import type { BeanstalkClient } from "../task/beanstalk/client.ts";
import { openBeanstalkSession } from "./beanstalk_session.ts";
import { CommandError, UsageError } from "./command.ts";
import { askMaxJobBytes, USUAL_MAX_JOB_BYTES } from "./job_body.ts";
import { printError } from "./terminal.ts";
import type { JobOutcome, WorkRunner } from "./work_runner.ts";
import type { StopSignals } from "./stop_signals.ts";

/**
 * How long a worker waits for a job at a time. A wait cannot be cancelled: closing the connection
 * could lose a job that the server has just handed out, and count it as a failed attempt. So this is
 * also how long an idle worker may take to stop.
 */
const RESERVE_S = 2;

/** How long a server may take to answer a worker that wants to exit. */
const STOP_TIMEOUT_MS = 5000;

/**
 * The longest time between two touches of a running job. A touch also reports progress, and finds
 * out that a job was cancelled, so its command is ended at most this long afterwards.
 */
const MAX_TOUCH_INTERVAL_MS = 5000;

/** The reply to a result that is too long. */
const TOO_BIG = "JOB_TOO_BIG";

/** Options for {@linkcode serveJobs}. */
export interface JobSessionOptions {
  address: Address;
  /** The tubes to take jobs from; "default" if empty. */
  tubes: readonly string[];
  runner: WorkRunner;
  token: string | undefined;
  /** The signals that the worker obeys. */
  signals: Pick<StopSignals, "stopping" | "ending">;
  /** Called when the server has accepted the session. */
  ready: () => void;
  /**
   * How long the server may take to answer a worker that wants to exit.
   *
   * @default {STOP_TIMEOUT_MS}
   */
  stopTimeoutMs?: number;
}

/**
 * Takes one job after another from the beanstalk port, until it should stop.
 *
 * @param conn The connection; it is closed in the end.
 * @throws {ConnectionLostError} If the connection is lost.
 * @throws {CommandError} If the server refuses the session or a command.
 */
export async function serveJobs(conn: Deno.Conn, options: JobSessionOptions): Promise<void> {
  const { address, tubes, runner, token, signals: { stopping, ending }, ready } = options;
  const { stopTimeoutMs = STOP_TIMEOUT_MS } = options;
  const client = await openBeanstalkSession(conn, { address, token });
  // A server that is held up must not keep the worker from exiting.
  let waiting = false;
  const timers: ReturnType<typeof setTimeout>[] = [];
  const closeSoon = () => timers.push(setTimeout(() => client.close(), stopTimeoutMs));
  const onStopping = () => {
    if (waiting) closeSoon();
  };
  stopping.addEventListener("abort", onStopping);
  ending.addEventListener("abort", closeSoon);
  try {
    for (const tube of tubes) {
      const { words } = await client.ask(`watch ${tube}`);
      if (words[0] !== "WATCHING") throw new UsageError(`--tube "${tube}": ${words.join(" ")}`);
    }
    if (tubes.length > 0 && !tubes.includes("default")) await client.ask("ignore default");
    ready();
    while (!stopping.aborted) {
      waiting = true;
      const { words, body } = await client.ask(`reserve-with-timeout ${RESERVE_S}`);
      waiting = false;
      if (words[0] === "TIMED_OUT") continue;
      if (words[0] !== "RESERVED") {
        throw new CommandError(`Cannot reserve a job: the server said ${words.join(" ")}`);
      }
      const job = { id: words[1]!, body };
      if (stopping.aborted) await release(client, job.id);
      else await doJob(client, job, { runner, ending });
    }
  } finally {
    stopping.removeEventListener("abort", onStopping);
    ending.removeEventListener("abort", closeSoon);
    for (const timer of timers) clearTimeout(timer);
    client.close();
  }
}

/** Runs a job, touches it meanwhile, and reports the outcome. */
async function doJob(
  client: BeanstalkClient,
  { id, body }: { id: string; body: Uint8Array },
  { runner, ending }: { runner: WorkRunner; ending: AbortSignal },
): Promise<void> {
  const field = await jobStats(client, id);
  const lost = new AbortController();
  const stop = new AbortController();
  const ttrMs = Number(field("ttr")) * 1000;
  const touchMs = Math.min(MAX_TOUCH_INTERVAL_MS, Math.max(300, ttrMs / 3));
  let readProgress: () => Promise<Uint8Array> = () => Promise.resolve(new Uint8Array(0));
  let reported = "";
  const touch = async () => {
    const progress = await readProgress();
    const text = String(progress);
    const command = text === reported ? `touch ${id}` : `progress ${id} ${progress.length}`;
    const answer = client.ask(command, text === reported ? undefined : progress);
    reported = text;
    if ((await answer).words[0] !== "NOT_FOUND") return;
    clearInterval(touching);
    if (await wasCancelled(client, id)) stop.abort();
    else lost.abort();
  };
  const touching = setInterval(() => touch().catch(() => lost.abort()), touchMs);
  const outcome = await runner({
    id,
    body,
    tube: field("tube"),
    attempt: Number(field("reserves")) || 1,
    timeoutMs: Number(field("timeout")) * 1000 || undefined,
    cancelled: AbortSignal.any([lost.signal, ending]),
    stop: stop.signal,
    reports: (progress) => readProgress = progress,
  }).finally(() => clearInterval(touching));
  if (stop.signal.aborted) return printError(`Job ${id}: it was cancelled`);
  if (lost.signal.aborted) return printError(`Job ${id}: it was taken away`);
  if (ending.aborted) {
    await release(client, id);
    return printError(`Job ${id}: ended and given back`);
  }
  if (outcome.done) await finish(client, id, outcome);
  else await fail(client, id, outcome.reason);
}

/** Reports a job as done. A result that the server does not accept is cut: the job must not run again. */
async function finish(
  client: BeanstalkClient,
  id: string,
  { result, resultBytes }: JobOutcome & { done: true },
): Promise<void> {
  const whole = resultBytes === result.length;
  let words = whole ? await done(client, id, result) : [TOO_BIG];
  if (words[0] === TOO_BIG) {
    let maxBytes = await askMaxJobBytes(client) ?? USUAL_MAX_JOB_BYTES;
    words = await done(client, id, truncated(result, { maxBytes, resultBytes }));
    // A server that did not tell its limit may have a smaller one.
    while (words[0] === TOO_BIG && maxBytes > 0) {
      maxBytes = Math.floor(maxBytes / 2);
      words = await done(client, id, truncated(result, { maxBytes, resultBytes }));
    }
    printError(`Job ${id}: its result of ${resultBytes} bytes was truncated`);
  }
  if (words[0] === "DONE") return;
  if (words[0] === "NOT_FOUND") return await printLost(client, id);
  await fail(client, id, `the result was refused: ${words.join(" ")}`);
}

/**
 * Cuts a result and adds a note that says so.
 *
 * @param sizes The maximum size of the whole, and the size of the result before any cut.
 */
export function truncated(
  result: Uint8Array,
  { maxBytes, resultBytes }: { maxBytes: number; resultBytes: number },
): Uint8Array {
  const note = new TextEncoder().encode(`\n[truncated: the result had ${resultBytes} bytes]\n`);
  const kept = result.subarray(0, Math.max(0, maxBytes - note.length));
  const all = new Uint8Array(kept.length + note.length);
  all.set(kept);
  all.set(note, kept.length);
  return all.subarray(0, maxBytes);
}

async function done(
  client: BeanstalkClient,
  id: string,
  result: Uint8Array,
): Promise<readonly string[]> {
  return (await client.ask(`done ${id} ${result.length}`, result)).words;
}

async function fail(client: BeanstalkClient, id: string, reason: string): Promise<void> {
  const bytes = new TextEncoder().encode(reason);
  const { words } = await client.ask(`fail ${id} ${bytes.length}`, bytes);
  if (words[0] === "NOT_FOUND") return await printLost(client, id);
  const became = { BURIED: "buried", DEAD_LETTER: "moved to the dead letters" }[words[0]!] ??
    "will be tried again";
  printError(`Job ${id}: ${became}: ${reason.trimEnd()}`);
}

/** Says why the outcome of a job was refused. */
async function printLost(client: BeanstalkClient, id: string): Promise<void> {
  const how = await wasCancelled(client, id) ? "cancelled" : "taken away";
  printError(`Job ${id}: it was ${how}`);
}

/** Whether a job that this worker no longer has was cancelled. */
async function wasCancelled(client: BeanstalkClient, id: string): Promise<boolean> {
  return (await client.ask(`result ${id}`)).words[2] === "cancelled";
}

/** Gives a job back as it was, which counts as no attempt. */
async function release(client: BeanstalkClient, id: string): Promise<void> {
  const field = await jobStats(client, id);
  await client.ask(`release ${id} ${field("pri")} 0`);
}

/** Looks up fields of a job's statistics by name; an unknown one is empty. */
async function jobStats(client: BeanstalkClient, id: string): Promise<(name: string) => string> {
  const stats = new TextDecoder().decode((await client.ask(`stats-job ${id}`)).body);
  return (name) => new RegExp(`^${name}: "?(.*?)"?$`, "m").exec(stats)?.[1] ?? "";
}
