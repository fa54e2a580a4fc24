/**
 * EXEC: runs the queued commands as one transaction.
 *
 * The transaction covers the keys of all queued commands and the watched keys. If a queued command
 * needs whole databases, the transaction covers whole spaces instead.
 *
 * @module
 */

import type { Entry, MaybePromise, Place, SpaceTransaction, Store } from "../../storage/store.ts";
import { Turn } from "../../turn.ts";
import type { Command, KeyWork } from "../commands/command.ts";
import type { ClientState, CommandContext } from "../commands/context.ts";
import { WholeDatabaseError } from "../commands/discovered_needs.ts";
import { asReply, execDiscarded, OUT_OF_MEMORY, RolledBackError } from "../commands/errors.ts";
import { ErrorReply, NULL_ARRAY, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { placeName } from "../commands/places.ts";
import { manyKeysOf, manyKeysOnSpaces } from "./many_keys.ts";
import { orOnSpaces, transactGrowing } from "./transact.ts";
import { runWork, runWorkOnSpaces } from "./work_on_spaces.ts";

/** A command between MULTI and EXEC. */
export interface QueuedCommand {
  readonly command: Command;
  readonly request: Request;
}

/** A key as WATCH found it; the version is `undefined` if the key did not exist. */
export interface WatchedKey extends Place {
  readonly version: Entry["version"] | undefined;
}

/** How {@linkcode executeQueue} runs the queue. */
export interface ExecOptions {
  watched: readonly WatchedKey[];
  /** Whether a queued command needs whole databases. */
  wholeSpaces: boolean;
  /** Whether the queue is so long that running it in one go would hold the thread. */
  isLong: boolean;
}

/** A queued command with its arguments parsed, ready to run. */
type Step =
  | { kind: "keys"; work: KeyWork }
  | { kind: "spaces"; run: (transaction: SpaceTransaction) => Promise<Reply> }
  | { kind: "session"; run: () => MaybePromise<Reply> }
  | { kind: "error"; error: ErrorReply };

/** Placeholder for the reply of a step that does not use the store; see {@linkcode finish}. */
const LATER = null;

/** Runs queued commands, unless a watched key has changed; the reply to EXEC. */
export function executeQueue(
  queue: readonly QueuedCommand[],
  client: ClientState,
  { watched, wholeSpaces, isLong }: ExecOptions,
): MaybePromise<Reply> {
  const { store } = client.server;
  // A store that asks a server for each key is better off with one transaction over all of them.
  if (isLong && store.bytes !== undefined) return executeInTurns(queue, client, watched);
  const steps = queue.map(planner(client));
  try {
    const onSpaces = () => store.transactSpaces((tx) => runOnSpaces(tx, steps, watched));
    const results = wholeSpaces
      ? onSpaces()
      : orOnSpaces(() => runOnKeys(store, steps, watched), onSpaces);
    return results instanceof Promise
      ? results.then((replies) => finish(steps, replies), discarded)
      : finish(steps, results);
  } catch (error) {
    return discarded(error);
  }
}

/** Runs a long queue as a transaction over whole spaces, in turns with other clients. */
async function executeInTurns(
  queue: readonly QueuedCommand[],
  client: ClientState,
  watched: readonly WatchedKey[],
): Promise<Reply> {
  const { store } = client.server;
  const plan = planner(client, { inTurns: true });
  const turn = new Turn();
  const steps: Step[] = [];
  for (const queued of queue) {
    steps.push(plan(queued));
    if (turn.over) await turn.next();
  }
  try {
    const replies = await store.transactSpaces((tx) => runOnSpaces(tx, steps, watched));
    return await finish(steps, replies);
  } catch (error) {
    return discarded(error);
  }
}

/** Returns a function that parses the arguments of one queued command after the other. */
function planner(
  client: ClientState,
  { inTurns = false } = {},
): (queued: QueuedCommand) => Step {
  // SELECT applies to the commands after it, but must not take effect if EXEC is aborted.
  const { maxValueBytes, cursors, publisher, login, server: { store } } = client;
  const shared = { maxValueBytes, cursors, publisher, login, scriptTime: { usedMs: 0 } };
  let context: CommandContext = { db: client.db, ...shared };
  return ({ command, request }) => {
    const { action } = command;
    try {
      switch (action.kind) {
        case "keys": {
          const many = inTurns ? manyKeysOf(action, request, store) : undefined;
          return many === undefined
            ? { kind: "keys", work: action.prepare(request, context) }
            : { kind: "spaces", run: manyKeysOnSpaces(action, { many, request, context }) };
        }
        case "spaces":
        case "pages":
          return { kind: "spaces", run: action.prepare(request, context) };
        case "session":
          if (action.selects !== undefined) {
            context = { db: action.selects(request), ...shared };
          }
          return { kind: "session", run: () => action.run(request, client) };
        case "control":
          throw new Error(`Cannot queue "${command.name}": it runs immediately`);
      }
    } catch (error) {
      return { kind: "error", error: asReply(error) };
    }
  };
}

function runOnKeys(
  store: Store,
  steps: readonly Step[],
  watched: readonly WatchedKey[],
): MaybePromise<Reply[] | undefined> {
  const works = steps.flatMap((step) => step.kind === "keys" ? [step.work] : []);
  if (works.length === 0 && watched.length === 0) return steps.map(() => LATER);
  return transactGrowing(store, {
    places() {
      const places = new Map<string, Place>();
      const worked = works.flatMap((work) => work.places);
      for (const place of [...watched, ...worked]) places.set(placeName(place), place);
      return [...places.values()];
    },
    run(tx) {
      const unchanged = watched.every(({ space, key, version }) =>
        tx.get(space, key)?.version === version
      );
      if (!unchanged) return undefined;
      const turn = new Turn();
      return steps.map((step) => {
        if (step.kind !== "keys") return LATER;
        // Undone, and begun again as a transaction over whole spaces, which takes turns.
        if (turn.over && store.bytes !== undefined) throw new WholeDatabaseError(readNothing);
        return runWork(step.work, tx);
      });
    },
  });
}

async function readNothing(): Promise<void> {}

/** The reply to EXEC after the store has rolled the transaction back. */
function discarded(error: unknown): ErrorReply {
  const reply = asReply(error);
  const discards = reply === OUT_OF_MEMORY || error instanceof RolledBackError;
  return discards ? execDiscarded(reply) : reply;
}

async function runOnSpaces(
  tx: SpaceTransaction,
  steps: readonly Step[],
  watched: readonly WatchedKey[],
): Promise<Reply[] | undefined> {
  const turn = new Turn();
  for (const { space, key, version } of watched) {
    if ((await tx.get(space, key))?.version !== version) return undefined;
    if (turn.over) await turn.next();
  }
  const replies: Reply[] = [];
  for (const step of steps) {
    if (step.kind === "keys") replies.push(await runWorkOnSpaces(step.work, tx));
    else if (step.kind === "spaces") replies.push(await step.run(tx));
    else replies.push(LATER);
    if (turn.over) await turn.next();
  }
  return replies;
}

/** Puts all replies together. */
function finish(steps: readonly Step[], replies: Reply[] | undefined): MaybePromise<Reply> {
  if (replies === undefined) return NULL_ARRAY;
  if (steps.some(({ kind }) => kind === "session")) return finishInTurns(steps, replies);
  for (const step of steps) if (step.kind === "keys") step.work.committed?.();
  return steps.map((step, index) => step.kind === "error" ? step.error : replies[index]!);
}

/** Runs the steps that do not use the store, and puts all replies together. */
async function finishInTurns(steps: readonly Step[], replies: readonly Reply[]): Promise<Reply> {
  const turn = new Turn();
  const filled: Reply[] = [];
  for (const [index, step] of steps.entries()) {
    if (step.kind === "error") {
      filled.push(step.error);
    } else if (step.kind !== "session") {
      if (step.kind === "keys") step.work.committed?.();
      filled.push(replies[index]!);
    } else {
      try {
        filled.push(await step.run());
      } catch (error) {
        filled.push(asReply(error));
      }
      if (turn.over) await turn.next();
    }
  }
  return filled;
}
