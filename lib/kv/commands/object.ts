/**
 * OBJECT: what Redis would tell about how it stores a value.
 *
 * @module
 */

import type { Entry, MaybePromise } from "../../storage/store.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import type { Command, KeyWork } from "./command.ts";
import type { ClientState, CommandContext } from "./context.ts";
import { SYNTAX_ERROR } from "./errors.ts";
import { withHelp } from "./help.ts";
import { placeOf } from "./places.ts";
import { encodingOf } from "./strings.ts";

const group = "generic";

const NOT_TRACKED = new ErrorReply(
  "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that " +
    "when switching between policies at runtime LRU and LFU data will take some time to adjust.",
);

const OBJECT_KEY = { first: 2, last: 2, step: 1 };

/** OBJECT IDLETIME. It must not read the key, since that would count as using it. */
function idletime(request: Request, { db, server }: ClientState): MaybePromise<Reply> {
  const { store } = server;
  const key = request.text(2);
  if (store.idleTimeMs !== undefined) return seconds(store.idleTimeMs(db, key));
  const exists = (entry: Entry | undefined) => entry === undefined ? null : 0;
  const found = store.get(db, key);
  return found instanceof Promise ? found.then(exists) : exists(found);
}

function seconds(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.floor(ms / 1000);
}

function object(
  name: string,
  summary: string,
  options: { since: string; answer: (entry: Entry) => Reply },
): Command {
  const prepare = (request: Request, { db }: CommandContext): KeyWork => {
    const key = request.text(2);
    return {
      places: placeOf(db, key),
      run(tx) {
        const entry = tx.get(db, key);
        return entry === undefined ? null : options.answer(entry);
      },
    };
  };
  return {
    name,
    arity: 3,
    flags: ["readonly"],
    keys: OBJECT_KEY,
    group,
    summary,
    since: options.since,
    action: { kind: "keys", prepare },
  };
}

/** OBJECT and its subcommands. */
export const OBJECT_COMMANDS: readonly Command[] = [{
  name: "object",
  arity: -2,
  flags: [],
  group,
  summary: "Returns internals of a value.",
  since: "2.2.3",
  action: { kind: "session", run: () => SYNTAX_ERROR },
  subcommands: withHelp("object", group, [
    object("encoding", "Returns the encoding that Redis would choose for a value.", {
      since: "2.2.3",
      answer: ({ value }) => encodingOf(value),
    }),
    object("freq", "Fails: quartet does not count how often a key is used.", {
      since: "4.0.0",
      answer: () => NOT_TRACKED,
    }),
    {
      name: "idletime",
      arity: 3,
      flags: ["readonly"],
      keys: OBJECT_KEY,
      group,
      summary: "Returns how many seconds ago a key was last used; 0 if that is not known.",
      since: "2.2.3",
      action: { kind: "session", run: idletime },
    },
    object("refcount", "Returns the reference count of a value, which is always 1.", {
      since: "2.2.3",
      answer: () => 1,
    }),
  ]),
}];
