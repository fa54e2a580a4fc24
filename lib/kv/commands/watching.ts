/**
 * SLOWLOG and MONITOR: what clients do.
 *
 * @module
 */

import { parseInt64 } from "../int64.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { type Command, subcommandsOf } from "./command.ts";
import type { ClientState } from "./context.ts";
import { SYNTAX_ERROR, wrongSubcommand } from "./errors.ts";
import { withHelp } from "./help.ts";

const group = "server";

/** The number of entries that SLOWLOG GET returns if the client does not say. */
const DEFAULT_ENTRIES = 10;

function get(request: Request, { server }: ClientState): Reply {
  let count = DEFAULT_ENTRIES;
  if (request.count > 3) return wrongSubcommand("slowlog", request.text(1));
  if (request.count === 3) {
    const wanted = parseInt64(request.text(2));
    if (wanted === undefined || wanted < -1) {
      return new ErrorReply("ERR count should be greater than or equal to -1");
    }
    count = wanted < 0 ? Infinity : Number(wanted);
  }
  return server.watch.slowLog.entries.slice(0, count).map((entry) => [
    entry.id,
    Math.floor(entry.atMs / 1000),
    entry.durationUs,
    entry.words,
    entry.remote,
    entry.name,
  ]);
}

function reset(_request: Request, { server }: ClientState): Reply {
  server.watch.slowLog.clear();
  return OK;
}

const SUBSCRIBED = new ErrorReply(
  "ERR a subscribed client cannot be a monitor: use another connection, or RESET first",
);

function monitor(_request: Request, { peer }: ClientState): Reply {
  if (peer.channels.count > 0) return SUBSCRIBED;
  peer.monitor(true);
  return OK;
}

const flags = ["admin", "loading", "stale"];

const subcommand = subcommandsOf({ flags, group, since: "2.2.12" });

/** SLOWLOG and MONITOR. */
export const WATCHING_COMMANDS: readonly Command[] = [
  {
    name: "slowlog",
    arity: -2,
    flags: [],
    group,
    summary: "Returns the latest slow commands.",
    since: "2.2.12",
    action: { kind: "session", run: () => SYNTAX_ERROR },
    subcommands: withHelp("slowlog", group, [
      subcommand("get", -2, "Returns the latest entries: 10, or as many as asked for.", get),
      subcommand(
        "len",
        2,
        "Returns the number of entries.",
        (_, { server }) => server.watch.slowLog.entries.length,
      ),
      subcommand("reset", 2, "Drops all entries.", reset),
    ]),
  },
  {
    name: "monitor",
    arity: 1,
    flags: ["admin", "noscript", "loading", "stale"],
    group,
    summary: "Sends every command of all clients to this one.",
    since: "1.0.0",
    action: { kind: "session", run: monitor, alone: true },
  },
];
