/**
 * COMMAND: what commands there are, out of the table of commands itself.
 *
 * @module
 */

import { Glob } from "./glob.ts";
import { CommandError, type Reply, ReplyMap, ReplySet, SimpleString } from "../resp/reply.ts";
import { Request } from "../resp/request.ts";
import type { Session } from "../session/session.ts";
import { type Command, subcommandsOf } from "./command.ts";
import { SYNTAX_ERROR } from "./errors.ts";
import type { TableEntry } from "./table.ts";

const group = "server";

/** The categories of Redis' access lists that follow from what a command is. */
function categories({ flags, group, kind }: Command & { kind: string }): string[] {
  const found = [];
  if (flags.includes("write")) found.push("write");
  if (flags.includes("readonly")) found.push("read");
  const groups: Record<Command["group"], string> = {
    string: "string",
    generic: "keyspace",
    transactions: "transaction",
    connection: "connection",
    server: "admin",
  };
  if (kind !== "keys" || group !== "server") found.push(groups[group]);
  found.push(flags.includes("fast") ? "fast" : "slow");
  return found;
}

function categoriesOf({ command }: TableEntry): string[] {
  return categories({ ...command, kind: command.action.kind });
}

function describe(entry: TableEntry): Reply {
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

function documentation({ command, subcommands }: TableEntry): Reply {
  const pairs: [Reply, Reply][] = [
    ["summary", command.summary],
    ["since", command.since],
    ["group", command.group],
  ];
  if (subcommands.size > 0) pairs.push(["subcommands", documentationOf(subcommands.values())]);
  return new ReplyMap(pairs);
}

function documentationOf(entries: Iterable<TableEntry>): Reply {
  return new ReplyMap([...entries].map((entry) => [entry.fullName, documentation(entry)]));
}

/** The entries that the arguments name from the third on; `undefined` for an unknown name. */
function named(request: Request, { shared }: Session): (TableEntry | undefined)[] {
  const entries = [];
  for (let at = 2; at < request.count; at++) {
    entries.push(shared.table.get(request.text(at, 128).toLowerCase()));
  }
  return entries;
}

function infoOfAll(_request: Request, { shared }: Session): Reply {
  return [...shared.table.commands].map(describe);
}

function info(request: Request, session: Session): Reply {
  if (request.count === 2) return infoOfAll(request, session);
  return named(request, session).map((entry) => entry === undefined ? null : describe(entry));
}

function docs(request: Request, session: Session): Reply {
  if (request.count === 2) return documentationOf(session.shared.table.commands);
  return documentationOf(named(request, session).filter((entry) => entry !== undefined));
}

function list(request: Request, { shared }: Session): Reply {
  const { all } = shared.table;
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

function getkeys(request: Request, { shared }: Session): Reply {
  let entry = shared.table.get(request.text(2, 128).toLowerCase());
  if (entry === undefined) return new CommandError("ERR Invalid command specified");
  if (entry.subcommands.size > 0 && request.count > 3) {
    entry = entry.subcommands.get(request.text(3, 128).toLowerCase()) ?? entry;
  }
  const { arity, keys } = entry.command;
  const count = request.count - 2;
  if (arity > 0 ? count !== arity : count < -arity) {
    return new CommandError("ERR Invalid number of arguments specified for command");
  }
  if (keys === undefined) {
    return new CommandError("ERR The command has no key arguments");
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
  subcommands: [
    subcommand("count", 2, "Returns the number of commands.", (_, { shared }) => shared.table.size),
    subcommand("info", -2, "Describes commands to programs.", info),
    subcommand("docs", -2, "Describes commands to people.", docs),
    subcommand("list", -2, "Returns the names of commands.", list),
    subcommand("getkeys", -4, "Returns the keys in a command's arguments.", getkeys),
  ],
}];
