/**
 * Node 0's memory of the jobs that are committed and that a member has yet to finish. Each is a file in
 * a directory of the daemon, so that a restart does not change what was decided.
 *
 * @module
 */

import { join } from "node:path";
import type { Decisions } from "../job/commit.ts";
import { leaderAfterRestart, type LeaderState, stepLeader } from "../job/commit_rules.ts";
import { syncDirectory } from "../job/prepared_note.ts";

const ID_NAME = "mesh-id";
const RECORD_NAME = /^decision-([0-9a-f-]+)\.note$/;

/** The decisions of one daemon that is node 0. */
export class DecisionLog implements Decisions {
  /**
   * Identifies this log. The names of jobs begin with it, so that a node 0 that has lost its files does
   * not speak about jobs of which it once knew more.
   */
  readonly id: string;
  readonly #directory: string;
  readonly #states = new Map<string, { state: LeaderState; members: readonly number[] }>();

  private constructor(directory: string, id: string) {
    this.#directory = directory;
    this.id = id;
  }

  /**
   * Reads the records of a directory.
   *
   * @throws {Error} If it cannot be read or written.
   */
  static async open(directory: string): Promise<DecisionLog> {
    const log = new DecisionLog(directory, await readId(directory));
    for await (const { name } of Deno.readDir(directory)) {
      const job = RECORD_NAME.exec(name)?.[1];
      if (job === undefined) continue;
      const members = readMembers(await Deno.readTextFile(join(directory, name)));
      log.#states.set(job, { state: leaderAfterRestart(members, true), members });
    }
    return log;
  }

  /** Whether a job is committed; `undefined` if only another log can say that. */
  isCommitted(job: string): boolean | undefined {
    if (this.#states.has(job)) return true;
    return job.startsWith(`${this.id}-`) ? false : undefined;
  }

  /** The committed jobs that members have yet to answer for, with the numbers of these members. */
  pending(): { job: string; members: readonly number[] }[] {
    return [...this.#states].map(([job, { state }]) => ({ job, members: state.missing }));
  }

  async record(job: string, members: readonly number[]): Promise<void> {
    const path = this.#pathOf(job);
    try {
      await writeDurably(this.#directory, path, JSON.stringify({ members }));
    } catch (error) {
      // A record that exists in the end must not be denied: a restart would find it.
      if (await removeDurably(this.#directory, path)) throw error;
    }
    this.#states.set(job, { state: leaderAfterRestart(members, true), members });
  }

  async forget(job: string): Promise<void> {
    await removeDurably(this.#directory, this.#pathOf(job));
    this.#states.delete(job);
  }

  /** Notes that a member has finished a job. */
  async finished(job: string, from: number): Promise<void> {
    const known = this.#states.get(job);
    if (known === undefined) return;
    const { state, effects } = stepLeader(known.state, { kind: "done", from }, known.members);
    known.state = state;
    if (effects.some(({ kind }) => kind === "forget")) await this.forget(job);
  }

  #pathOf(job: string): string {
    return join(this.#directory, `decision-${job}.note`);
  }
}

async function readId(directory: string): Promise<string> {
  const path = join(directory, ID_NAME);
  const id = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  if (/^[0-9a-f-]{36}$/.test(id)) return id;
  const made = crypto.randomUUID();
  await writeDurably(directory, path, made);
  return made;
}

/** The members that a record names. One that is damaged names none, and is kept. */
function readMembers(text: string): number[] {
  try {
    const { members } = JSON.parse(text);
    return Array.isArray(members) ? members.filter(Number.isSafeInteger) : [];
  } catch {
    return [];
  }
}

/** Writes a file that is there as a whole or not at all; resolves when it is on disk. */
async function writeDurably(directory: string, path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  {
    using file = await Deno.open(temporary, { write: true, create: true, truncate: true });
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    await file.sync();
  }
  await Deno.rename(temporary, path);
  await syncDirectory(directory);
}

/** Removes a file; returns whether it is certainly gone. */
async function removeDurably(directory: string, path: string): Promise<boolean> {
  try {
    await Deno.remove(path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    await syncDirectory(directory);
    return true;
  } catch {
    return false;
  }
}
