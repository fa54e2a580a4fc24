/**
 * Checks whether the operations of concurrent clients on one key are linearizable: whether each
 * can have taken effect at one moment between its call and its reply.
 *
 * This is the search of Wing and Gong ("Testing and verifying concurrent objects", 1993) with
 * Lowe's cache of visited states. Choose a remaining operation that may be next, which is one that
 * was called before any other remaining operation got its reply. If its reply is right, continue
 * with the rest; otherwise, or if that leads nowhere, choose another.
 *
 * @module
 */

/** A command of a client. */
export type Command =
  | { name: "GET" | "DELETE" }
  | { name: "PUT"; value: string }
  | { name: "CAS"; expected: string; value: string }
  | { name: "INCR"; by: number };

/** A command and its outcome. */
export interface Event {
  command: Command;
  /** When it was sent. */
  calledMs: number;
  /** When its reply arrived. */
  repliedMs: number;
  /** The reply; `undefined` if there was none, so that it may take effect at any time, or never. */
  reply: string | undefined;
}

/** The value of a key; `undefined` if it does not exist. */
type State = string | undefined;

/** Applies a command to a sequential store. */
export function apply(state: State, command: Command): { state: State; reply: string } {
  switch (command.name) {
    case "GET":
      return { state, reply: state === undefined ? "NOT_FOUND" : `VALUE ${state}` };
    case "DELETE":
      return { state: undefined, reply: state === undefined ? "NOT_FOUND" : "OK" };
    case "PUT":
      return { state: command.value, reply: "OK" };
    case "CAS":
      if (state === undefined) return { state, reply: "NOT_FOUND" };
      if (state !== command.expected) return { state, reply: "CONFLICT" };
      return { state: command.value, reply: "OK" };
    case "INCR": {
      const sum = `${Number(state ?? "0") + command.by}`;
      return { state: sum, reply: `VALUE ${sum}` };
    }
  }
}

/** Whether the history of a key that did not exist at first is linearizable. */
export function isLinearizable(history: readonly Event[]): boolean {
  const known = history.filter(({ reply }) => reply !== undefined)
    .sort((a, b) => a.calledMs - b.calledMs);
  const open = history.filter(({ reply }) => reply === undefined)
    .sort((a, b) => a.calledMs - b.calledMs);
  const alikeBefore = open.map(({ command }, index) =>
    open.findLastIndex((other, at) => at < index && isAlike(other.command, command))
  );
  const knownDone = new Array<boolean>(known.length).fill(false);
  const openDone = new Array<boolean>(open.length).fill(false);
  const tried = new Set<string>();

  /** Whether the remaining operations can follow a state; all before `first` are done. */
  function search(first: number, state: State): boolean {
    while (knownDone[first]) first++;
    if (first === known.length) return true;
    // An operation called after another remaining one got its reply cannot be next.
    let firstReplyMs = Infinity;
    let end = first;
    for (; end < known.length && known[end]!.calledMs <= firstReplyMs; end++) {
      if (!knownDone[end]) firstReplyMs = Math.min(firstReplyMs, known[end]!.repliedMs);
    }
    const situation = `${first} ${bits(knownDone, first, end)} ${bits(openDone)} ${state}`;
    if (tried.has(situation)) return false;
    tried.add(situation);
    for (let index = first; index < end; index++) {
      if (knownDone[index] || known[index]!.calledMs > firstReplyMs) continue;
      const next = apply(state, known[index]!.command);
      if (next.reply !== known[index]!.reply) continue;
      knownDone[index] = true;
      if (search(first, next.state)) return true;
      knownDone[index] = false;
    }
    for (let index = 0; index < open.length; index++) {
      if (openDone[index] || open[index]!.calledMs > firstReplyMs) continue;
      // Of two equal commands without a reply, it is enough to try the earlier one first.
      const before = alikeBefore[index]!;
      if (before !== -1 && !openDone[before]) continue;
      const next = apply(state, open[index]!.command);
      if (next.state === state) continue;
      openDone[index] = true;
      if (search(first, next.state)) return true;
      openDone[index] = false;
    }
    return false;
  }

  return search(0, undefined);
}

function isAlike(a: Command, b: Command): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function bits(flags: readonly boolean[], start = 0, end = flags.length): string {
  let text = "";
  for (let index = start; index < end; index++) text += flags[index] ? "1" : "0";
  return text;
}
