/**
 * The rules of the commit, which is a two-phase commit led by node 0. They are pure: commit.ts applies
 * them while a job runs, and node/ after a restart.
 *
 * A node is prepared when its output is complete and on disk, and a note says so (prepared_note.ts).
 * From then on it may not give up by itself; only node 0 may. When all are prepared, node 0 records
 * its decision on disk, and from then on the job is committed for good: every node that comes back
 * renames its output. Node 0 repeats the decision until all have answered, and then forgets it. A job
 * that it has no record of was not committed. So an abort needs no record.
 *
 * A member that cannot hear node 0 while it is prepared is in doubt: it keeps what it has and asks.
 *
 * @module
 */

/** Where a member is. `none` is one that has nothing of the job: it is over, or was never prepared. */
export type MemberState = "none" | "working" | "prepared" | "doubt";

/** What happens to a member. */
export type MemberEvent =
  /** Its output is complete and on disk. */
  | "complete"
  /** Node 0 says so. */
  | "commit"
  | "abort"
  /** Node 0 cannot be heard any more, or this node has to stop. */
  | "lost"
  /** Some time has passed. */
  | "tick";

/** What a member does, in this order. */
export type MemberEffect =
  /** Writes the note. */
  | "prepare"
  | "tell complete"
  | "rename"
  | "discard"
  | "tell done"
  | "ask";

/** The next state, and what to do before it counts. */
export interface MemberStep {
  state: MemberState;
  effects: MemberEffect[];
}

/** The state of a member that has been started again. */
export function memberAfterRestart(hasNote: boolean): MemberState {
  return hasNote ? "doubt" : "none";
}

/** How an event changes the state of a member. */
export function stepMember(state: MemberState, event: MemberEvent): MemberStep {
  const isPrepared = state === "prepared" || state === "doubt";
  switch (event) {
    case "complete":
      if (state !== "working") break;
      return { state: "prepared", effects: ["prepare", "tell complete"] };
    case "commit":
      if (isPrepared) return { state: "none", effects: ["rename", "tell done"] };
      // It has renamed its output, and node 0 has not heard of that.
      if (state === "none") return { state, effects: ["tell done"] };
      break;
    case "abort":
      if (state === "none") break;
      return { state: "none", effects: ["discard"] };
    case "lost":
      if (state === "working") return { state: "none", effects: ["discard"] };
      if (state === "prepared") return { state: "doubt", effects: [] };
      break;
    case "tick":
      if (state === "doubt") return { state, effects: ["ask"] };
      break;
  }
  return { state, effects: [] };
}

/** Where node 0 is. `none` is a job that it has no record of. */
export type LeaderPhase = "none" | "collecting" | "committed";

/** The state of node 0. */
export interface LeaderState {
  phase: LeaderPhase;
  /** The members that it waits for. */
  missing: readonly number[];
}

/** What happens to node 0; `from` is a member. */
export type LeaderEvent =
  | { kind: "complete" | "done" | "lost" | "ask"; from: number }
  /** The job cannot go on. */
  | { kind: "fail" }
  | { kind: "tick" };

/** What node 0 does, in this order; `to` are members. */
export type LeaderEffect =
  | { kind: "decide" | "rename" | "discard" | "forget" }
  | { kind: "commit" | "abort"; to: readonly number[] };

/** The next state, and what to do before it counts. */
export interface LeaderStep {
  state: LeaderState;
  effects: LeaderEffect[];
}

/** The state of node 0 when its own output is complete. */
export function beginLeading(members: readonly number[]): LeaderState {
  return { phase: "collecting", missing: members };
}

/** The state of node 0 when it has been started again. */
export function leaderAfterRestart(members: readonly number[], hasRecord: boolean): LeaderState {
  return hasRecord ? { phase: "committed", missing: members } : { phase: "none", missing: [] };
}

/** How an event changes the state of node 0. */
export function stepLeader(
  state: LeaderState,
  event: LeaderEvent,
  members: readonly number[],
): LeaderStep {
  const { phase, missing } = state;
  const without = (node: number) => missing.filter((other) => other !== node);
  const stay: LeaderStep = { state, effects: [] };
  const giveUp: LeaderStep = {
    state: { phase: "none", missing: [] },
    effects: [{ kind: "discard" }, { kind: "abort", to: members }],
  };
  switch (event.kind) {
    case "complete": {
      if (phase === "none") return { state, effects: [{ kind: "abort", to: [event.from] }] };
      if (phase === "committed") return stay;
      const left = without(event.from);
      if (left.length > 0) return { state: { phase, missing: left }, effects: [] };
      return {
        state: { phase: "committed", missing: members },
        effects: [{ kind: "decide" }, { kind: "commit", to: members }, { kind: "rename" }],
      };
    }
    case "lost":
      return phase === "collecting" ? giveUp : stay;
    case "fail":
      return phase === "collecting" ? giveUp : stay;
    case "ask":
      if (phase === "none") return { state, effects: [{ kind: "abort", to: [event.from] }] };
      if (phase === "committed") return { state, effects: [{ kind: "commit", to: [event.from] }] };
      return stay;
    case "done": {
      if (phase !== "committed") return stay;
      const left = without(event.from);
      if (left.length > 0) return { state: { phase, missing: left }, effects: [] };
      return { state: { phase: "none", missing: [] }, effects: [{ kind: "forget" }] };
    }
    case "tick":
      return phase === "committed" ? { state, effects: [{ kind: "commit", to: missing }] } : stay;
  }
}
