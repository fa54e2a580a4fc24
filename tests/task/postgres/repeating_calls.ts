import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { type Queue, type QueueClient, SWEPT_STATES } from "../../../lib/task/queue.ts";
import type { Peer } from "../../../lib/task/workers.ts";
import type { AcknowledgedJobs } from "../repeating_queue.ts";

/** Answers that acknowledge that a job was put or has ended. */
const ENDS: ReadonlySet<string> = new Set(["delete", "done", "cancelJob"]);

/** Calls that take several transactions. One that is repeated counts only what was left to do. */
const SWEEPS: ReadonlySet<string> = new Set(["flushTube", "moveTube"]);

/**
 * A queue whose clients repeat each call that is refused. In a shared database a refused statement
 * has done nothing, so a call can be repeated as it is.
 *
 * @param jobs Told of the jobs that calls acknowledge.
 */
export function repeatingCalls(queue: Queue, jobs: AcknowledgedJobs): Queue {
  return new Proxy(queue, {
    get: (target, name) => {
      if (name === "connect") {
        return (peer?: Peer) => repeatingClient(target.connect(peer), jobs);
      }
      const member = target[name as keyof Queue] as unknown;
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

function repeatingClient(client: QueueClient, jobs: AcknowledgedJobs): QueueClient {
  let cancels = 0;
  return new Proxy(client, {
    get: (target, name) => {
      const member = target[name as keyof QueueClient] as unknown;
      if (typeof member !== "function") return member;
      if (name === "cancel") {
        return () => {
          cancels++;
          target.cancel();
        };
      }
      return (...parameters: unknown[]) => {
        const before = cancels;
        const call = () => {
          const answer = member.apply(target, parameters) as unknown;
          // A wait that was cancelled and then refused is over as well.
          if (cancels > before) target.cancel();
          return answer;
        };
        if (SWEEPS.has(name as string)) return sweep(target, call, { tube: parameters[0], jobs });
        const answer = call();
        if (!(answer instanceof Promise)) return answer;
        return repeat(call, answer, jobs).then((answer) => {
          acknowledge(String(name), { parameters, answer, jobs });
          return answer;
        });
      };
    },
  });
}

/** Repeats a sweep, and answers how many jobs have left the tube since it was first called. */
async function sweep(
  client: QueueClient,
  call: () => unknown,
  { tube, jobs }: { tube: unknown; jobs: AcknowledgedJobs },
): Promise<unknown> {
  const ask = <T>(call: () => T) =>
    repeat(call, call() as Promise<unknown>, jobs) as Promise<Awaited<T>>;
  const countJobs = async () => {
    const stats = await ask(() => client.statsTube(tube as string));
    return SWEPT_STATES.reduce((sum, state) => sum + (stats?.[state] ?? 0), 0);
  };
  const before = await countJobs();
  const { refusals } = jobs;
  let answer = await ask(call);
  if (jobs.refusals > refusals && before > 0) answer = before - await countJobs();
  for (const id of jobs.present()) {
    if (await ask(() => client.statsJob(id)) === null) jobs.ended(id);
  }
  return answer;
}

async function repeat(
  call: () => unknown,
  first: Promise<unknown>,
  jobs: AcknowledgedJobs,
): Promise<unknown> {
  for (let pending: unknown = first;;) {
    try {
      return await pending;
    } catch (error) {
      if (!(error instanceof StorageUnavailableError)) throw error;
      jobs.refusals++;
      pending = call();
    }
  }
}

function acknowledge(
  name: string,
  { parameters, answer, jobs }: { parameters: unknown[]; answer: unknown; jobs: AcknowledgedJobs },
): void {
  if (ENDS.has(name) && answer === true) jobs.ended(parameters[0] as number);
  if (name === "put" && typeof answer === "number") jobs.put(answer);
  if (name === "putBatch" && Array.isArray(answer)) { for (const id of answer) jobs.put(id); }
  if (name === "putJob" && typeof answer === "object" && answer !== null) {
    const { id, existed } = answer as { id: number; existed: boolean };
    if (!existed) jobs.put(id);
  }
}
