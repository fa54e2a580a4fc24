/**
 * EXEC: runs the queued commands as one transaction.
 *
 * The transaction covers the keys of all queued commands and the watched keys. If a queued command
 * needs whole databases, the transaction covers whole spaces instead.
 *
 * @module
 */

import type { Entry, MaybePromise, Place, SpaceTransaction, Store } from "../../storage/store.ts";
import type { Command, KeyWork } from "../commands/command.ts";
import type { ClientState, CommandContext } from "../commands/context.ts";
import { asReply, execDiscarded, OUT_OF_MEMORY, RolledBackError } from "../commands/errors.ts";
import { ErrorReply, NULL_ARRAY, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { placeName } from "../commands/places.ts";
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
  { watched, wholeSpaces }: ExecOptions,
): MaybePromise<Reply> {
  const { store } = client.server;
  const steps = plan(queue, client);
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

function plan(queue: readonly QueuedCommand[], client: ClientState): Step[] {
  // SELECT applies to the commands after it, but must not take effect if EXEC is aborted.
  const { maxValueBytes, cursors } = client;
  const shared = { maxValueBytes, cursors, scriptTime: { usedMs: 0 } };
  let context: CommandContext = { db: client.db, ...shared };
  return queue.map(({ command, request }): Step => {
    const { action } = command;
    try {
      switch (action.kind) {
        case "keys":
          return { kind: "keys", work: action.prepare(request, context) };
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
  });
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
      return steps.map((step) => step.kind === "keys" ? runWork(step.work, tx) : LATER);
    },
  });
}

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
  for (const { space, key, version } of watched) {
    if ((await tx.get(space, key))?.version !== version) return undefined;
  }
  const replies: Reply[] = [];
  for (const step of steps) {
    if (step.kind === "keys") replies.push(await runWorkOnSpaces(step.work, tx));
    else if (step.kind === "spaces") replies.push(await step.run(tx));
    else replies.push(LATER);
  }
  return replies;
}

/** Runs the steps that do not use the store, and puts all replies together. */
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
