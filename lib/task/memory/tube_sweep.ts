import { Turn } from "../../turn.ts";
import { isPossible } from "../life_cycle.ts";
import { type JobId, SWEPT_STATES, type SweptState } from "../queue.ts";
import type { Heap } from "./heap.ts";
import type { Job, JobTube } from "./job.ts";
import type { List } from "./list.ts";
import type { Scheduler } from "./scheduler.ts";

/** How many jobs are visited between two looks at the time. */
const JOBS_PER_LOOK = 64;

/**
 * A visit to the jobs that a tube has at one moment, in turns. The visitor takes each job out of its
 * place. Jobs that are put meanwhile have higher ids and are left alone; a job that goes from one
 * state to another meanwhile may be visited or not, as if that had happened before or after.
 */
export class TubeSweep {
  readonly #tube: JobTube;
  readonly #upTo: JobId;
  readonly #visit: (job: Job) => void;
  readonly #turn = new Turn();
  #steps = 0;
  #count = 0;

  /** @param options `upTo`: the last id at this moment; `visit` takes a job out of its place. */
  constructor(tube: JobTube, options: { upTo: JobId; visit: (job: Job) => void }) {
    this.#tube = tube;
    this.#upTo = options.upTo;
    this.#visit = options.visit;
  }

  /**
   * Visits the jobs in one state, or in all but `reserved`. The first turn is over when this returns.
   *
   * @returns How many there were.
   */
  async run(state?: SweptState): Promise<number> {
    for (const each of state === undefined ? SWEPT_STATES : [state]) {
      if (each === "held" || each === "buried") await this.#sweepList(this.#tube[each]);
      else await this.#sweepHeap(this.#tube[each]);
    }
    return this.#count;
  }

  /** Newer jobs are behind older ones in a list, but for jobs that came into it meanwhile. */
  async #sweepList(list: List<Job>): Promise<void> {
    for (let left = list.size; left > 0; left--) {
      const job = list.first;
      if (job === null || job.id > this.#upTo) return;
      this.#visitJob(job);
      if (this.#turnIsOver) await this.#turn.next();
    }
  }

  /**
   * From the end of the heap, where removing costs nothing. Other clients move items meanwhile, so it
   * looks again until it finds none.
   */
  async #sweepHeap(heap: Heap<Job>): Promise<void> {
    for (let before = -1; before !== this.#count;) {
      before = this.#count;
      for (let at = heap.size - 1; at >= 0; at = Math.min(at, heap.size) - 1) {
        const job = heap.at(at)!;
        if (job.id <= this.#upTo) this.#visitJob(job);
        if (this.#turnIsOver) await this.#turn.next();
      }
    }
  }

  #visitJob(job: Job): void {
    this.#visit(job);
    this.#count++;
  }

  get #turnIsOver(): boolean {
    return ++this.#steps % JOBS_PER_LOOK === 0 && this.#turn.over;
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
  return await new TubeSweep(tube, {
    upTo: scheduler.ids.last,
    visit: (job) => {
      scheduler.take(job);
      scheduler.drop(job);
      told(job);
    },
  }).run(state);
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
  const count = await new TubeSweep(tube, {
    upTo: scheduler.ids.last,
    visit: (job) => {
      scheduler.take(job);
      scheduler.apply(job, { kind: "move", tube: to });
      told(job);
    },
  }).run();
  tubes.leave(target);
  return count;
}

/** Moves one job to another tube; `false` if a worker has it. */
export function moveJob(scheduler: Scheduler, job: Job, to: string): boolean | "OUT_OF_MEMORY" {
  if (!isPossible("move", job.state)) return false;
  if (job.tube.name === to) return true;
  if (scheduler.tubes.open(to) === undefined) return "OUT_OF_MEMORY";
  scheduler.take(job);
  scheduler.apply(job, { kind: "move", tube: to });
  return true;
}
