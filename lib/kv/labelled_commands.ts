/**
 * Commands that tell an observed transaction which of them makes its changes.
 *
 * @module
 */

import { label, type Misses } from "./changes/change.ts";
import { SET_KEEPTTL } from "./changes/events.ts";
import type { Command, KeyWork } from "./commands/command.ts";
import type { Request } from "./resp/request.ts";

/** Commands that write, and also miss a key that they do not find. */
const MISSING = ["bitop", "getdel", "getex", "getset"];

/** The same commands, labelling the transactions that they run on. */
export function labelled(commands: readonly Command[]): Command[] {
  return commands.map((command) => {
    const { name, flags, action } = command;
    if (action.kind !== "keys") return command;
    // OBJECT and others look at keys without asking for their values.
    const misses = flags.includes("readonly") || MISSING.includes(name);
    const prepare: typeof action.prepare = (request, context) => {
      const work = action.prepare(request, context);
      // It looks for the key to write as commands that write do.
      if (name === "copy") return labelledWork(work, name, "first");
      if (name !== "set" || request.count === 3) return labelledWork(work, name, misses);
      const keepsTime = hasOption(request, "KEEPTTL");
      return labelledWork(work, keepsTime ? SET_KEEPTTL : name, hasOption(request, "GET"));
    };
    return { ...command, action: { ...action, prepare } };
  });
}

/** Whether a valid SET has an option. */
function hasOption(request: Request, option: string): boolean {
  for (let at = 3; at < request.count; at++) if (request.option(at) === option) return true;
  return false;
}

function labelledWork(work: KeyWork, name: string, misses: Misses): KeyWork {
  const { run } = work;
  work.run = function (transaction) {
    label(transaction, name, misses);
    return run.call(this, transaction);
  };
  return work;
}
