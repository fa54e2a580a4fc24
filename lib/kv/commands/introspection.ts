/**
 * COMMAND: describes the commands of the catalogue.
 *
 * @module
 */

import { Glob } from "../../glob.ts";
import { ErrorReply, type Reply, ReplyMap, ReplySet, SimpleString } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import type { CatalogueEntry, CommandInfo } from "./catalogue.ts";
import { type Command, subcommandsOf } from "./command.ts";
import type { ClientState } from "./context.ts";
import { SYNTAX_ERROR } from "./errors.ts";
import { withHelp } from "./help.ts";

const group = "server";

/** The ACL category of each group of commands. */
const CATEGORIES: Readonly<Record<CommandInfo["group"], string>> = {
  string: "string",
  bitmap: "bitmap",
  generic: "keyspace",
  transactions: "transaction",
  pubsub: "pubsub",
  connection: "connection",
  scripting: "scripting",
  server: "admin",
};

/** The ACL categories of commands. */
export const ACL_CATEGORIES: readonly string[] = [
  ...Object.values(CATEGORIES),
  "read",
  "write",
  "fast",
  "slow",
];

/** The ACL categories of a command, derived from its flags and group. */
export function categoriesOf({ command: { flags, group } }: CatalogueEntry): string[] {
  const found = [];
  if (flags.includes("write")) found.push("write");
  if (flags.includes("readonly")) found.push("read");
  found.push(CATEGORIES[group], flags.includes("fast") ? "fast" : "slow");
  return found;
}

function describe(entry: CatalogueEntry): Reply {
  const { command, fullName, subcommands } = entry;
  const { first, last, step } = command.keys ?? { first: 0, last: 0, step: 0 };
  return [
    fullName,
    command.arity,
    new ReplySet(command.flags.map((flag) => new SimpleString(flag))),
    first,
    last,
    step,
    new ReplySet(categoriesOf(entry).map((category) => new SimpleString(`@${category}`))),
    [],
    [],
    [...subcommands.values()].map(describe),
  ];
}

function documentation({ command, subcommands }: CatalogueEntry): Reply {
  const pairs: [Reply, Reply][] = [
    ["summary", command.summary],
    ["since", command.since],
    ["group", command.group],
  ];
  if (subcommands.size > 0) pairs.push(["subcommands", documentationOf(subcommands.values())]);
  return new ReplyMap(pairs);
}

function documentationOf(entries: Iterable<CatalogueEntry>): Reply {
  return new ReplyMap([...entries].map((entry) => [entry.fullName, documentation(entry)]));
}

/** The entries named by the arguments from index 2 on; `undefined` for unknown names. */
function named(request: Request, { server }: ClientState): (CatalogueEntry | undefined)[] {
  const entries = [];
  for (let at = 2; at < request.count; at++) {
    entries.push(server.commands.get(request.text(at, 128).toLowerCase()));
  }
  return entries;
}

function infoOfAll(_request: Request, { server }: ClientState): Reply {
  return [...server.commands.commands].map(describe);
}

function info(request: Request, client: ClientState): Reply {
  if (request.count === 2) return infoOfAll(request, client);
  return named(request, client).map((entry) => entry === undefined ? null : describe(entry));
}

function docs(request: Request, client: ClientState): Reply {
  if (request.count === 2) return documentationOf(client.server.commands.commands);
  return documentationOf(named(request, client).filter((entry) => entry !== undefined));
}

function list(request: Request, { server }: ClientState): Reply {
  const { all } = server.commands;
  if (request.count === 2) return all.map(({ fullName }) => fullName);
  if (request.count !== 5 || request.option(2) !== "FILTERBY") return SYNTAX_ERROR;
  const by = request.option(3), wanted = request.text(4).toLowerCase();
  if (by === "MODULE") return [];
  if (by === "ACLCAT") {
    return all.filter((entry) => categoriesOf(entry).includes(wanted))
      .map(({ fullName }) => fullName);
  }
  if (by !== "PATTERN") return SYNTAX_ERROR;
  const glob = new Glob(wanted);
  return all.filter(({ fullName }) => glob.matches(fullName)).map(({ fullName }) => fullName);
}

function getkeys(request: Request, { server }: ClientState): Reply {
  let entry = server.commands.get(request.text(2, 128).toLowerCase());
  if (entry === undefined) return new ErrorReply("ERR Invalid command specified");
  if (entry.subcommands.size > 0 && request.count > 3) {
    entry = entry.subcommands.get(request.text(3, 128).toLowerCase()) ?? entry;
  }
  const { arity, keys } = entry.command;
  const count = request.count - 2;
  if (arity > 0 ? count !== arity : count < -arity) {
    return new ErrorReply("ERR Invalid number of arguments specified for command");
  }
  if (keys === undefined) {
    return new ErrorReply("ERR The command has no key arguments");
  }
  const last = keys.last < 0 ? count + keys.last : keys.last;
  const found: Reply[] = [];
  for (let at = keys.first; at <= last; at += keys.step) found.push(request.text(at + 2));
  return found;
}

const flags = ["loading", "stale"];

const subcommand = subcommandsOf({ flags, group, since: "2.8.13" });

/** COMMAND and its subcommands. */
export const INTROSPECTION_COMMANDS: readonly Command[] = [{
  name: "command",
  arity: -1,
  flags,
  group,
  summary: "Describes commands.",
  since: "2.8.13",
  action: { kind: "session", run: infoOfAll },
  subcommands: withHelp("command", group, [
    subcommand(
      "count",
      2,
      "Returns the number of commands.",
      (_, { server }) => server.commands.size,
    ),
    subcommand("info", -2, "Describes commands for programs.", info),
    subcommand("docs", -2, "Describes commands for people.", docs),
    subcommand("list", -2, "Returns the names of commands.", list),
    subcommand("getkeys", -4, "Returns the keys among a command's arguments.", getkeys),
  ]),
}];
