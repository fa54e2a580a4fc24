/**
 * The last phase of a job, a two-phase commit led by node 0: the outputs get their names only when
 * the output of every node is complete and on disk. commit_rules.ts has the rules; this module
 * applies them while the job runs.
 *
 * @module
 */

import { balances } from "../records/balance.ts";
import { addTally, formatSum, type Tally } from "../records/checksum.ts";
import type { RecordFormat } from "../records/record_format.ts";
import { decodeTallies, encodeTallies, FRAME } from "../link/frame.ts";
import type { SortFailedError } from "../link/sort_failure.ts";
import {
  beginLeading,
  type LeaderEvent,
  type LeaderState,
  type MemberEvent,
  type MemberState,
  stepLeader,
  stepMember,
} from "./commit_rules.ts";
import type { Output } from "./output.ts";
import type { CommitEvent, PeerGroup } from "./peer_group.ts";

/** Where node 0 keeps its decisions to commit. */
export interface Decisions {
  /**
   * Records that a job is committed; resolves when that is on disk.
   *
   * @param members The nodes that the record is kept for: the members, or a mesh of one itself.
   * @param records The records of all nodes.
   * @throws {UndecidedError} If it is not certain whether there is a record now.
   * @throws {Error} If it cannot be recorded. Then there is no record.
   */
  record(job: string, members: readonly number[], records: number): Promise<void>;
  /** Notes that one of these nodes has renamed its output. */
  finished(job: string, from: number): Promise<void>;
}

/**
 * Thrown on node 0 if a disk error leaves open whether its decision is on disk. Nobody may give up
 * then: a restart of node 0 will show what the disk holds.
 */
export class UndecidedError extends Error {
  override name = "UndecidedError";

  /** @param cause Why the decision could not be recorded. */
  constructor(cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`Cannot record the commit; a restart of node 0 will decide: ${reason}`, { cause });
  }
}

/** Options for {@linkcode commit}. */
export interface CommitOptions {
  /** The job, by the name that all its nodes know. */
  job: string;
  node: number;
  nodes: number;
  file: Output;
  /** The records that this node has read and written, */
  input: Tally;
  output: Tally;
  /** and those of the inputs that the output stands for. */
  represented: Tally;
  format: RecordFormat;
  /** Keeps the decisions of node 0 across a restart; without it, only this process knows them. */
  decisions?: Decisions | undefined;
  /** Called before this node promises to commit: from here on it may not give up by itself. */
  onPrepared?: () => void;
  /** Called before the job is committed: from here on it cannot be cancelled. */
  onDecided: () => void;
  /** Called on node 0 for each node that was lost before it said that its output has its name. */
  onUnfinished?: (failure: SortFailedError) => void;
}

/**
 * Agrees with all nodes that the outputs are complete, and gives this node's output its name.
 *
 * @returns On node 0, the records of all nodes; `undefined` on the others.
 * @throws {Error} If the nodes together have not written exactly what they have read.
 * @throws {UndecidedError} On node 0. `file` is in doubt, and the peers must not be told to give up.
 * @throws {SortFailedError | SortEndedError} If a peer fails or the job ends. `file` may be in doubt.
 */
export async function commit(peers: PeerGroup, options: CommitOptions): Promise<Tally | undefined> {
  const { node, nodes, input } = options;
  if (nodes > 1) return node === 0 ? await lead(peers, options) : await follow(peers, options);
  await commitAlone(options);
  return { ...input };
}

/**
 * The part of the only node. It follows the same steps, so that a restart finds out whether the
 * output has its name; without decisions that survive one, the rename is enough.
 */
async function commitAlone(options: CommitOptions): Promise<void> {
  const { job, node, file, format, input, represented, decisions, onDecided } = options;
  assertBalance(format, input, represented);
  if (decisions) await file.prepare(noteOf(options));
  onDecided();
  try {
    await decisions?.record(job, [node], input.records);
  } catch (error) {
    if (!(error instanceof UndecidedError)) await file.abandon();
    throw error;
  }
  await file.commit();
  await decisions?.finished(job, node);
}

/** The part of node 0. */
async function lead(peers: PeerGroup, options: CommitOptions): Promise<Tally> {
  const { job, nodes, file, format, decisions, onDecided, onUnfinished } = options;
  const members = Array.from({ length: nodes - 1 }, (_, i) => i + 1);
  const [inputs, outputs] = [{ ...options.input }, { ...options.represented }];
  const unfinished = new Set<number>();
  let state: LeaderState = beginLeading(members);
  peers.beginCommit();
  try {
    await file.prepare(noteOf(options));
    while (state.phase !== "none" && state.missing.some((node) => !unfinished.has(node))) {
      const event = await peers.nextEvent();
      if (event.type === FRAME.COMPLETE) {
        const [input, output] = decodeTallies(event.payload, 2);
        addTally(inputs, input!);
        addTally(outputs, output!);
      }
      const meaning = leaderEvent(event);
      if (meaning === undefined) continue;
      const step = stepLeader(state, meaning, members);
      for (const effect of step.effects) {
        if (effect.kind === "decide") {
          assertBalance(format, inputs, outputs);
          onDecided();
          await decisions?.record(job, members, inputs.records);
          state = step.state;
        } else if (effect.kind === "commit") {
          await Promise.all(effect.to.map((to) => peers.tell(to, FRAME.COMMIT)));
        } else if (effect.kind === "rename") await file.commit();
        // The job fails; that discards the part and tells the members.
        else if ("failure" in event) throw event.failure;
      }
      state = step.state;
      if (meaning.kind === "done") await decisions?.finished(job, event.from);
      if ("failure" in event && !unfinished.has(event.from)) {
        unfinished.add(event.from);
        onUnfinished?.(event.failure);
      }
    }
  } catch (error) {
    if (state.phase === "collecting" && !(error instanceof UndecidedError)) await file.abandon();
    throw error;
  }
  await Promise.all(members.map((to) => peers.tell(to, FRAME.FINISH)));
  return inputs;
}

/** What an event means to node 0; `undefined` for frames that only it sends. */
function leaderEvent({ from, type }: CommitEvent): LeaderEvent | undefined {
  switch (type) {
    case FRAME.COMPLETE:
      return { kind: "complete", from };
    case FRAME.DONE:
      return { kind: "done", from };
    case FRAME.ABORT:
    case "lost":
      return { kind: "lost", from };
    default:
      return undefined;
  }
}

/** The part of a member. */
async function follow(peers: PeerGroup, options: CommitOptions): Promise<undefined> {
  const { file, input, represented, onPrepared, onDecided } = options;
  let state = "working" as MemberState;
  const take = async (event: MemberEvent) => {
    const step = stepMember(state, event);
    for (const effect of step.effects) {
      if (effect === "prepare") await file.prepare(noteOf(options));
      else if (effect === "tell complete") {
        await peers.tell(0, FRAME.COMPLETE, encodeTallies(input, represented));
      } else if (effect === "rename") await file.commit();
      else if (effect === "discard") await file.abandon();
      else if (effect === "tell done") await peers.tell(0, FRAME.DONE);
    }
    state = step.state;
  };
  peers.beginCommit();
  onPrepared?.();
  await take("complete");
  for (;;) {
    const event = await peers.nextEvent();
    // Only node 0 judges what happens to other members.
    if (event.from !== 0) continue;
    if (event.type === FRAME.COMMIT) {
      onDecided();
      await take("commit");
    } else if (event.type === FRAME.FINISH) return undefined;
    else if ("failure" in event) {
      // This node's output has its name, even if node 0 fails now.
      if (state === "none") return undefined;
      await take(event.type === FRAME.ABORT ? "abort" : "lost");
      throw event.failure;
    }
  }
}

/** @throws {Error} If the nodes together have not written exactly what they have read. */
function assertBalance(format: RecordFormat, inputs: Tally, outputs: Tally): void {
  if (balances(format, inputs, outputs)) return;
  throw new Error(
    `Cannot commit: all nodes read ${inputs.records} records and wrote ${outputs.records}, ` +
      "or their checksums differ",
  );
}

function noteOf({ job, node, nodes, output: { records, bytes, sum } }: CommitOptions) {
  return { job, node, nodes, records, bytes, checksum: formatSum(sum) };
}
