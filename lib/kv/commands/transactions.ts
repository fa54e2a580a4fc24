/**
 * MULTI and its kin.
 *
 * @module
 */

import { CommandError, OK, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import type { Session } from "../session/session.ts";
import { placesFrom } from "./arguments.ts";
import type { Command } from "./command.ts";

const group = "transactions";

function multi(_request: Request, { transaction }: Session): Reply {
  if (transaction.open) {
    transaction.spoil();
    return new CommandError("ERR MULTI calls can not be nested");
  }
  transaction.begin();
  return OK;
}

function exec(_request: Request, session: Session) {
  if (!session.transaction.open) return new CommandError("ERR EXEC without MULTI");
  return session.transaction.execute(session);
}

function discard(_request: Request, { transaction }: Session): Reply {
  if (!transaction.open) return new CommandError("ERR DISCARD without MULTI");
  transaction.reset();
  return OK;
}

function watch(request: Request, { transaction, db, store }: Session) {
  if (transaction.open) {
    transaction.spoil();
    return new CommandError("ERR WATCH inside MULTI is not allowed");
  }
  return transaction.watch(placesFrom(request, db), store);
}

function unwatch(_request: Request, { transaction }: Session): Reply {
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
    summary: "Begins a transaction: commands are queued from here on.",
    since: "1.2.0",
    action: { kind: "control", run: multi },
  },
  {
    name: "exec",
    arity: 1,
    flags,
    group,
    summary: "Does all queued commands at once.",
    since: "1.2.0",
    action: { kind: "control", run: exec },
  },
  {
    name: "discard",
    arity: 1,
    flags,
    group,
    summary: "Forgets all queued commands.",
    since: "2.0.0",
    action: { kind: "control", run: discard },
  },
  {
    name: "watch",
    arity: -2,
    flags,
    keys: { first: 1, last: -1, step: 1 },
    group,
    summary: "Lets the next EXEC do nothing if one of the keys has changed by then.",
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
