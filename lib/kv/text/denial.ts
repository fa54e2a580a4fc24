import { escapeGlob } from "../../glob.ts";
import type { Rights } from "../../rights.ts";
import { allowsEverything } from "../rights.ts";
import type { RightsHolder } from "../commands/denial.ts";
import { type TextCommand, TextError, type TextName } from "./parser.ts";

/** What each command needs of a client with limited rights. */
export const TEXT_NEEDS: Readonly<Record<TextName, readonly ("read" | "write")[]>> = {
  put: ["write"],
  get: ["read"],
  delete: ["write"],
  list: ["read"],
  exists: ["read"],
  incr: ["read", "write"],
  cas: ["read", "write"],
  putex: ["write"],
  putnx: ["write"],
  deleteif: ["read", "write"],
  mget: ["read"],
  increx: ["read", "write"],
  ttl: ["read"],
  expire: ["write"],
  persist: ["write"],
  follow: ["read"],
  count: ["read"],
  help: [],
  quit: [],
};

/**
 * Checks the rights of a client to run a command. LIST and FOLLOW need the right to everything that
 * begins with their prefix. It notes a refusal.
 *
 * @throws {TextError} If a right is missing.
 */
export function checkRights(command: TextCommand, holder: RightsHolder): void {
  const { rights } = holder;
  if (rights === null) return;
  for (const action of TEXT_NEEDS[command.name]) {
    const denied = deniedName(command, action, rights);
    if (denied === undefined) continue;
    holder.refuse(action, denied.name);
    throw new TextError(`no right to ${action} ${denied.what}`);
  }
}

function deniedName(
  command: TextCommand,
  action: string,
  rights: Rights,
): { name: string; what: string } | undefined {
  switch (command.name) {
    case "help":
    case "quit":
      return undefined;
    case "count":
      return allowsEverything(rights, action) ? undefined : { name: "", what: "all keys" };
    case "list":
    case "follow": {
      const { prefix } = command;
      const covered = rights.allowsAll(action, `${escapeGlob(prefix)}*`);
      return covered ? undefined : { name: prefix, what: "all keys with this prefix" };
    }
    case "mget": {
      const name = command.keys.find((key) => !rights.allows(action, key));
      return name === undefined ? undefined : { name, what: "this key" };
    }
    default: {
      const { key: name } = command;
      return rights.allows(action, name) ? undefined : { name, what: "this key" };
    }
  }
}
