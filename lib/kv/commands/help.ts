/**
 * HELP: lists the subcommands of a command.
 *
 * @module
 */

import { type Command, subcommandsOf } from "./command.ts";

/** Adds HELP to the subcommands of a command. */
export function withHelp(
  command: string,
  group: Command["group"],
  subcommands: readonly Command[],
): readonly Command[] {
  const name = command.toUpperCase();
  const lines = [
    `${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`,
    ...subcommands.flatMap(({ name, summary }) => [name.toUpperCase(), `    ${summary}`]),
    "HELP",
    "    Lists the subcommands.",
  ];
  const help = subcommandsOf({ flags: ["loading", "stale"], group, since: "5.0.0" });
  return [...subcommands, help("help", 2, "Lists the subcommands.", () => lines)];
}
