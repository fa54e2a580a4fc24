/**
 * MULTI, EXEC, DISCARD, WATCH and UNWATCH.
 *
 * @module
 */

import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { ALL_KEYS } from "./catalogue.ts";
import type { Command } from "./command.ts";
import type { ClientState } from "./context.ts";
import { placesFrom } from "./places.ts";

const group = "transactions";

function multi(_request: Request, { transaction }: ClientState): Reply {
  if (transaction.open) {
    transaction.spoil();
    return new ErrorReply("ERR MULTI calls can not be nested");
  }
  transaction.begin();
  return OK;
}

function exec(_request: Request, client: ClientState) {
  if (!client.transaction.open) return new ErrorReply("ERR EXEC without MULTI");
  return client.transaction.execute(client);
}

function discard(_request: Request, { transaction }: ClientState): Reply {
  if (!transaction.open) return new ErrorReply("ERR DISCARD without MULTI");
  transaction.reset();
  return OK;
}

function watch(request: Request, { transaction, db, server }: ClientState) {
  if (transaction.open) {
    transaction.spoil();
    return new ErrorReply("ERR WATCH inside MULTI is not allowed");
  }
  if (request.count - 1 > server.limits.maxQueued) {
    return new ErrorReply("ERR too many keys are watched");
  }
  return transaction.watch(placesFrom(request, db), server.store);
}

function unwatch(_request: Request, { transaction }: ClientState): Reply {
  transaction.unwatch();
  return OK;
}

const flags = ["noscript", "loading", "stale", "fast"];

/** MULTI, EXEC, DISCARD, WATCH and UNWATCH. */
export const TRANSACTION_COMMANDS: readonly Command[] = [
  {
    name: "multi",
    arity: 1,
    flags,
    group,
    summary: "Starts a transaction: queues the commands that follow.",
    since: "1.2.0",
    action: { kind: "control", run: multi },
  },
  {
    name: "exec",
    arity: 1,
    flags,
    group,
    summary: "Runs all queued commands atomically.",
    since: "1.2.0",
    action: { kind: "control", run: exec },
  },
  {
    name: "discard",
    arity: 1,
    flags,
    group,
    summary: "Discards all queued commands.",
    since: "2.0.0",
    action: { kind: "control", run: discard },
  },
  {
    name: "watch",
    arity: -2,
    flags,
    keys: ALL_KEYS,
    group,
    summary: "Makes the next EXEC fail if one of the keys changes before it.",
    since: "2.2.0",
    action: { kind: "control", run: watch, alone: true },
  },
  {
    name: "unwatch",
    arity: 1,
    flags,
    group,
    summary: "Forgets all watched keys.",
    since: "2.2.0",
    action: { kind: "session", run: unwatch },
  },
];
