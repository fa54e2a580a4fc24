/**
 * ACL: the one user there is. Tokens and what they open are set in the configuration file.
 *
 * @module
 */

import { ErrorReply, type Reply, ReplyMap, ReplySet } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { type Command, subcommandsOf } from "./command.ts";
import type { ClientState } from "./context.ts";
import { quote, SYNTAX_ERROR } from "./errors.ts";
import { withHelp } from "./help.ts";
import { ACL_CATEGORIES, categoriesOf } from "./introspection.ts";

const group = "server";

const USER = "default";

function list(_request: Request, { login }: ClientState): Reply {
  // The hash of a token must not be shown, so the password is left out.
  return [`user ${USER} on ${login === undefined ? "nopass " : ""}~* &* +@all`];
}

function cat(request: Request, { server }: ClientState): Reply {
  if (request.count === 2) return [...ACL_CATEGORIES];
  if (request.count > 3) return SYNTAX_ERROR;
  const category = request.text(2, 128).toLowerCase();
  if (!ACL_CATEGORIES.includes(category)) {
    return new ErrorReply(`ERR Unknown category '${quote(request.text(2, 128))}'`);
  }
  return server.commands.all.filter((entry) => categoriesOf(entry).includes(category))
    .map(({ fullName }) => fullName);
}

function getuser(request: Request, { login }: ClientState): Reply {
  if (request.text(2, 128) !== USER) return null;
  return new ReplyMap([
    ["flags", new ReplySet(login === undefined ? ["on", "nopass"] : ["on"])],
    ["passwords", []],
    ["commands", "+@all"],
    ["keys", "~*"],
    ["channels", "&*"],
    ["selectors", []],
  ]);
}

const flags = ["admin", "noscript", "loading", "stale"];

const subcommand = subcommandsOf({ flags, group, since: "6.0.0" });
const openSubcommand = subcommandsOf({
  flags: ["noscript", "loading", "stale"],
  group,
  since: "6.0.0",
});

/** ACL and its subcommands. */
export const ACL_COMMANDS: readonly Command[] = [{
  name: "acl",
  arity: -2,
  flags: [],
  group,
  summary: "Returns who may do what.",
  since: "6.0.0",
  action: { kind: "session", run: () => SYNTAX_ERROR },
  subcommands: withHelp("acl", group, [
    openSubcommand("cat", -2, "Returns the categories, or the commands of one.", cat),
    subcommand("getuser", 3, "Returns the rights of a user.", getuser),
    subcommand("list", 2, "Returns the rights of all users.", list),
    subcommand("log", -2, "Returns nothing: refused commands are not recorded.", () => []),
    subcommand("users", 2, "Returns the names of all users.", () => [USER]),
    openSubcommand("whoami", 2, "Returns the name of the user.", () => USER),
  ]),
}];
