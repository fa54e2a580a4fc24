import { DEFAULT_TUBE, type QueueOptions } from "../queue.ts";
import type { Job, JobTube } from "./job.ts";
import type { Timers } from "./timers.ts";
import { Tube, type TubeScheduler } from "./tube.ts";

/** The tubes of a queue. One without jobs and clients is dropped. */
export class Tubes {
  readonly #tubes = new Map<string, JobTube>();
  readonly #scheduler: TubeScheduler<Job>;
  readonly #timers: Timers;
  readonly #options: QueueOptions;

  constructor(
    scheduler: TubeScheduler<Job>,
    { timers, options }: { timers: Timers; options: QueueOptions },
  ) {
    this.#scheduler = scheduler;
    this.#timers = timers;
    this.#options = options;
    this.open(DEFAULT_TUBE);
  }

  /** The number of tubes. */
  get size(): number {
    return this.#tubes.size;
  }

  /** The tube of this name, if there is one. */
  get(name: string): JobTube | undefined {
    return this.#tubes.get(name);
  }

  /** Their names. */
  names(): string[] {
    return [...this.#tubes.keys()];
  }

  /** All tubes. */
  all(): Iterable<JobTube> {
    return this.#tubes.values();
  }

  /** The tube of this name, created if needed; `undefined` at `max_tubes`, unless `anyway`. */
  open(name: string, { anyway = false } = {}): JobTube | undefined {
    let tube = this.#tubes.get(name);
    if (tube === undefined && (anyway || this.#tubes.size < this.#options.limits.maxTubes)) {
      tube = new Tube(this.#scheduler, name, this.#options.rulesOf(name));
      this.#tubes.set(name, tube);
    }
    return tube;
  }

  /** Drops a tube if it has no jobs and no clients. */
  leave(tube: JobTube): void {
    if (tube.using + tube.watching + tube.jobs > 0 || tube.name === DEFAULT_TUBE) return;
    // It may have been dropped before, and another one may have its name now.
    if (this.#tubes.get(tube.name) !== tube) return;
    // A new tube of this name would have a full bucket.
    if (tube.rate !== null && !tube.rate.full) return tube.rate.awaitFull();
    this.#timers.clear(tube);
    tube.rate?.stop();
    this.#tubes.delete(tube.name);
  }
}
