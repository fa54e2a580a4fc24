/**
 * The transaction of a connection: the commands queued by MULTI and the keys watched by WATCH.
 *
 * @module
 */

import type { Entry, MaybePromise, Place, Store } from "../../storage/store.ts";
import { Turn } from "../../turn.ts";
import type { ClientState, TransactionState } from "../commands/context.ts";
import { EXEC_ABORTED } from "../commands/errors.ts";
import { placeName } from "../commands/places.ts";
import type { TableEntry } from "../commands/table.ts";
import type { TransactionLimits } from "../limits.ts";
import { ErrorReply, OK, QUEUED, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { MAX_SHORT_ARGUMENTS } from "./many_keys.ts";
import { executeQueue, type QueuedCommand, type WatchedKey } from "./exec.ts";

/**
 * A queue whose commands and watched keys have more arguments than this runs in turns, which excludes
 * all other transactions meanwhile. So many take about 5 ms.
 */
const MAX_ARGUMENTS_AT_ONCE = 4096;

/** The transaction of one connection. */
export class ClientTransaction implements TransactionState {
  open = false;
  /** Whether a queued command needs whole databases. */
  wholeSpaces = false;
  /** Whether a queued command is about the connection or the server. */
  #aboutSession = false;
  /** Whether a queued command may take long, whatever its number of arguments. */
  #mayTakeLong = false;
  /** The arguments of all queued commands. */
  #arguments = 0;
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

  /** Whether EXEC must run alone: after all earlier replies, and before any later command. */
  get alone(): boolean {
    return this.wholeSpaces || this.#aboutSession || this.#isLong;
  }

  /** Whether to run the queue in turns with other clients. */
  get #isLong(): boolean {
    return this.#mayTakeLong || this.#arguments + this.#watched.size > MAX_ARGUMENTS_AT_ONCE;
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
    this.#arguments += request.count;
    const { action } = entry.command;
    if (action.kind === "spaces" || action.kind === "pages") this.wholeSpaces = true;
    // It may change the database or the protocol version for the commands after EXEC.
    else if (action.kind === "session") this.#aboutSession = true;
    else if (action.alone === true) this.#mayTakeLong = true;
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
    return places.length > MAX_SHORT_ARGUMENTS
      ? this.#watchInTurns(places, store)
      : this.#watchSome(places, store);
  }

  /** Watches very many keys. Each becomes watched with the version that it has at that moment. */
  async #watchInTurns(places: readonly Place[], store: Store): Promise<Reply> {
    const turn = new Turn();
    for (let at = 0; at < places.length; at += MAX_SHORT_ARGUMENTS) {
      await this.#watchSome(places.slice(at, at + MAX_SHORT_ARGUMENTS), store);
      if (turn.over) await turn.next();
    }
    return OK;
  }

  #watchSome(places: readonly Place[], store: Store): MaybePromise<Reply> {
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
    const options = { watched, wholeSpaces: this.wholeSpaces, isLong: this.#isLong };
    const spoiled = this.#spoiled;
    this.reset();
    return spoiled ? EXEC_ABORTED : executeQueue(queue, client, options);
  }

  #forgetQueue(): void {
    this.open =
      this.#spoiled =
      this.wholeSpaces =
      this.#aboutSession =
      this.#mayTakeLong =
        false;
    this.#arguments = 0;
    this.#queue = [];
    this.#queuedBytes = 0;
  }
}
