import { isPossible } from "../life_cycle.ts";
import { type JobId, SWEPT_STATES, type SweptState } from "../queue.ts";
import type { Heap } from "./heap.ts";
import type { Job, JobTube } from "./job.ts";
import type { List } from "./list.ts";
import type { Scheduler } from "./scheduler.ts";

/** What is done with the jobs of a tube. */
interface Sweep {
  /** The state of the jobs; `undefined` for all but reserved ones. */
  state?: SweptState | undefined;
  /** Takes a job out of its place. */
  visit: (job: Job) => void;
}

/**
 * Visits the jobs that a tube has at this moment, in turns. Jobs that are put meanwhile have higher
 * ids and are left alone; a job that goes from one state to another meanwhile may be visited or not,
 * as if that had happened before or after.
 *
 * @returns How many there were.
 */
async function sweep(scheduler: Scheduler, tube: JobTube, options: Sweep): Promise<number> {
  const jobs = jobsOf(tube, { state: options.state, upTo: scheduler.ids.last });
  let count = 0;
  await scheduler.chores.run(() => {
    const { done, value: job } = jobs.next();
    if (done) return false;
    if (job !== null) {
      options.visit(job);
      count++;
    }
    return true;
  });
  return count;
}

/** The jobs to visit; `null` for each one that is passed over. */
function* jobsOf(
  tube: JobTube,
  { state, upTo }: { state: SweptState | undefined; upTo: JobId },
): Generator<Job | null, void> {
  for (const each of state === undefined ? SWEPT_STATES : [state]) {
    if (each === "held" || each === "buried") yield* jobsInList(tube[each], upTo);
    else yield* jobsInHeap(tube[each], upTo);
  }
}

/** Newer jobs are behind older ones in a list, but for jobs that came into it meanwhile. */
function* jobsInList(list: List<Job>, upTo: JobId): Generator<Job, void> {
  for (let left = list.size; left > 0; left--) {
    const job = list.first;
    if (job === null || job.id > upTo) return;
    yield job;
  }
}

/**
 * From the end of the heap, where removing costs nothing. Other clients move items meanwhile, so it
 * looks again until it finds none.
 */
function* jobsInHeap(heap: Heap<Job>, upTo: JobId): Generator<Job | null, void> {
  for (let found = true; found;) {
    found = false;
    for (let at = heap.size - 1; at >= 0; at = Math.min(at, heap.size) - 1) {
      const job = heap.at(at)!;
      const isOld = job.id <= upTo;
      if (isOld) found = true;
      yield isOld ? job : null;
    }
  }
}

/**
 * Deletes the jobs that a tube has now.
 *
 * @param options `told` is called with each job, once it is gone.
 * @returns How many there were; `null` if there is no such tube.
 */
export async function flushTube(
  scheduler: Scheduler,
  name: string,
  { state, told }: { state: SweptState | undefined; told: (job: Job) => void },
): Promise<number | null> {
  const tube = scheduler.tubes.get(name);
  if (tube === undefined) return null;
  return await sweep(scheduler, tube, {
    state,
    visit: (job) => {
      scheduler.take(job);
      scheduler.drop(job);
      told(job);
    },
  });
}

/** As {@linkcode flushTube}, but moves the jobs to another tube. */
export async function moveTube(
  scheduler: Scheduler,
  name: string,
  { to, told }: { to: string; told: (job: Job) => void },
): Promise<number | null | "OUT_OF_MEMORY"> {
  const { tubes } = scheduler;
  const tube = tubes.get(name);
  if (tube === undefined) return null;
  if (name === to) return 0;
  const target = tubes.open(to);
  if (target === undefined) return "OUT_OF_MEMORY";
  const count = await sweep(scheduler, tube, {
    visit: (job) => {
      scheduler.take(job);
      scheduler.apply(job, { kind: "move", tube: to });
      told(job);
    },
  });
  tubes.leave(target);
  return count;
}

/** Moves one job to another tube; `false` if a worker has it. */
export function moveJob(scheduler: Scheduler, job: Job, to: string): boolean | "OUT_OF_MEMORY" {
  if (!isPossible("move", job.state)) return false;
  if (scheduler.tubes.open(to) === undefined) return "OUT_OF_MEMORY";
  scheduler.take(job);
  scheduler.apply(job, { kind: "move", tube: to });
  return true;
}
