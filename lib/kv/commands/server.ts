/**
 * Commands on the server.
 *
 * @module
 */

import { Glob } from "../../glob.ts";
import { ErrorReply, OK, type Reply, ReplyMap } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { type Command, type KeyWork, subcommandsOf } from "./command.ts";
import type { ClientState } from "./context.ts";
import { SYNTAX_ERROR } from "./errors.ts";
import { withHelp } from "./help.ts";
import { info } from "./info.ts";

const group = "server";

const NO_REWRITE = new ErrorReply(
  "ERR Rewriting config file: quartet never changes its configuration file",
);

/** TIME: a transaction without keys, so that it shows the clock that decides what has expired. */
function time(): KeyWork {
  return { places: [], readOnly: true, run: ({ nowMs }) => timeReply(nowMs) };
}

/** The clock of the store has milliseconds; the local one adds microseconds as far as they agree. */
function timeReply(nowMs: number): Reply {
  const localUs = Math.floor((performance.timeOrigin + performance.now()) * 1000);
  const us = Math.min(Math.max(localUs, 1000 * nowMs), 1000 * nowMs + 999);
  return [String(Math.floor(us / 1e6)), String(us % 1e6)];
}

function configGet(request: Request, { server }: ClientState): Reply {
  const globs: Glob[] = [];
  for (let at = 2; at < request.count; at++) {
    globs.push(new Glob(request.text(at).toLowerCase()));
  }
  const found: [string, string][] = [];
  for (const [name, value] of server.settings.entries()) {
    if (globs.some((glob) => glob.matches(name))) found.push([name, value]);
  }
  return new ReplyMap(found);
}

function configSet(request: Request, { server }: ClientState): Reply {
  const { settings } = server;
  if (request.count % 2 !== 0) {
    return new ErrorReply("ERR wrong number of arguments for 'config|set' command");
  }
  const wanted = new Map<string, string>();
  for (let at = 2; at < request.count; at += 2) {
    const name = request.text(at).toLowerCase();
    if (!settings.has(name)) {
      const shown = request.text(at, 128);
      return new ErrorReply(
        `ERR Unknown option or number of arguments for CONFIG SET - '${shown}'`,
      );
    }
    const problem = wanted.has(name)
      ? "duplicate parameter"
      : settings.problem(name, request.text(at + 1));
    if (problem !== undefined) {
      return new ErrorReply(
        `ERR CONFIG SET failed (possibly related to argument '${name}') - ${problem}`,
      );
    }
    wanted.set(name, request.text(at + 1));
  }
  for (const [name, value] of wanted) settings.set(name, value);
  return OK;
}

function resetMetrics(_request: Request, { server }: ClientState): Reply {
  server.metrics.reset();
  return OK;
}

const flags = ["admin", "noscript", "loading", "stale"];

const subcommand = subcommandsOf({ flags, group, since: "2.0.0" });

/** Commands about the server: INFO, CONFIG, TIME and the like. */
export const SERVER_COMMANDS: readonly Command[] = [
  {
    name: "time",
    arity: 1,
    flags: ["loading", "stale", "fast"],
    group,
    summary: "Returns the time in seconds and microseconds.",
    since: "2.6.0",
    action: { kind: "keys", prepare: time },
  },
  {
    name: "info",
    arity: -1,
    flags: ["loading", "stale"],
    group,
    summary: "Returns the server's metrics.",
    since: "1.0.0",
    action: { kind: "session", run: info },
  },
  {
    name: "config",
    arity: -2,
    flags,
    group,
    summary: "Returns settings.",
    since: "2.0.0",
    action: { kind: "session", run: () => SYNTAX_ERROR },
    subcommands: withHelp("config", group, [
      subcommand("get", -3, "Returns the settings that match a pattern.", configGet),
      subcommand("set", -4, "Changes settings until the next start.", configSet),
      subcommand("resetstat", 2, "Resets the command counters.", resetMetrics),
      subcommand("rewrite", 2, "Always fails.", () => NO_REWRITE),
    ]),
  },
  {
    name: "function",
    arity: -2,
    flags: ["noscript"],
    group,
    summary: "Does nothing: there are no functions.",
    since: "7.0.0",
    action: { kind: "session", run: () => SYNTAX_ERROR },
    subcommands: withHelp("function", group, [
      subcommand("flush", -2, "Does nothing: there are no functions to remove.", () => OK),
    ]),
  },
  {
    name: "debug",
    arity: -2,
    flags,
    group,
    summary: "Always fails.",
    since: "1.0.0",
    action: {
      kind: "session",
      run: () => new ErrorReply("ERR DEBUG command not allowed."),
    },
  },
];
