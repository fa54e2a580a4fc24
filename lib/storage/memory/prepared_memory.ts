/**
 * Memory for long values. The first write to a page of fresh memory is a page fault: 3 to 4 ms for
 * each MiB on the machine measured, where copying takes 0.06. So long values are written only into
 * memory that has been touched before, in turns with other work.
 *
 * A change that needs such memory fails with {@linkcode UnpreparedMemoryError} and has no effect.
 * It waits until the memory is prepared, and then runs again.
 *
 * @module
 */

import type { MaybePromise } from "../store.ts";
import { Turn } from "../../turn.ts";

/** Up to this size memory is allocated when it is needed. Touching it takes 2 ms. */
const MAX_UNPREPARED_BYTES = 512 * 1024;

/** The bytes touched between two readings of the clock: a quarter of a millisecond. */
const TOUCH_BYTES = 64 * 1024;

/** No machine has smaller pages. */
const PAGE_BYTES = 4096;

/** Thrown by a change that needs more memory at once than may be touched at once. */
export class UnpreparedMemoryError extends Error {
  override name = "UnpreparedMemoryError";
  readonly bytes: number;

  constructor(bytes: number) {
    super(`Cannot allocate ${bytes} bytes now: they are not prepared`);
    this.bytes = bytes;
  }
}

/** Prepares memory for changes. */
export class PreparedMemory {
  /** Changes that wait for memory. Their clients' next commands must not overtake them. */
  waiting = 0;
  /** Whether memory has to be prepared; not while nobody waits for the thread, as in loading. */
  required = false;
  /** The buffers for the change that runs now. */
  #offered: ArrayBuffer[] = [];
  /** Changes prepare their memory one after the other, which bounds the memory that waits. */
  #last: Promise<void> = Promise.resolve();

  /** Whether so much memory need not be prepared. */
  isShort(bytes: number): boolean {
    return bytes <= MAX_UNPREPARED_BYTES;
  }

  /**
   * Allocates memory for the change that runs now. It may contain anything.
   *
   * @throws {UnpreparedMemoryError}
   */
  readonly allocate = (bytes: number): ArrayBuffer => {
    if (this.isShort(bytes) || !this.required) return new ArrayBuffer(bytes);
    const index = this.#offered.findIndex(({ byteLength }) => byteLength === bytes);
    if (index < 0) throw new UnpreparedMemoryError(bytes);
    return this.#offered.splice(index, 1)[0]!;
  };

  /** Runs a change that may take these buffers. It may run again with the same ones if it fails. */
  offer<T>(buffers: readonly ArrayBuffer[], change: () => T): T {
    this.#offered = [...buffers];
    try {
      return change();
    } finally {
      this.#offered = [];
    }
  }

  /** Makes a change, and if it lacks memory makes it again; see {@linkcode PreparedMemory.retry}. */
  run<T>(change: () => MaybePromise<T>, ready: () => Promise<void> | undefined): MaybePromise<T> {
    try {
      return change();
    } catch (error) {
      if (!(error instanceof UnpreparedMemoryError)) throw error;
      return this.retry(error, change, ready);
    }
  }

  /**
   * Runs a change again that lacked memory, as often as it lacks more.
   *
   * @param error Why it failed.
   * @param change Throws {@linkcode UnpreparedMemoryError} directly, not by rejecting.
   * @param ready What to wait for before the change may run, if anything.
   */
  async retry<T>(
    error: UnpreparedMemoryError,
    change: () => MaybePromise<T>,
    ready: () => Promise<void> | undefined,
  ): Promise<T> {
    this.waiting++;
    const before = this.#last, { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    let outcome: { result: MaybePromise<T> };
    try {
      await before;
      outcome = await this.#runAgain(error, change, ready);
    } finally {
      this.waiting--;
      resolve();
    }
    return await outcome.result;
  }

  /** Returns the result in an object, so that the next change need not wait for the disk. */
  async #runAgain<T>(
    error: UnpreparedMemoryError,
    change: () => MaybePromise<T>,
    ready: () => Promise<void> | undefined,
  ): Promise<{ result: MaybePromise<T> }> {
    const buffers: ArrayBuffer[] = [];
    for (;;) {
      buffers.push(await touched(error.bytes));
      for (let wait = ready(); wait !== undefined; wait = ready()) await wait;
      try {
        return { result: this.offer(buffers, change) };
      } catch (next) {
        if (!(next instanceof UnpreparedMemoryError)) throw next;
        error = next;
      }
    }
  }
}

/** Allocates memory and touches it, in turns. */
export async function touched(bytes: number): Promise<ArrayBuffer> {
  const buffer = new ArrayBuffer(bytes);
  const view = new Uint8Array(buffer);
  const turn = new Turn();
  for (let at = 0; at < bytes; at += PAGE_BYTES) {
    view[at] = 0;
    if (at % TOUCH_BYTES === 0 && turn.over) await turn.next();
  }
  return buffer;
}
