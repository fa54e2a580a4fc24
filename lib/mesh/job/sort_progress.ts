/** The phases of a job, in order. */
export const PHASES = ["sample", "shuffle", "sort", "commit"] as const;

/** A phase of a job. */
export type Phase = typeof PHASES[number];

/** The progress of a job on one node. */
export interface SortProgress {
  phase: Phase;
  /** Bytes done in the current phase, and in total. */
  doneBytes: number;
  totalBytes: number;
  records: number;
  sentBytes: number;
  receivedBytes: number;
  spilledBytes: number;
}

/** Tracks the current phase, its progress, and the durations of the phases before it. */
export class PhaseClock {
  doneBytes = 0;
  #phase: Phase = "sample";
  #totalBytes = 0;
  #startMs = performance.now();
  readonly #seconds: Record<Phase, number> = { sample: 0, shuffle: 0, sort: 0, commit: 0 };

  get phase(): Phase {
    return this.#phase;
  }

  /** Bytes to process in the current phase. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** The duration of each finished phase. */
  get seconds(): Record<Phase, number> {
    return { ...this.#seconds };
  }

  /** Ends the current phase and begins another. */
  enter(phase: Phase, totalBytes: number): void {
    this.end();
    this.#phase = phase;
    this.#totalBytes = totalBytes;
    this.doneBytes = 0;
  }

  /** Ends the current phase and records its duration. */
  end(): void {
    const nowMs = performance.now();
    this.#seconds[this.#phase] += (nowMs - this.#startMs) / 1000;
    this.#startMs = nowMs;
  }
}
