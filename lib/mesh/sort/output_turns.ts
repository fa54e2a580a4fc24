/** Blocks for so long at a time, so that a thread that is to end does not wait for its turn. */
const LOOK_MS = 50;

const SHARED_BYTES = 16;

/**
 * Lets several threads write to one output one after the other: each writes at its turn and tells the
 * next one where to go on. The turns are numbered from 0; every one of them must be used.
 */
export class OutputTurns {
  readonly #turn: Int32Array;
  readonly #offset: Float64Array;

  /** @param shared From {@linkcode newOutputTurns}; the same for all threads. */
  constructor(shared: SharedArrayBuffer) {
    this.#turn = new Int32Array(shared, 0, 1);
    this.#offset = new Float64Array(shared, 8, 1);
  }

  /** Blocks the thread until it is the turn of `index`; returns the offset at which to write. */
  waitFor(index: number): number {
    for (;;) {
      const turn = Atomics.load(this.#turn, 0);
      if (turn === index) return this.#offset[0]!;
      Atomics.wait(this.#turn, 0, turn, LOOK_MS);
    }
  }

  /** Ends the current turn. The next one writes at `offset`. */
  pass(offset: number): void {
    this.#offset[0] = offset;
    Atomics.add(this.#turn, 0, 1);
    Atomics.notify(this.#turn, 0);
  }
}

/** The shared memory of {@linkcode OutputTurns}. */
export function newOutputTurns(): SharedArrayBuffer {
  return new SharedArrayBuffer(SHARED_BYTES);
}
