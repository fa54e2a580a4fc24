/**
 * The transaction of a connection: the commands queued by MULTI and the keys watched by WATCH.
 *
 * @module
 */

import type { Entry, MaybePromise, Place, Store } from "../../storage/store.ts";
import type { ClientState, TransactionState } from "../commands/context.ts";
import { EXEC_ABORTED } from "../commands/errors.ts";
import { placeName } from "../commands/places.ts";
import type { TableEntry } from "../commands/table.ts";
import type { TransactionLimits } from "../limits.ts";
import { ErrorReply, OK, QUEUED, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { executeQueue, type QueuedCommand, type WatchedKey } from "./exec.ts";

/** The transaction of one connection. */
export class ClientTransaction implements TransactionState {
  open = false;
  /** Whether a queued command needs whole databases. */
  wholeSpaces = false;
  /** Whether EXEC must run alone: after all earlier replies, and before any later command. */
  alone = false;
  readonly #limits: TransactionLimits;
  #queue: QueuedCommand[] = [];
  #queuedBytes = 0;
  #spoiled = false;
  #watched = new Map<string, WatchedKey>();

  constructor(limits: TransactionLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#queue.length;
  }

  get bytes(): number {
    return this.#queuedBytes;
  }

  /** The queued commands; none if EXEC will fail because one could not be queued. */
  get queued(): readonly QueuedCommand[] {
    return this.#spoiled ? [] : this.#queue;
  }

  begin(): void {
    this.open = true;
  }

  spoil(): void {
    if (this.open) this.#spoiled = true;
  }

  /** Queues a command. */
  add(entry: TableEntry, request: Request): Reply {
    const bytes = this.#queuedBytes + request.byteLength;
    if (this.#queue.length >= this.#limits.maxQueued || bytes > this.#limits.maxQueuedBytes) {
      this.spoil();
      return new ErrorReply("ERR too much is queued in this transaction");
    }
    this.#queuedBytes = bytes;
    this.#queue.push({ command: entry.command, request: request.copy() });
    const { kind } = entry.command.action;
    if (kind === "spaces" || kind === "pages") this.wholeSpaces = this.alone = true;
    // It may change the database or the protocol version for the commands after EXEC.
    else if (kind === "session") this.alone = true;
    return QUEUED;
  }

  reset(): void {
    this.#forgetQueue();
    this.unwatch();
  }

  unwatch(): void {
    if (this.#watched.size > 0) this.#watched = new Map();
  }

  watch(places: readonly Place[], store: Store): MaybePromise<Reply> {
    if (this.#watched.size + places.length > this.#limits.maxQueued) {
      return new ErrorReply("ERR too many keys are watched");
    }
    const versions = store.transact(
      places,
      (tx) => places.map(({ space, key }) => tx.get(space, key)?.version),
      { readOnly: true },
    );
    const note = (found: readonly (Entry["version"] | undefined)[]): Reply => {
      places.forEach((place, index) => {
        const name = placeName(place);
        if (!this.#watched.has(name)) {
          this.#watched.set(name, { ...place, version: found[index] });
        }
      });
      return OK;
    };
    return versions instanceof Promise ? versions.then(note) : note(versions);
  }

  execute(client: ClientState): MaybePromise<Reply> {
    const queue = this.#queue;
    const watched = [...this.#watched.values()];
    const { wholeSpaces } = this;
    const spoiled = this.#spoiled;
    this.reset();
    return spoiled ? EXEC_ABORTED : executeQueue(queue, client, { watched, wholeSpaces });
  }

  #forgetQueue(): void {
    this.open =
      this.#spoiled =
      this.wholeSpaces =
      this.alone =
        false;
    this.#queue = [];
    this.#queuedBytes = 0;
  }
}
