/**
 * Checks that what concurrent clients saw of one key could have happened one operation after
 * another: each at one moment between its call and its reply.
 *
 * This is the search of Wing and Gong ("Testing and verifying concurrent objects", 1993) with
 * Lowe's memory of what has been tried: take any operation that could have been the next one, that
 * is, one that was called before any other of the rest got its reply; see whether its reply is
 * right; go on with the rest; and try another one if that leads nowhere.
 *
 * @module
 */

/** What a client asked for. */
export type Command =
  | { name: "GET" | "DELETE" }
  | { name: "PUT"; value: string }
  | { name: "CAS"; expected: string; value: string }
  | { name: "INCR"; by: number };

/** A command and what came of it. */
export interface Event {
  command: Command;
  /** When it was sent. */
  calledMs: number;
  /** When its reply was there. */
  repliedMs: number;
  /** The reply; `undefined` when there was none, so it may have been done at any time since. */
  reply: string | undefined;
}

/** A value, or none. */
type State = string | undefined;

/** What one store does, one command after another. */
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

/** Whether the history of a key, which was empty at first, is linearizable. */
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

  /** Whether the rest can follow on a state, when all before `first` are done. */
  function search(first: number, state: State): boolean {
    while (knownDone[first]) first++;
    if (first === known.length) return true;
    // Nothing can come next that was called after another one of the rest got its reply.
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
      // Two alike that may both never have been done: it is enough to try the earlier one first.
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
