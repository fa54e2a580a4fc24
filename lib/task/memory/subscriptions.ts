import { DEFAULT_TUBE } from "../queue.ts";
import type { Job, JobTube, JobWorker, TubeWatch } from "./job.ts";
import type { Tubes } from "./tubes.ts";
import { Watch } from "./tube.ts";

/** The tubes that one client uses and watches. */
export class MemorySubscriptions {
  /** Its subscriptions to the tubes it watches, in their order. */
  readonly watches: TubeWatch[] = [];
  readonly #tubes: Tubes;
  readonly #worker: JobWorker;
  #used: JobTube;

  /** Uses and watches the tube "default". */
  constructor(tubes: Tubes, worker: JobWorker) {
    this.#tubes = tubes;
    this.#worker = worker;
    this.#used = tubes.open(DEFAULT_TUBE)!;
    this.#used.using++;
    this.watch(DEFAULT_TUBE);
  }

  /** The tube it puts into. */
  get used(): JobTube {
    return this.#used;
  }

  /** The names of the watched tubes. */
  get watched(): string[] {
    return this.watches.map((watch) => watch.tube.name);
  }

  /** Puts into this tube from now on; `false` if there are too many tubes. */
  use(name: string): boolean {
    const before = this.#used;
    if (name === before.name) return true;
    before.using--;
    this.#tubes.leave(before);
    const tube = this.#tubes.open(name);
    this.#used = tube ?? this.#tubes.open(before.name, { anyway: true })!;
    this.#used.using++;
    return tube !== undefined;
  }

  /** Reserves from this tube as well; `false` if there are too many tubes. */
  watch(name: string): boolean {
    const tube = this.#tubes.open(name);
    if (tube === undefined) return false;
    if (this.watches.some((watch) => watch.tube === tube)) return true;
    tube.watching++;
    this.watches.push(new Watch(this.#worker, tube));
    return true;
  }

  /** Stops watching a tube; `false` if it is the only one watched. */
  ignore(name: string): boolean {
    const place = this.watches.findIndex((watch) => watch.tube.name === name);
    if (place === -1) return true;
    if (this.watches.length === 1) return false;
    const [watch] = this.watches.splice(place, 1);
    watch!.tube.watching--;
    this.#tubes.leave(watch!.tube);
    return true;
  }

  /** The first job of all watched tubes that are not paused or at their limit. */
  next(): Job | null {
    let next: Job | null = null;
    for (const { tube } of this.watches) {
      if (!tube.open) continue;
      const job = tube.ready.first!;
      if (
        next === null || job.priority < next.priority ||
        (job.priority === next.priority && job.id < next.id)
      ) next = job;
    }
    return next;
  }

  /** Uses and watches nothing any more. */
  close(): void {
    this.#used.using--;
    this.#tubes.leave(this.#used);
    for (const { tube } of this.watches.splice(0)) {
      tube.watching--;
      this.#tubes.leave(tube);
    }
  }
}
