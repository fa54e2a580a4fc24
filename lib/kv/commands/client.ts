/**
 * CLIENT: who is connected.
 *
 * @module
 */

import { parseInt64 } from "../int64.ts";
import { CommandError, NO_REPLY, OK, type Reply, Verbatim } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import type { ReplyMode, Session } from "../session/session.ts";
import { type Command, subcommandsOf } from "./command.ts";
import { SYNTAX_ERROR } from "./errors.ts";

const group = "connection";

/** The longest name of a client or a library. */
const MAX_NAME_CHARS = 512;

const CLIENT_TYPES = ["normal", "master", "replica", "slave", "pubsub"];

const INVALID_ID = new CommandError("ERR client-id should be greater than 0");

/**
 * Checks a name that a client gives itself.
 *
 * @throws {CommandError} If it has blanks or control characters.
 */
export function checkClientName(name: string): string {
  if (name.length > MAX_NAME_CHARS || !/^[!-~]*$/.test(name)) {
    throw new CommandError(
      "ERR Client names cannot contain spaces, newlines or special characters.",
    );
  }
  return name;
}

/** A client as CLIENT LIST shows it. What quartet does not know of a client is 0 or -1. */
function describe(session: Session): string {
  const { peer, transaction, shared } = session;
  const nowMs = Date.now();
  const seconds = (sinceMs: number) => Math.floor((nowMs - sinceMs) / 1000);
  const fields: [string, string | number][] = [
    ["id", peer.id],
    ["addr", peer.remote],
    ["laddr", shared.address],
    ["fd", -1],
    ["name", session.name],
    ["age", seconds(session.connectedMs)],
    ["idle", seconds(session.lastActiveMs)],
    ["flags", transaction.open ? "x" : "N"],
    ["db", session.db],
    ["sub", 0],
    ["psub", 0],
    ["ssub", 0],
    ["multi", transaction.open ? transaction.length : -1],
    ["qbuf", peer.unreadBytes],
    ["qbuf-free", 0],
    ["argv-mem", 0],
    ["multi-mem", transaction.bytes],
    ["rbs", 0],
    ["rbp", 0],
    ["obl", 0],
    ["oll", 0],
    ["omem", 0],
    ["tot-mem", 0],
    ["events", "r"],
    ["cmd", session.lastCommand],
    ["user", "default"],
    ["redir", -1],
    ["resp", session.protocol],
    ["lib-name", session.libName],
    ["lib-ver", session.libVersion],
  ];
  return fields.map(([name, value]) => `${name}=${value}`).join(" ");
}

function clientId(request: Request, index: number): number {
  const id = parseInt64(request.text(index));
  if (id === undefined || id < 1) throw INVALID_ID;
  return Number(id);
}

function list(request: Request, { shared }: Session): Reply {
  let sessions = [...shared.sessions.values()].sort((a, b) => a.peer.id - b.peer.id);
  if (request.count > 2) {
    const option = request.option(2);
    if (option === "ID" && request.count > 3) {
      const ids = new Set<number>();
      for (let at = 3; at < request.count; at++) {
        const id = parseInt64(request.text(at));
        if (id === undefined || id < 1) throw new CommandError("ERR Invalid client ID");
        ids.add(Number(id));
      }
      sessions = sessions.filter(({ peer }) => ids.has(peer.id));
    } else if (option === "TYPE" && request.count === 4) {
      if (checkType(request, 3) !== "normal") sessions = [];
    } else {
      return SYNTAX_ERROR;
    }
  }
  return new Verbatim(sessions.map((session) => `${describe(session)}\n`).join(""));
}

function checkType(request: Request, index: number): string {
  const type = request.option(index).toLowerCase();
  if (!CLIENT_TYPES.includes(type)) {
    throw new CommandError(`ERR Unknown client type '${request.text(index, 128)}'`);
  }
  return type;
}

function kill(request: Request, session: Session): Reply {
  const { shared } = session;
  if (request.count === 3) {
    const address = request.text(2);
    const victim = [...shared.sessions.values()].find(({ peer }) => peer.remote === address);
    if (victim === undefined) return new CommandError("ERR No such client");
    end(victim, session);
    return OK;
  }
  const tests: ((other: Session) => boolean)[] = [];
  let skipMe = true;
  for (let at = 2; at < request.count; at += 2) {
    if (at + 1 === request.count) return SYNTAX_ERROR;
    const option = request.option(at);
    const value = request.text(at + 1, 128);
    if (option === "ID") {
      const id = clientId(request, at + 1);
      tests.push(({ peer }) => peer.id === id);
    } else if (option === "ADDR") {
      tests.push(({ peer }) => peer.remote === value);
    } else if (option === "LADDR") {
      tests.push(() => shared.address === value);
    } else if (option === "TYPE") {
      const type = checkType(request, at + 1);
      tests.push(() => type === "normal");
    } else if (option === "USER") {
      if (value !== "default") return new CommandError(`ERR No such user '${value}'`);
    } else if (option === "SKIPME" && /^(yes|no)$/i.test(value)) {
      skipMe = value.toLowerCase() === "yes";
    } else {
      return SYNTAX_ERROR;
    }
  }
  let killed = 0;
  for (const other of [...shared.sessions.values()]) {
    if ((skipMe && other === session) || !tests.every((test) => test(other))) continue;
    end(other, session);
    killed++;
  }
  return killed;
}

/** Ends a connection; that of the client who asks for it after the reply. */
function end(victim: Session, by: Session): void {
  if (victim === by) by.closing = true;
  else victim.peer.close();
}

function setname(request: Request, session: Session): Reply {
  session.name = checkClientName(request.text(2));
  return OK;
}

function setinfo(request: Request, session: Session): Reply {
  const option = request.option(2);
  const value = request.text(3);
  if (option !== "LIB-NAME" && option !== "LIB-VER") {
    return new CommandError(`ERR Unrecognized option '${request.text(2, 128)}'`);
  }
  if (value.length > MAX_NAME_CHARS || !/^[!-~]*$/.test(value)) {
    return new CommandError(
      `ERR ${option.toLowerCase()} cannot contain spaces, newlines or special characters.`,
    );
  }
  if (option === "LIB-NAME") session.libName = value;
  else session.libVersion = value;
  return OK;
}

function reply(request: Request, session: Session): Reply {
  const mode = request.option(2);
  if (mode === "ON") {
    session.replyMode = "on";
    return OK;
  }
  if (mode !== "OFF" && mode !== "SKIP") return SYNTAX_ERROR;
  if (mode === "OFF" || session.replyMode !== "off") {
    session.replyMode = mode.toLowerCase() as ReplyMode;
  }
  return NO_REPLY;
}

function onOff(request: Request): Reply {
  return /^(ON|OFF)$/.test(request.option(2)) ? OK : SYNTAX_ERROR;
}

const flags = ["noscript", "loading", "stale"];

const subcommand = subcommandsOf({ flags, group, since: "2.4.0" });

const SUBCOMMANDS: readonly Command[] = [
  subcommand("id", 2, "Returns the number of the connection.", (_, { peer }) => peer.id),
  subcommand(
    "getname",
    2,
    "Returns the name of the connection.",
    (_, { name }) => name === "" ? null : name,
  ),
  subcommand("setname", 3, "Names the connection.", setname),
  subcommand("setinfo", 4, "Tells which library the client uses.", setinfo),
  subcommand(
    "info",
    2,
    "Describes the connection.",
    (_, session) => new Verbatim(`${describe(session)}\n`),
  ),
  subcommand("list", -2, "Describes all connections.", list),
  subcommand("kill", -3, "Ends connections.", kill),
  subcommand("reply", 3, "Says which replies the client wants.", reply),
  subcommand("no-evict", 3, "Does nothing: no client is evicted.", onOff),
  subcommand("no-touch", 3, "Does nothing: no time of access is kept.", onOff),
];

/** CLIENT and its subcommands. */
export const CLIENT_COMMANDS: readonly Command[] = [{
  name: "client",
  arity: -2,
  flags,
  group,
  summary: "Is about connections.",
  since: "2.4.0",
  action: { kind: "session", run: () => SYNTAX_ERROR },
  subcommands: [
    ...SUBCOMMANDS,
    subcommand("help", 2, "Lists the subcommands.", () => [
      "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      ...SUBCOMMANDS.flatMap(({ name, summary }) => [name.toUpperCase(), `    ${summary}`]),
    ]),
  ],
}];
