/**
 * Batches operations on keys, and keeps those on the same key in order.
 *
 * Operations are of a few kinds, each with a lane of its own: what gathers in a lane leaves
 * together as a batch, as soon as one of the lane's connections is free. An operation enters its
 * lane at once if it touches no key that an operation before it still uses, where two that read do
 * not disturb each other, and neither do two of the same batch, which does them in order. Else it
 * waits, and everything on its keys that comes later waits behind it.
 *
 * @module
 */

import type { Key, Place } from "../store.ts";

/** An operation on keys. */
export interface Operation {
  /** The keys that it may touch. */
  readonly places: readonly Place[];
  /** How much it weighs in a batch, in bytes. */
  readonly bytes: number;
  /** Settles, however it ends. Never rejects. */
  readonly ended: Promise<unknown>;
}

/** How a lane works. */
export interface LaneOptions<O extends Operation> {
  /** Whether its operations leave keys as they are. */
  reads: boolean;
  /** How many batches may be on their way at once. */
  maxFlying: number;
  /** A batch leaves at the latest with so many operations. */
  maxOperations: number;
  /** No operation is added to a batch that weighs as much. */
  maxBytes: number;
  /** Does a batch, and settles each of its operations. Never rejects. */
  execute(operations: O[]): Promise<void>;
}

/** What leaves together. */
interface Batch {
  operations: Operation[];
  bytes: number;
}

/** What uses a key. */
interface KeyUse {
  readers: number;
  writers: number;
  /** The batch that all of its writers are in. */
  writing: Batch | undefined;
  /** Operations that wait and will use it. */
  waiting: number;
}

/** The lane of one kind of operations. */
class Lane {
  readonly options: LaneOptions<Operation>;
  /** What has not left yet; operations are added to the last one. */
  batches: Batch[] = [];
  flying = 0;
  departing = false;

  constructor(options: LaneOptions<Operation>) {
    this.options = options;
  }

  /** The batch that an operation would be added to, if there is one. */
  get gathering(): Batch | undefined {
    const { maxOperations, maxBytes } = this.options;
    const last = this.batches.at(-1);
    if (last === undefined || last.operations.length >= maxOperations) return undefined;
    return last.bytes < maxBytes ? last : undefined;
  }
}

/** Handed out by {@linkcode KeyScheduler.addLane}; adds an operation. */
export type AddOperation<O extends Operation> = (operation: O) => void;

/** The lanes, and the order of keys. */
export class KeyScheduler {
  readonly #keys: Map<Key, KeyUse>[] = [];
  readonly #active = new Set<Operation>();
  #waiting: { lane: Lane; operation: Operation }[] = [];

  /** Adds a lane; the function that is returned adds operations to it. */
  addLane<O extends Operation>(options: LaneOptions<O>): AddOperation<O> {
    const lane = new Lane(options as unknown as LaneOptions<Operation>);
    return (operation) => {
      if (this.#mayEnter(lane, operation)) this.#enter(lane, operation);
      else this.#wait(lane, operation);
    };
  }

  /** Resolves when all operations that are there now have ended. */
  async settled(): Promise<void> {
    const waiting = this.#waiting.map(({ operation }) => operation.ended);
    await Promise.all([...this.#active].map((operation) => operation.ended).concat(waiting));
  }

  #mayEnter(lane: Lane, { places }: Operation): boolean {
    for (const { space, key } of places) {
      const use = this.#keys[space]?.get(key);
      if (use === undefined) continue;
      if (use.waiting > 0) return false;
      if (lane.options.reads) {
        if (use.writers > 0) return false;
      } else if (use.readers > 0 || (use.writers > 0 && use.writing !== lane.gathering)) {
        return false;
      }
    }
    return true;
  }

  #enter(lane: Lane, operation: Operation): void {
    let batch = lane.gathering;
    if (batch === undefined) {
      batch = { operations: [], bytes: 0 };
      lane.batches.push(batch);
    }
    batch.operations.push(operation);
    batch.bytes += operation.bytes;
    this.#active.add(operation);
    for (const place of operation.places) {
      const use = this.#use(place);
      if (lane.options.reads) {
        use.readers++;
      } else {
        use.writers++;
        use.writing = batch;
      }
    }
    this.#departSoon(lane);
  }

  #wait(lane: Lane, operation: Operation): void {
    this.#waiting.push({ lane, operation });
    for (const place of operation.places) this.#use(place).waiting++;
  }

  /** Lets in what had to wait and need not any longer, in order. */
  #readmit(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { operation } of waiting) {
      for (const place of operation.places) this.#use(place).waiting--;
    }
    for (const { lane, operation } of waiting) {
      if (this.#mayEnter(lane, operation)) this.#enter(lane, operation);
      else this.#wait(lane, operation);
    }
  }

  #departSoon(lane: Lane): void {
    if (lane.departing || lane.flying >= lane.options.maxFlying) return;
    lane.departing = true;
    queueMicrotask(() => {
      lane.departing = false;
      while (lane.batches.length > 0 && lane.flying < lane.options.maxFlying) {
        void this.#fly(lane, lane.batches.shift()!);
      }
    });
  }

  async #fly(lane: Lane, { operations }: Batch): Promise<void> {
    lane.flying++;
    await lane.options.execute(operations);
    lane.flying--;
    for (const operation of operations) {
      this.#active.delete(operation);
      for (const { space, key } of operation.places) {
        const keys = this.#keys[space]!;
        const use = keys.get(key)!;
        if (lane.options.reads) use.readers--;
        else use.writers--;
        if (use.readers === 0 && use.writers === 0 && use.waiting === 0) keys.delete(key);
      }
    }
    this.#readmit();
    this.#departSoon(lane);
  }

  #use({ space, key }: Place): KeyUse {
    const keys = this.#keys[space] ??= new Map();
    let use = keys.get(key);
    if (use === undefined) {
      use = { readers: 0, writers: 0, writing: undefined, waiting: 0 };
      keys.set(key, use);
    }
    return use;
  }
}
