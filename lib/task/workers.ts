/**
 * The workers connected to this process, and which of them are quiet: a quiet worker finishes what
 * it has and gets no new jobs until it is resumed. That ends with its connection.
 *
 * @module
 */

/** The most workers on one page of a list. */
export const MAX_WORKERS_PER_PAGE = 100;

/** How many tubes and how many jobs of a worker a list names. */
export const MAX_NAMED_PER_WORKER = 10;

/** Where a client of the queue comes from. */
export interface Peer {
  /** Its address, such as "127.0.0.1:40312". */
  readonly address: string;
  /** The port it is connected to. */
  readonly port: "beanstalk" | "push";
}

/** A job that a worker holds. */
export interface HeldJob {
  readonly id: number;
  /** How much of its time to run is left. */
  readonly leftMs: number;
}

/** A client of the queue that has asked for jobs. */
export interface QueueWorker {
  /** Whether it gets no new jobs. */
  quiet: boolean;
  /** The tubes it watches. */
  readonly watched: readonly string[];
  /** Whether it waits for a job. */
  readonly waits: boolean;
  /** How many jobs it holds. */
  readonly holds: number;
  /** How long it has held one job or another without a break; 0 if it holds none. */
  readonly busyMs: number;
  /** The first `max` of the jobs that it holds. */
  heldJobs(max: number): HeldJob[];
}

/** What a list says about a worker. */
export interface WorkerStats extends Peer {
  /** Its number in this process, never used twice. */
  readonly number: number;
  /** How long it has been a worker. */
  readonly ageMs: number;
  readonly quiet: boolean;
  readonly waits: boolean;
  /** How many tubes it watches, and the first {@linkcode MAX_NAMED_PER_WORKER} of them. */
  readonly watches: number;
  readonly watched: readonly string[];
  readonly busyMs: number;
  /** How many jobs it holds, and the first {@linkcode MAX_NAMED_PER_WORKER} of them. */
  readonly holds: number;
  readonly held: readonly HeldJob[];
}

/** Adds a client to the list of workers; returns what removes it. */
export type JoinWorkers = (worker: QueueWorker) => () => void;

/** The workers of a queue in this process. */
export class Workers {
  readonly #workers = new Map<number, { worker: QueueWorker; peer: Peer; sinceMs: number }>();
  #last = 0;

  /** How many there are. */
  get size(): number {
    return this.#workers.size;
  }

  /** Returns what adds a client that comes from there. */
  joinerFor(peer: Peer): JoinWorkers {
    return (worker) => {
      const number = ++this.#last;
      this.#workers.set(number, { worker, peer, sinceMs: performance.now() });
      return () => this.#workers.delete(number);
    };
  }

  /** Makes a worker quiet or resumes it; `false` if there is no such worker. */
  setQuiet(number: number, quiet: boolean): boolean {
    const entry = this.#workers.get(number);
    if (entry === undefined) return false;
    entry.worker.quiet = quiet;
    return true;
  }

  /**
   * Describes workers in the order of their numbers.
   *
   * @param from How many to skip.
   * @param count How many to describe; {@linkcode MAX_WORKERS_PER_PAGE} at most.
   */
  list(from: number, count: number): WorkerStats[] {
    const now = performance.now();
    return [...this.#workers.entries().drop(from).take(Math.min(count, MAX_WORKERS_PER_PAGE))].map(
      ([number, { worker, peer, sinceMs }]) => {
        const { watched } = worker;
        return {
          ...peer,
          number,
          ageMs: now - sinceMs,
          quiet: worker.quiet,
          waits: worker.waits,
          watches: watched.length,
          watched: watched.slice(0, MAX_NAMED_PER_WORKER),
          busyMs: worker.busyMs,
          holds: worker.holds,
          held: worker.heldJobs(MAX_NAMED_PER_WORKER),
        };
      },
    );
  }
}
