/** The phases of a job, in their order. */
export const PHASES = ["sample", "shuffle", "sort", "commit"] as const;

/** What a job is doing. */
export type Phase = typeof PHASES[number];

/** How far a job is. */
export interface SortProgress {
  phase: Phase;
  /** Bytes of the phase that are done, and how many there are. */
  doneBytes: number;
  totalBytes: number;
  records: number;
  sentBytes: number;
  receivedBytes: number;
  spilledBytes: number;
}

/** In which phase a job is, how far that is, and how long those before it took. */
export class PhaseClock {
  doneBytes = 0;
  #phase: Phase = "sample";
  #totalBytes = 0;
  #startMs = performance.now();
  readonly #seconds: Record<Phase, number> = { sample: 0, shuffle: 0, sort: 0, commit: 0 };

  get phase(): Phase {
    return this.#phase;
  }

  /** How many bytes the phase has to go through. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** How long each phase took that is over. */
  get seconds(): Record<Phase, number> {
    return { ...this.#seconds };
  }

  /** Ends a phase and begins the next. */
  enter(phase: Phase, totalBytes: number): void {
    this.end();
    this.#phase = phase;
    this.#totalBytes = totalBytes;
    this.doneBytes = 0;
  }

  /** Ends the phase; its time is counted. */
  end(): void {
    const nowMs = performance.now();
    this.#seconds[this.#phase] += (nowMs - this.#startMs) / 1000;
    this.#startMs = nowMs;
  }
}
