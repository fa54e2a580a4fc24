import { delay } from "@std/async/delay";
import type { Log } from "../../log.ts";
import { memberAfterRestart, stepMember } from "../job/commit_rules.ts";
import { settlePrepared } from "../job/prepared_note.ts";

/** How often a node asks for the outcome of a job that it is in doubt about. */
const ASK_INTERVAL_MS = 1000;
/** How long a job waits for the outcome of an earlier one with the same output. */
const MAX_WAIT_MS = 10_000;

/** How often such a job looks. */
const POLL_MS = 20;

/** The part of a job whose outcome this node does not know. */
export interface Doubt {
  /** The job, by the name that all its nodes know. */
  job: string;
  output: string;
  /** Removes this daemon's own note on the part, which no longer exists. */
  forget: () => void;
}

/** Options for {@linkcode Doubts}. */
export interface DoubtsOptions {
  /** Asks for the outcome of a job; the answer goes to `settle`. */
  ask: (job: string) => void;
  log: Log;
}

/** The jobs that a node is in doubt about. It asks until it has an answer. */
export class Doubts {
  readonly #options: DoubtsOptions;
  readonly #doubts = new Map<string, Doubt>();
  readonly #failures = new Map<string, string>();
  readonly #settling = new Set<string>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  constructor(options: DoubtsOptions) {
    this.#options = options;
  }

  /** Adds a job, and asks at once. */
  add(doubt: Doubt): void {
    if (this.#closed) return;
    this.#doubts.set(doubt.job, doubt);
    const { log } = this.#options;
    log.warn("Cannot tell whether a job is committed", { job: doubt.job, output: doubt.output });
    this.#timer ??= setInterval(() => this.ask(), ASK_INTERVAL_MS);
    this.ask();
  }

  /** Whether this node is in doubt about a job. */
  has(job: string): boolean {
    return this.#doubts.has(job);
  }

  /** Resolves when there is no doubt about an output, or after a while. */
  async settled(output: string): Promise<void> {
    const untilMs = performance.now() + MAX_WAIT_MS;
    const isInDoubt = () => this.#doubts.values().some((doubt) => doubt.output === output);
    while (isInDoubt() && performance.now() < untilMs && !this.#closed) await delay(POLL_MS);
  }

  /** Asks for all outcomes. */
  ask(): void {
    for (const job of this.#doubts.keys()) {
      const { effects } = stepMember(memberAfterRestart(true), "tick");
      if (effects.includes("ask") && !this.#settling.has(job)) this.#options.ask(job);
    }
  }

  /**
   * Ends a job as node 0 has decided; returns whether that is done, now or before. If it cannot be
   * done, the next answer tries again.
   */
  async settle(job: string, isCommitted: boolean): Promise<boolean> {
    if (this.#settling.has(job)) return false;
    const doubt = this.#doubts.get(job);
    const state = memberAfterRestart(doubt !== undefined);
    const { effects } = stepMember(state, isCommitted ? "commit" : "abort");
    if (doubt === undefined) return effects.includes("tell done");
    const { log } = this.#options;
    this.#settling.add(job);
    try {
      await settlePrepared(doubt.output, effects.includes("rename"));
      doubt.forget();
      this.#doubts.delete(job);
      this.#failures.delete(job);
      const about = { job, output: doubt.output };
      if (isCommitted) log.info("Finished a committed job", about);
      else log.info("Discarded a job", about);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (this.#failures.get(job) !== reason) {
        log.error("Cannot finish a job", { job, output: doubt.output, reason });
      }
      this.#failures.set(job, reason);
      return false;
    } finally {
      this.#settling.delete(job);
      if (this.#doubts.size === 0) this.#stop();
    }
    return effects.includes("tell done");
  }

  /** What the operator should know. */
  problems(): string[] {
    return [...this.#doubts.values()].map(({ job, output }) => {
      const why = this.#failures.get(job) ?? "node 0 has not said yet whether it is committed";
      return `the output "${output}" is not finished: ${why}`;
    });
  }

  /** Stops asking. */
  close(): void {
    this.#closed = true;
    this.#stop();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
