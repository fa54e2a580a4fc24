/**
 * Refuses commands for which a token lacks the rights, in the words of Redis's ACL.
 *
 * @module
 */

import type { Login } from "../../net/login.ts";
import type { Rights } from "../../rights.ts";
import { ErrorReply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { allowsEverything, mayPatternSubscribe, maySubscribe } from "../rights.ts";
import type { CatalogueEntry } from "./catalogue.ts";
import { type KeyNeed, type Need, NEEDS } from "./needs.ts";

/** Each name is compared with patterns, so a client with limited rights can name only so many. */
export const MAX_CHECKED_NAMES = 4096;

/** A client's rights, and what notes that it was refused something. */
export type RightsHolder = Pick<Login, "rights" | "refuse">;

/** What a command wanted in vain. */
interface Denial {
  action: string;
  /** The key or channel; `undefined` if it is the whole command that is refused. */
  name: string | undefined;
  what: "key" | "channel" | "command";
}

/** The actions on the first key of a command, and on each further one. */
const KEY_ACTIONS: Readonly<Record<KeyNeed, readonly [first: string[], rest: string[]]>> = {
  read: [["read"], ["read"]],
  write: [["write"], ["write"]],
  update: [["read", "write"], ["read", "write"]],
  rename: [["read", "write"], ["write"]],
  copy: [["read"], ["write"]],
  bitop: [["write"], ["read"]],
  set: [["write"], ["write"]],
};

/**
 * The reply to a command that a client has no right to; `undefined` if it has, or if its rights are
 * not limited. It notes the refusal.
 *
 * @param request The command, whose number of arguments is right.
 * @param options `script`: whether a script calls the command.
 */
export function refuseWithoutRight(
  entry: CatalogueEntry,
  request: Request,
  { holder, script = false }: { holder: RightsHolder; script?: boolean },
): ErrorReply | undefined {
  const { rights } = holder;
  if (rights === null) return undefined;
  const need = NEEDS.get(entry.fullName);
  if (need === "nothing") return undefined;
  if (request.count > MAX_CHECKED_NAMES) {
    return new ErrorReply(
      `ERR a client with limited rights can send at most ${MAX_CHECKED_NAMES} arguments`,
    );
  }
  const denial = denialOf(need, entry, { request, rights });
  if (denial === undefined) return undefined;
  holder.refuse(denial.action, denial.name ?? entry.fullName);
  const text = denial.what === "command"
    ? `User default has no permissions to run the '${entry.fullName}' command`
    : `No permissions to access a ${denial.what}`;
  return new ErrorReply(`NOPERM ${script ? "ACL failure in script: " : ""}${text}`);
}

function denialOf(
  need: Need | undefined,
  { command }: CatalogueEntry,
  { request, rights }: { request: Request; rights: Rights },
): Denial | undefined {
  switch (need) {
    case undefined:
      return { action: "all", name: undefined, what: "command" };
    case "nothing":
      return undefined;
    case "read all":
      return deniedCommand(rights, "read");
    case "write all":
      return deniedCommand(rights, "write");
    case "subscribe to all":
      return deniedCommand(rights, "subscribe");
    case "everything":
      return deniedCommand(rights, "read") ?? deniedCommand(rights, "write");
    case "publish": {
      const name = request.text(1);
      return rights.allows("publish", name)
        ? undefined
        : { action: "publish", name, what: "channel" };
    }
    case "subscribe":
      return deniedChannel(request, (channel) => maySubscribe(rights, channel));
    case "psubscribe":
      return deniedChannel(request, (pattern) => mayPatternSubscribe(rights, pattern));
    default: {
      const { first, last, step } = command.keys!;
      const end = last < 0 ? request.count + last : last;
      const [onFirst, onRest] = KEY_ACTIONS[need];
      for (let at = first; at <= end; at += step) {
        const name = request.text(at);
        for (const action of at === first ? onFirst : onRest) {
          if (!rights.allows(action, name)) return { action, name, what: "key" };
        }
        if (need !== "set" || !tellsValue(request) || rights.allows("read", name)) continue;
        return { action: "read", name, what: "key" };
      }
      return undefined;
    }
  }
}

function deniedCommand(rights: Rights, action: string): Denial | undefined {
  if (allowsEverything(rights, action)) return undefined;
  return { action, name: undefined, what: "command" };
}

function deniedChannel(
  request: Request,
  allows: (channel: string) => boolean,
): Denial | undefined {
  for (let at = 1; at < request.count; at++) {
    const name = request.text(at);
    if (!allows(name)) return { action: "subscribe", name, what: "channel" };
  }
  return undefined;
}

/** Whether a SET also returns the old value, or tells by its success what it was. */
function tellsValue(request: Request): boolean {
  for (let at = 3; at < request.count; at++) {
    const option = request.option(at);
    if (option === "GET" || option === "IFEQ") return true;
  }
  return false;
}
