/**
 * Whether a file can be written. The operator learns once when that changes.
 *
 * @module
 */

import type { Log } from "../../log.ts";
import { SqliteError } from "./sqlite_thread.ts";

/** How often to check whether a failed file can be written again. */
const PROBE_INTERVAL_MS = 1_000;

/** The present state of a file. */
export class FileHealth {
  /** Why the file cannot be written; `undefined` if it can. */
  problem: string | undefined;
  /** Whether that is because the disk is full. */
  full = false;
  readonly #path: string;
  readonly #log: Log;
  readonly #probe: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** @param options `probe`: tries to write; one of the methods below learns the outcome. */
  constructor(path: string, { log, probe }: { log: Log; probe: () => void }) {
    this.#path = path;
    this.#log = log;
    this.#probe = probe;
  }

  /** A write has failed, or can only be followed by writes that make room. */
  failed(error: Error): void {
    if (this.problem !== error.message) {
      this.#log.error("Storage cannot be written", { path: this.#path, error: error.message });
    }
    this.problem = error.message;
    if (error instanceof SqliteError && error.isFull) this.full = true;
    this.probeLater();
  }

  /** Nothing is certain, since what was written can be written on a full disk, too. */
  probeLater(): void {
    if (this.#closed || this.#timer !== undefined) return;
    const timer = this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#probe();
    }, PROBE_INTERVAL_MS);
    Deno.unrefTimer(timer);
  }

  /** Any write works. */
  works(): void {
    if (this.problem === undefined) return;
    this.#log.info("Storage works again", { path: this.#path });
    this.problem = undefined;
    this.full = false;
  }

  /** Stops for good. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
