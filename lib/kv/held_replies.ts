/**
 * Replies that are already encoded but must not be sent yet, because they depend on changes that
 * are not durable. They stay in the output buffer. When their commits have succeeded, the buffer is
 * sent as it is; each reply whose commit failed is first replaced by the error.
 *
 * A busy client has thousands of them at a time, so a reply is three numbers and not an object.
 *
 * @module
 */

/** The initial capacity, in replies. */
const INITIAL_REPLIES = 16;

/** A larger capacity is given back after use. */
const KEPT_REPLIES = 4096;

/** A reply whose commit failed, as a range of the output. */
export interface FailedReply {
  start: number;
  end: number;
  error: unknown;
}

/** Replaces ranges of the output, which are in order, each by the reply for its error. */
export type ReplaceFailed = (failed: readonly FailedReply[]) => void;

/** The held replies of a connection. */
export class HeldReplies {
  /** Start, end and index in `#commits` of each reply. */
  #replies = new Int32Array(3 * INITIAL_REPLIES);
  #count = 0;
  /** The commits that the replies depend on: one or two, because many replies share each. */
  #commits: Promise<void>[] = [];

  /** The number of replies. */
  get count(): number {
    return this.#count;
  }

  /**
   * Holds a reply. Call {@linkcode HeldReplies.settle} before the next `await`, or a commit that
   * fails counts as an error that nobody handles.
   *
   * @param start Where the reply starts in the output.
   * @param end Where it ends.
   * @param commit Settles with the changes that it depends on.
   */
  add(start: number, end: number, commit: Promise<void>): void {
    const commits = this.#commits;
    let index = commits.length - 1;
    if (index < 0 || commits[index] !== commit) {
      index = commits.indexOf(commit);
      if (index < 0) index = commits.push(commit) - 1;
    }
    const at = 3 * this.#count++;
    if (at === this.#replies.length) {
      const grown = new Int32Array(2 * at);
      grown.set(this.#replies);
      this.#replies = grown;
    }
    this.#replies[at] = start;
    this.#replies[at + 1] = end;
    this.#replies[at + 2] = index;
  }

  /** Waits for the commits of all replies, and forgets them. Never rejects because of a commit. */
  async settle(replace: ReplaceFailed): Promise<void> {
    const commits = this.#commits;
    let failed: FailedReply[] = [];
    if (commits.length === 1) {
      try {
        await commits[0];
      } catch (error) {
        failed = this.#failed([error]);
      }
    } else {
      const errors: unknown[] = [];
      (await Promise.allSettled(commits)).forEach((outcome, index) => {
        if (outcome.status === "rejected") errors[index] = outcome.reason;
      });
      if (errors.length > 0) failed = this.#failed(errors);
    }
    this.#count = 0;
    this.#commits = [];
    if (this.#replies.length > 3 * KEPT_REPLIES) {
      this.#replies = new Int32Array(3 * INITIAL_REPLIES);
    }
    if (failed.length > 0) replace(failed);
  }

  /** The replies whose commit has an error. */
  #failed(errors: readonly unknown[]): FailedReply[] {
    const failed: FailedReply[] = [];
    for (let at = 0; at < 3 * this.#count; at += 3) {
      const error = errors[this.#replies[at + 2]!];
      if (error === undefined) continue;
      failed.push({ start: this.#replies[at]!, end: this.#replies[at + 1]!, error });
    }
    return failed;
  }
}
