/**
 * CLIENT: the connections of the service.
 *
 * @module
 */

import type { MaybePromise } from "../../storage/store.ts";
import { Turn } from "../../turn.ts";
import { parseInt64 } from "../int64.ts";
import { ErrorReply, NO_REPLY, OK, type Reply, Verbatim } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { CLIENT_CONTROL_SUBCOMMANDS } from "./client_control.ts";
import { type Command, subcommandsOf } from "./command.ts";
import type { ClientState, ReplyMode } from "./context.ts";
import { SYNTAX_ERROR } from "./errors.ts";
import { withHelp } from "./help.ts";

const group = "connection";

/** The longest name of a client or a library. */
const MAX_NAME_CHARS = 512;

/** What the name of a client or a library may consist of. */
const PRINTABLE = /^[!-~]*$/;

const CLIENT_TYPES = ["normal", "master", "replica", "slave", "pubsub"];

const INVALID_ID = new ErrorReply("ERR client-id should be greater than 0");

/**
 * Checks a client's name for itself.
 *
 * @throws {ErrorReply} If it is too long, or has blanks or control characters.
 */
export function checkClientName(name: string): string {
  if (!isName(name)) {
    throw new ErrorReply(
      "ERR Client names cannot contain spaces, newlines or special characters.",
    );
  }
  return name;
}

function isName(text: string): boolean {
  return text.length <= MAX_NAME_CHARS && PRINTABLE.test(text);
}

/** A client as CLIENT LIST shows it. Fields that quartet does not track are 0 or -1. */
function describe(client: ClientState): string {
  const { peer, transaction, server } = client;
  const nowMs = Date.now();
  const seconds = (sinceMs: number) => Math.floor((nowMs - sinceMs) / 1000);
  const fields: [string, string | number][] = [
    ["id", peer.id],
    ["addr", peer.remote],
    ["laddr", server.address],
    ["fd", -1],
    ["name", client.name],
    ["age", seconds(client.connectedMs)],
    ["idle", seconds(client.lastActiveMs)],
    ["flags", flagsOf(client)],
    ["db", client.db],
    ["sub", peer.channels.size("channel")],
    ["psub", peer.channels.size("pattern")],
    ["ssub", peer.channels.size("shard")],
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
    ["tot-mem", peer.unreadBytes + transaction.bytes],
    ["events", "r"],
    ["cmd", client.lastCommand],
    ["user", "default"],
    ["redir", -1],
    ["resp", client.protocol],
    ["lib-name", client.libName],
    ["lib-ver", client.libVersion],
  ];
  return fields.map(([name, value]) => `${name}=${value}`).join(" ");
}

/** The letters that CLIENT LIST shows for what is special about a client. */
function flagsOf({ peer, transaction, closing, noEvict, noTouch }: ClientState): string {
  let letters = peer.monitoring ? "O" : "";
  if (peer.channels.count > 0) letters += "P";
  if (transaction.open) letters += "x";
  if (closing) letters += "c";
  if (peer.remote === "unix") letters += "U";
  if (noEvict) letters += "e";
  if (noTouch) letters += "T";
  return letters || "N";
}

function clientId(request: Request, index: number): number {
  const id = parseInt64(request.text(index));
  if (id === undefined || id < 1) throw INVALID_ID;
  return Number(id);
}

function list(request: Request, { server }: ClientState): MaybePromise<Reply> {
  let clients = [...server.clients.values()].sort((a, b) => a.peer.id - b.peer.id);
  if (request.count > 2) {
    const option = request.option(2);
    if (option === "ID" && request.count > 3) {
      const ids = new Set<number>();
      for (let at = 3; at < request.count; at++) {
        const id = parseInt64(request.text(at));
        if (id === undefined || id < 1) throw new ErrorReply("ERR Invalid client ID");
        ids.add(Number(id));
      }
      clients = clients.filter(({ peer }) => ids.has(peer.id));
    } else if (option === "TYPE" && request.count === 4) {
      const type = checkType(request, 3);
      clients = clients.filter((client) => typeOf(client) === type);
    } else {
      return SYNTAX_ERROR;
    }
  }
  return describeAll(clients);
}

/** Describes clients, of which there may be thousands. */
async function describeAll(clients: readonly ClientState[]): Promise<Reply> {
  const turn = new Turn();
  const lines: string[] = [];
  for (const client of clients) {
    lines.push(`${describe(client)}\n`);
    if (turn.over) await turn.next();
  }
  return new Verbatim(lines.join(""));
}

/** What a client is to CLIENT LIST and CLIENT KILL. */
function typeOf({ peer }: ClientState): string {
  return peer.channels.count > 0 ? "pubsub" : "normal";
}

function checkType(request: Request, index: number): string {
  const type = request.option(index).toLowerCase();
  if (!CLIENT_TYPES.includes(type)) {
    throw new ErrorReply(`ERR Unknown client type '${request.text(index, 128)}'`);
  }
  return type;
}

function kill(request: Request, client: ClientState): Reply {
  const { server } = client;
  if (request.count === 3) {
    const address = request.text(2);
    const victim = [...server.clients.values()].find(({ peer }) => peer.remote === address);
    if (victim === undefined) return new ErrorReply("ERR No such client");
    end(victim, client);
    return OK;
  }
  const tests: ((other: ClientState) => boolean)[] = [];
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
      tests.push(() => server.address === value);
    } else if (option === "TYPE") {
      const type = checkType(request, at + 1);
      tests.push((other) => typeOf(other) === type);
    } else if (option === "USER") {
      if (value !== "default") return new ErrorReply(`ERR No such user '${value}'`);
    } else if (option === "SKIPME" && /^(yes|no)$/i.test(value)) {
      skipMe = value.toLowerCase() === "yes";
    } else {
      return SYNTAX_ERROR;
    }
  }
  let killed = 0;
  for (const other of [...server.clients.values()]) {
    if ((skipMe && other === client) || !tests.every((test) => test(other))) continue;
    end(other, client);
    killed++;
  }
  return killed;
}

/** Closes a connection; the killer's own only after the reply. */
function end(victim: ClientState, by: ClientState): void {
  if (victim === by) by.closing = true;
  else victim.peer.close();
}

function setname(request: Request, client: ClientState): Reply {
  client.name = checkClientName(request.text(2));
  return OK;
}

function setinfo(request: Request, client: ClientState): Reply {
  const option = request.option(2);
  const value = request.text(3);
  if (option !== "LIB-NAME" && option !== "LIB-VER") {
    return new ErrorReply(`ERR Unrecognized option '${request.text(2, 128)}'`);
  }
  if (!isName(value)) {
    return new ErrorReply(
      `ERR ${option.toLowerCase()} cannot contain spaces, newlines or special characters.`,
    );
  }
  if (option === "LIB-NAME") client.libName = value;
  else client.libVersion = value;
  return OK;
}

function reply(request: Request, client: ClientState): Reply {
  const mode = request.option(2);
  if (mode === "ON") {
    client.replyMode = "on";
    return OK;
  }
  if (mode !== "OFF" && mode !== "SKIP") return SYNTAX_ERROR;
  if (mode === "OFF" || client.replyMode !== "off") {
    client.replyMode = mode.toLowerCase() as ReplyMode;
  }
  return NO_REPLY;
}

const flags = ["noscript", "loading", "stale"];

const subcommand = subcommandsOf({ flags, group, since: "2.4.0" });

const SUBCOMMANDS: readonly Command[] = [
  subcommand("id", 2, "Returns the ID of the connection.", (_, { peer }) => peer.id),
  subcommand(
    "getname",
    2,
    "Returns the name of the connection.",
    (_, { name }) => name === "" ? null : name,
  ),
  subcommand("setname", 3, "Sets the name of the connection.", setname),
  subcommand("setinfo", 4, "Sets the name or version of the client's library.", setinfo),
  subcommand(
    "info",
    2,
    "Describes the connection.",
    (_, client) => new Verbatim(`${describe(client)}\n`),
  ),
  subcommand("list", -2, "Describes all connections.", list),
  subcommand("kill", -3, "Closes connections.", kill),
  subcommand("reply", 3, "Turns replies on or off, or skips the next one.", reply),
  ...CLIENT_CONTROL_SUBCOMMANDS,
];

/** CLIENT and its subcommands. */
export const CLIENT_COMMANDS: readonly Command[] = [{
  name: "client",
  arity: -2,
  flags,
  group,
  summary: "Lists, names and closes connections.",
  since: "2.4.0",
  action: { kind: "session", run: () => SYNTAX_ERROR },
  subcommands: withHelp("client", group, SUBCOMMANDS),
}];
