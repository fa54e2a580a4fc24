/**
 * The transaction of a connection: what MULTI has queued, what WATCH has seen, and EXEC.
 *
 * EXEC is one transaction of the store over the union of all keys, the watched ones included. If
 * one of the queued commands needs whole databases, it is a transaction over whole spaces.
 *
 * @module
 */

import type {
  Entry,
  Key,
  MaybePromise,
  Place,
  SpaceTransaction,
  Store,
  Transaction,
} from "../../storage/store.ts";
import type { Value } from "../../storage/value.ts";
import type { CommandContext, KeyWork, PageSource } from "../commands/command.ts";
import { selectedDb } from "../commands/connection.ts";
import { EXEC_ABORTED, execDiscarded, OUT_OF_MEMORY } from "../commands/errors.ts";
import type { TableEntry } from "../commands/table.ts";
import { asReply } from "../failures.ts";
import { CommandError, NULL_ARRAY, OK, QUEUED, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import type { Session } from "./session.ts";

/** A limit on what one transaction may hold. */
export interface TransactionLimits {
  maxQueued: number;
  maxQueuedBytes: number;
}

interface Queued {
  entry: TableEntry;
  request: Request;
}

interface Watched extends Place {
  version: Entry["version"] | undefined;
}

/** What a queued command does when its turn comes. */
type Step =
  | { kind: "keys"; work: KeyWork }
  | { kind: "spaces"; run: (transaction: SpaceTransaction) => Promise<Reply> }
  | { kind: "pages"; run: (source: PageSource) => Promise<Reply> }
  | { kind: "session"; run: () => MaybePromise<Reply> }
  | { kind: "error"; error: CommandError };

/** Stands in the results for a step that has nothing to do with the store. */
const LATER = null;

/** The transaction of one connection. */
export class ClientTransaction {
  /** Whether MULTI was said and not EXEC or DISCARD yet. */
  open = false;
  /** Whether one of the queued commands needs whole databases. */
  wholeSpaces = false;
  /** Whether EXEC waits for all before it, and those behind it wait for EXEC. */
  alone = false;
  readonly #limits: TransactionLimits;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #spoiled = false;
  #watched = new Map<string, Watched>();

  constructor(limits: TransactionLimits) {
    this.#limits = limits;
  }

  /** How many commands are queued. */
  get length(): number {
    return this.#queue.length;
  }

  /** How many bytes the arguments of the queued commands have. */
  get bytes(): number {
    return this.#queuedBytes;
  }

  /** MULTI. */
  begin(): void {
    this.open = true;
  }

  /** Lets EXEC fail: a command could not be queued. */
  spoil(): void {
    if (this.open) this.#spoiled = true;
  }

  /** Queues a command. */
  add(entry: TableEntry, request: Request): Reply {
    const bytes = this.#queuedBytes + request.byteLength;
    if (this.#queue.length >= this.#limits.maxQueued || bytes > this.#limits.maxQueuedBytes) {
      this.spoil();
      return new CommandError("ERR too much is queued in this transaction");
    }
    this.#queuedBytes = bytes;
    this.#queue.push({ entry, request: request.copy() });
    const { kind } = entry.command.action;
    if (kind === "spaces" || kind === "pages") this.wholeSpaces = this.alone = true;
    // It may select a database or another version of the protocol for what comes behind EXEC.
    else if (kind === "session") this.alone = true;
    return QUEUED;
  }

  /** DISCARD: forgets everything, the watched keys too. */
  reset(): void {
    this.#forgetQueue();
    this.unwatch();
  }

  /** UNWATCH. */
  unwatch(): void {
    if (this.#watched.size > 0) this.#watched = new Map();
  }

  /** WATCH: remembers the versions that keys have now. */
  watch(places: readonly Place[], store: Store): MaybePromise<Reply> {
    if (this.#watched.size + places.length > this.#limits.maxQueued) {
      return new CommandError("ERR too many keys are watched");
    }
    const versions = store.transact(
      places,
      (tx) => places.map(({ space, key }) => tx.get(space, key)?.version),
      { readOnly: true },
    );
    const note = (found: readonly (Entry["version"] | undefined)[]): Reply => {
      places.forEach((place, index) => {
        const name = `${place.space} ${place.key}`;
        if (!this.#watched.has(name)) {
          this.#watched.set(name, { ...place, version: found[index] });
        }
      });
      return OK;
    };
    return versions instanceof Promise ? versions.then(note) : note(versions);
  }

  /** EXEC. */
  execute(session: Session): MaybePromise<Reply> {
    const queue = this.#queue;
    const watched = [...this.#watched.values()];
    const { wholeSpaces } = this;
    const spoiled = this.#spoiled;
    this.reset();
    if (spoiled) return EXEC_ABORTED;
    const steps = plan(queue, session);
    try {
      const results = wholeSpaces
        ? session.store.transactSpaces((tx) => runWithSpaces(tx, steps, watched))
        : runOnKeys(session.store, steps, watched);
      return results instanceof Promise
        ? results.then((replies) => finish(steps, replies), discarded)
        : finish(steps, results);
    } catch (error) {
      return discarded(error);
    }
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

function plan(queue: readonly Queued[], session: Session): Step[] {
  // SELECT counts for the commands behind it, but must not be done if the transaction is not.
  let context: CommandContext = session;
  return queue.map(({ entry, request }): Step => {
    const { action, name } = entry.command;
    try {
      if (action.kind === "keys") return { kind: "keys", work: action.prepare(request, context) };
      if (action.kind === "spaces") {
        return { kind: "spaces", run: action.prepare(request, context) };
      }
      if (action.kind === "pages") {
        return { kind: "pages", run: action.prepare(request, context) };
      }
      if (name === "select") {
        const { maxValueBytes, cursors } = session;
        context = { db: selectedDb(request), maxValueBytes, cursors };
      }
      return { kind: "session", run: () => action.run(request, session) };
    } catch (error) {
      return { kind: "error", error: asReply(error) };
    }
  });
}

function runOnKeys(
  store: Store,
  steps: readonly Step[],
  watched: readonly Watched[],
): MaybePromise<Reply[] | undefined> {
  const places = new Map<string, Place>();
  const works = steps.flatMap((step) => step.kind === "keys" ? step.work.places : []);
  for (const place of [...watched, ...works]) places.set(`${place.space} ${place.key}`, place);
  if (places.size === 0) return steps.map(() => LATER);
  return store.transact([...places.values()], (tx) => {
    const unchanged = watched.every(({ space, key, version }) =>
      tx.get(space, key)?.version === version
    );
    if (!unchanged) return undefined;
    return steps.map((step) => step.kind === "keys" ? runWork(step.work, tx) : LATER);
  });
}

/**
 * An error of one command is its reply, and no reason not to do the others. One of the store is:
 * it may have left the command half done, so all of the transaction is taken back.
 */
function runWork(work: KeyWork, tx: Transaction): Reply {
  try {
    return work.run(tx);
  } catch (error) {
    if (error instanceof CommandError) return error;
    throw error;
  }
}

/** The reply when the store has taken the transaction back. */
function discarded(error: unknown): CommandError {
  const reply = asReply(error);
  return reply === OUT_OF_MEMORY ? execDiscarded(reply) : reply;
}

async function runWithSpaces(
  tx: SpaceTransaction,
  steps: readonly Step[],
  watched: readonly Watched[],
): Promise<Reply[] | undefined> {
  for (const { space, key, version } of watched) {
    if ((await tx.get(space, key))?.version !== version) return undefined;
  }
  const replies: Reply[] = [];
  for (const step of steps) {
    if (step.kind === "keys") replies.push(await runWorkWithSpaces(step.work, tx));
    else if (step.kind === "spaces") replies.push(await step.run(tx));
    else if (step.kind === "pages") replies.push(await step.run(tx));
    else replies.push(LATER);
  }
  return replies;
}

/** Reads what the work may want, lets it run on that, and writes what it wrote. */
async function runWorkWithSpaces(work: KeyWork, tx: SpaceTransaction): Promise<Reply> {
  const overlay = new Overlay(tx.nowMs);
  for (const { space, key } of work.places) overlay.add(space, key, await tx.get(space, key));
  const reply = runWork(work, overlay);
  for (const { space, key, value, expiresAtMs } of overlay.changes) {
    if (value === undefined) await tx.delete(space, key);
    else await tx.put(space, key, value, expiresAtMs);
  }
  return reply;
}

interface OverlayChange extends Place {
  value: Value | undefined;
  expiresAtMs: number;
}

/** A transaction over entries that were read before, which collects its changes. */
class Overlay implements Transaction {
  readonly nowMs: number;
  readonly changes: OverlayChange[] = [];
  readonly #entries = new Map<string, Entry | undefined>();

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  add(space: number, key: Key, entry: Entry | undefined): void {
    this.#entries.set(`${space} ${key}`, entry);
  }

  get(space: number, key: Key): Entry | undefined {
    return this.#entries.get(`${space} ${key}`);
  }

  put(space: number, key: Key, value: Value, expiresAtMs: number): void {
    this.changes.push({ space, key, value, expiresAtMs });
    const expired = expiresAtMs !== 0 && expiresAtMs <= this.nowMs;
    this.add(space, key, expired ? undefined : { value, version: 0, expiresAtMs });
  }

  delete(space: number, key: Key): boolean {
    this.changes.push({ space, key, value: undefined, expiresAtMs: 0 });
    const existed = this.get(space, key) !== undefined;
    this.add(space, key, undefined);
    return existed;
  }
}

/** Fills in the replies of what is not about keys. */
function finish(steps: readonly Step[], replies: Reply[] | undefined): MaybePromise<Reply> {
  if (replies === undefined) return NULL_ARRAY;
  let waits = false;
  const filled = steps.map((step, index): MaybePromise<Reply> => {
    if (step.kind === "error") return step.error;
    if (step.kind !== "session") return replies[index]!;
    try {
      const reply = step.run();
      if (reply instanceof Promise) waits = true;
      return reply;
    } catch (error) {
      return asReply(error);
    }
  });
  return waits ? Promise.all(filled) : filled as Reply[];
}
