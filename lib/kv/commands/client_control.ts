/**
 * The subcommands of CLIENT that pause clients or concern their caches.
 *
 * @module
 */

import { MAX_PAUSE_MS } from "../client_pause.ts";
import { parseInt64 } from "../int64.ts";
import { ErrorReply, OK, type Reply, ReplyMap, ReplySet } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { integer } from "./arguments.ts";
import { type Command, subcommandsOf } from "./command.ts";
import type { ClientState } from "./context.ts";
import { SYNTAX_ERROR, wrongSubcommand } from "./errors.ts";

const NO_TRACKING = new ErrorReply(
  "ERR quartet does not support client-side caching: turn it off in the client's options",
);
const NOT_TRACKING = new ErrorReply(
  "ERR CLIENT CACHING can be called only when the client is in tracking mode " +
    "with OPTIN or OPTOUT mode enabled",
);

function pause(request: Request, { server }: ClientState): Reply {
  const timeoutMs = parseInt64(request.text(2));
  if (request.count > 4) return wrongSubcommand("client", request.text(1));
  const mode = request.count === 4 ? request.option(3) : "ALL";
  if (mode !== "WRITE" && mode !== "ALL") {
    return new ErrorReply("ERR CLIENT PAUSE mode must be WRITE or ALL");
  }
  if (timeoutMs === undefined) {
    return new ErrorReply("ERR timeout is not an integer or out of range");
  }
  if (timeoutMs < 0) return new ErrorReply("ERR timeout is negative");
  if (timeoutMs > MAX_PAUSE_MS) {
    return new ErrorReply(`ERR timeout is out of range, it must be at most ${MAX_PAUSE_MS}`);
  }
  server.watch.pause.begin(mode === "ALL" ? "all" : "write", Number(timeoutMs));
  return OK;
}

function unpause(_request: Request, { server }: ClientState): Reply {
  server.watch.pause.end();
  return OK;
}

/**
 * CLIENT TRACKING, which fails. node-redis sends it while it connects, and reconnects for ever if
 * that fails, so its user would never learn of the error. It gets OK, and the error as the reply to
 * all its other commands.
 */
function tracking(request: Request, client: ClientState): Reply {
  const state = request.option(2);
  if (state !== "ON" && state !== "OFF") return SYNTAX_ERROR;
  if (state === "OFF") {
    client.refusal = undefined;
    return OK;
  }
  if (!client.libName.startsWith("node-redis")) return NO_TRACKING;
  client.refusal = NO_TRACKING;
  return OK;
}

function trackinginfo(): Reply {
  return new ReplyMap([
    ["flags", new ReplySet(["off"])],
    ["redirect", -1],
    ["prefixes", []],
  ]);
}

function caching(): Reply {
  return NOT_TRACKING;
}

function unblock(request: Request): Reply {
  integer(request, 2);
  if (request.count > 4) return wrongSubcommand("client", request.text(1));
  if (request.count === 4 && !/^(TIMEOUT|ERROR)$/.test(request.option(3))) {
    return new ErrorReply("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
  }
  return 0;
}

function onOff(set: (client: ClientState, on: boolean) => void) {
  return (request: Request, client: ClientState): Reply => {
    const state = request.option(2);
    if (state !== "ON" && state !== "OFF") return SYNTAX_ERROR;
    set(client, state === "ON");
    return OK;
  };
}

const flags = ["noscript", "loading", "stale"];
const group = "connection";

const subcommand = subcommandsOf({ flags, group, since: "2.9.50" });
const admin = subcommandsOf({ flags: ["admin", ...flags], group, since: "2.9.50" });

/** These subcommands of CLIENT. */
export const CLIENT_CONTROL_SUBCOMMANDS: readonly Command[] = [
  admin("pause", -3, "Delays all commands, or only writes, for some milliseconds.", pause),
  admin("unpause", 2, "Ends a pause.", unpause),
  admin(
    "no-evict",
    3,
    "Does nothing: clients are never evicted.",
    onOff((client, on) => client.noEvict = on),
  ),
  subcommand(
    "no-touch",
    3,
    "Does nothing: commands of this client count as uses of keys.",
    onOff((client, on) => client.noTouch = on),
  ),
  subcommand("tracking", -3, "Fails: client-side caching is not supported.", tracking),
  subcommand("trackinginfo", 2, "Returns that client-side caching is off.", trackinginfo),
  subcommand("getredir", 2, "Returns -1: client-side caching is off.", () => -1),
  subcommand("caching", 3, "Fails: client-side caching is not supported.", caching),
  admin("unblock", -3, "Returns 0: no client is ever blocked.", unblock),
];
