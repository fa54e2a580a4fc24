/**
 * SAVE and the like. What quartet has acknowledged is durable, so there is nothing to save; these
 * commands reply as Redis does, and rewrite what the storage keeps on disk if that can be shortened.
 *
 * @module
 */

import { OK, type Reply, SimpleString } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import type { Command } from "./command.ts";
import type { ClientState, ServerState } from "./context.ts";
import { SYNTAX_ERROR } from "./errors.ts";

const group = "server";
const flags = ["admin", "noscript"];

const SAVING = new SimpleString("Background saving started");
const REWRITING = new SimpleString("Background append only file rewriting started");

async function saved(server: ServerState): Promise<Reply> {
  await server.save();
  server.lastSaveMs = Date.now();
  return OK;
}

function save(_request: Request, { server }: ClientState): Promise<Reply> {
  return saved(server);
}

function startSaving(server: ServerState): void {
  saved(server).catch(() => {
    // The storage reports why it cannot be written, and LASTSAVE shows the time of the last success.
  });
}

function bgsave(request: Request, { server }: ClientState): Reply {
  if (request.count > 2 || (request.count === 2 && request.option(1) !== "SCHEDULE")) {
    return SYNTAX_ERROR;
  }
  startSaving(server);
  return SAVING;
}

function bgrewriteaof(_request: Request, { server }: ClientState): Reply {
  startSaving(server);
  return REWRITING;
}

/** SAVE, BGSAVE, BGREWRITEAOF and LASTSAVE. */
export const PERSISTENCE_COMMANDS: readonly Command[] = [
  {
    name: "save",
    arity: 1,
    flags,
    group,
    summary: "Rewrites the data on disk in a shorter form, and waits until that is done.",
    since: "1.0.0",
    action: { kind: "session", run: save },
  },
  {
    name: "bgsave",
    arity: -1,
    flags,
    group,
    summary: "Rewrites the data on disk in a shorter form, in the background.",
    since: "1.0.0",
    action: { kind: "session", run: bgsave },
  },
  {
    name: "bgrewriteaof",
    arity: 1,
    flags,
    group,
    summary: "Rewrites the data on disk in a shorter form, in the background.",
    since: "1.0.0",
    action: { kind: "session", run: bgrewriteaof },
  },
  {
    name: "lastsave",
    arity: 1,
    flags: ["loading", "stale", "fast"],
    group,
    summary: "Returns when the data was last rewritten, as a Unix time in seconds.",
    since: "1.0.0",
    action: { kind: "session", run: (_, { server }) => Math.floor(server.lastSaveMs / 1000) },
  },
];
