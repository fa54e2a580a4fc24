/**
 * Batches operations on keys and keeps operations on the same key in order.
 *
 * Each kind of operation has a lane. Operations collect in their lane and are sent as a batch as soon
 * as one of the lane's connections is free. An operation enters its lane at once unless it conflicts
 * with an earlier operation that still uses one of its keys. Two reads do not conflict, nor do two
 * operations in the same batch, which executes them in order. After a conflict the operation waits,
 * and later operations on its keys wait behind it.
 *
 * @module
 */

import type { Key, Place } from "../store.ts";

/** An operation on keys. */
export interface Operation {
  /** The keys that it may use. */
  readonly places: readonly Place[];
  /** Its size in a batch, in bytes. */
  readonly bytes: number;
  /** Resolves when it has ended, successfully or not. Never rejects. */
  readonly ended: Promise<unknown>;
}

/** Options for a lane. */
export interface LaneOptions<O extends Operation> {
  /** Whether its operations only read. */
  reads: boolean;
  /** Limit on batches in flight. */
  maxFlying: number;
  /** Limit on operations in a batch. */
  maxOperations: number;
  /** A batch of at least this size takes no more operations. */
  maxBytes: number;
  /** Executes a batch and settles each of its operations. Never rejects. */
  execute(operations: O[]): Promise<void>;
}

/** Operations that are sent together. */
interface Batch {
  operations: Operation[];
  bytes: number;
}

/** The operations that use a key. */
interface KeyUse {
  readers: number;
  writers: number;
  /** The batch of all its writers. */
  writing: Batch | undefined;
  /** Waiting operations that will use it. */
  waiting: number;
}

/** The lane of one kind of operations. */
class Lane {
  readonly options: LaneOptions<Operation>;
  /** Batches not sent yet; operations are added to the last one. */
  batches: Batch[] = [];
  flying = 0;
  departing = false;

  constructor(options: LaneOptions<Operation>) {
    this.options = options;
  }

  /** The batch that the next operation goes into, if there is one. */
  get gathering(): Batch | undefined {
    const { maxOperations, maxBytes } = this.options;
    const last = this.batches.at(-1);
    if (last === undefined || last.operations.length >= maxOperations) return undefined;
    return last.bytes < maxBytes ? last : undefined;
  }
}

/** Adds an operation to a lane; see {@linkcode KeyScheduler.addLane}. */
export type AddOperation<O extends Operation> = (operation: O) => void;

/** Schedules the operations of all lanes. */
export class KeyScheduler {
  readonly #keys: Map<Key, KeyUse>[] = [];
  readonly #active = new Set<Operation>();
  #waiting: { lane: Lane; operation: Operation }[] = [];

  /** Adds a lane and returns the function that adds operations to it. */
  addLane<O extends Operation>(options: LaneOptions<O>): AddOperation<O> {
    const lane = new Lane(options as unknown as LaneOptions<Operation>);
    return (operation) => {
      if (this.#mayEnter(lane, operation)) this.#enter(lane, operation);
      else this.#wait(lane, operation);
    };
  }

  /** Resolves when all operations added so far have ended. */
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

  /** Admits waiting operations that need not wait any longer, in order. */
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
