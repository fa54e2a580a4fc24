/**
 * Node 0's record of committed jobs that are not over yet. Each is a small file, so a restart does not
 * change a decision.
 *
 * A record is removed when two things are certain: every member has renamed its output, and the end of
 * the job is in the history of node 0 (`release`). A job without a record was not committed.
 *
 * @module
 */

import { join } from "node:path";
import { type Decisions, UndecidedError } from "../job/commit.ts";
import { leaderAfterRestart, type LeaderState, stepLeader } from "../job/commit_rules.ts";
import { removeFile, replaceFile, syncDirectory } from "../job/durable_file.ts";

const ID_NAME = "mesh-id";
const RECORD_NAME = /^decision-([0-9a-f-]+)\.note$/;

interface Decision {
  state: LeaderState;
  /** All members of the job; `undefined` if the record is damaged, which is then kept. */
  members: readonly number[] | undefined;
  /** The records of all nodes. */
  records: number;
  /** Whether the history of node 0 has the end of the job. */
  released: boolean;
}

/** The decisions of one daemon that is node 0. */
export class DecisionLog implements Decisions {
  /**
   * Identifies this log. The names of all its jobs begin with it, so a node 0 that has lost its files
   * does not judge jobs from before.
   */
  readonly id: string;
  readonly #directory: string;
  readonly #decisions = new Map<string, Decision>();
  /** Jobs whose record could be neither completed nor removed. */
  readonly #undecided = new Set<string>();

  private constructor(directory: string, id: string) {
    this.#directory = directory;
    this.id = id;
  }

  /**
   * Reads the records in a directory.
   *
   * @throws {Error} If it cannot be read or written.
   */
  static async open(directory: string): Promise<DecisionLog> {
    const log = new DecisionLog(directory, await readId(directory));
    for await (const { name } of Deno.readDir(directory)) {
      const job = RECORD_NAME.exec(name)?.[1];
      if (job === undefined) continue;
      const { members, records } = parseRecord(await Deno.readTextFile(join(directory, name)));
      const state = leaderAfterRestart(members ?? [], true);
      log.#decisions.set(job, { state, members, records, released: false });
    }
    // From here on, a record that was seen cannot disappear again.
    await syncDirectory(directory);
    return log;
  }

  /** Whether a job is committed; `undefined` if this log cannot tell. */
  isCommitted(job: string): boolean | undefined {
    if (this.#decisions.has(job)) return true;
    return job.startsWith(`${this.id}-`) && !this.#undecided.has(job) ? false : undefined;
  }

  /** The records of all nodes, if a job is committed and still has its record. */
  recordsOf(job: string): number | undefined {
    return this.#decisions.get(job)?.records;
  }

  /** All jobs with a record. */
  committed(): string[] {
    return [...this.#decisions.keys()];
  }

  /** The committed jobs that some members have yet to finish, with the numbers of these members. */
  pending(): { job: string; members: readonly number[] }[] {
    return [...this.#decisions].map(([job, { state }]) => ({ job, members: state.missing }))
      .filter(({ members }) => members.length > 0);
  }

  async record(job: string, members: readonly number[], records: number): Promise<void> {
    const path = this.#pathOf(job);
    try {
      await replaceFile(path, [JSON.stringify({ members, records })]);
    } catch (cause) {
      await removeFile(path).catch(() => {
        this.#undecided.add(job);
        throw new UndecidedError(cause);
      });
      throw cause;
    }
    const state = leaderAfterRestart(members, true);
    this.#decisions.set(job, { state, members, records, released: false });
  }

  async finished(job: string, from: number): Promise<void> {
    const known = this.#decisions.get(job);
    if (known?.members === undefined) return;
    known.state = stepLeader(known.state, { kind: "done", from }, known.members).state;
    await this.#tidy(job);
  }

  /** Says that the end of a job is in the history. */
  async release(job: string): Promise<void> {
    const known = this.#decisions.get(job);
    if (known === undefined) return;
    known.released = true;
    await this.#tidy(job);
  }

  /** Removes records that are not needed any more and could not be removed before. */
  async tidy(): Promise<void> {
    for (const job of this.#decisions.keys()) await this.#tidy(job);
  }

  async #tidy(job: string): Promise<void> {
    const known = this.#decisions.get(job);
    if (!known?.released || known.members === undefined || known.state.missing.length > 0) return;
    await removeFile(this.#pathOf(job)).then(() => this.#decisions.delete(job), () => {});
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
  await replaceFile(path, [made]);
  return made;
}

function parseRecord(text: string): Pick<Decision, "members" | "records"> {
  try {
    const { members, records } = JSON.parse(text);
    const isWhole = Array.isArray(members) && members.every(Number.isSafeInteger) &&
      Number.isSafeInteger(records);
    if (isWhole) return { members, records };
  } catch {
    // It is damaged.
  }
  return { members: undefined, records: 0 };
}
