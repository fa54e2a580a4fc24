/**
 * Writes the log without ever waiting for its reader. A write to a pipe blocks the whole process
 * while the pipe is full, so lines wait here instead, in a bounded queue. What does not fit is lost
 * and counted, and said in the log where it is missing.
 *
 * A reader that is only slow loses nothing of a sender that asks {@linkcode LogOutput.ready} before
 * each write. A reader that takes nothing for a second holds up nobody.
 *
 * @module
 */

import { joinBytes } from "./join_bytes.ts";
import type { Metric } from "./metrics.ts";

/** How many bytes wait at most; a single write that is longer waits alone. */
const QUEUE_MAX_BYTES = 8 * 1024 * 1024;

/** With fewer bytes waiting than this, the output is ready for more. */
const READY_MAX_BYTES = 1024 * 1024;

/** How many bytes are written at a time: what a pipe holds on Linux. */
const WRITE_MAX_BYTES = 64 * 1024;

/** How long senders wait for a reader that takes nothing. */
const STALL_MS = 1000;

const NEWLINE = 10;

/** Options for {@linkcode LogOutput}. */
export interface LogOutputOptions {
  /** Writes some bytes, waiting as long as it must; returns how many were written. */
  write: (bytes: Uint8Array) => Promise<number>;
  /** Called when bytes can be written again, with the number of lines lost meanwhile. */
  onLost: (lines: number) => void;
  /** @default {QUEUE_MAX_BYTES} */
  queueMaxBytes?: number;
  /** @default {READY_MAX_BYTES} */
  readyMaxBytes?: number;
  /** @default {STALL_MS} */
  stallMs?: number;
}

/** The destination of a log. */
export class LogOutput {
  readonly #options: Required<LogOutputOptions>;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** Whether lines were lost since the queue was last taken. All that follow are lost too. */
  #full = false;
  /** Lines that were lost and not reported yet. */
  #unreported = 0;
  #lostLines = 0;
  /** Settles when the queue is empty; `undefined` while nothing is written. */
  #writing: Promise<void> | undefined;
  /** Whether the reader has taken nothing for too long. */
  #stalled = false;
  #stallTimer: ReturnType<typeof setTimeout> | undefined;
  /** Resolves with the next progress, or the next stall. */
  #changed = Promise.withResolvers<void>();

  constructor(options: LogOutputOptions) {
    this.#options = {
      queueMaxBytes: QUEUE_MAX_BYTES,
      readyMaxBytes: READY_MAX_BYTES,
      stallMs: STALL_MS,
      ...options,
    };
  }

  /**
   * Writes lines in the background, or loses them if too many wait already.
   *
   * @param lines Whole lines with their newlines. They must not change afterwards.
   */
  write(lines: Uint8Array): void {
    const waits = this.#queuedBytes > 0;
    if (waits && this.#queuedBytes + lines.length > this.#options.queueMaxBytes) this.#full = true;
    if (this.#full) return this.#lose(lines);
    this.#queue.push(lines);
    this.#queuedBytes += lines.length;
    this.#writing ??= this.#drain();
  }

  /**
   * Resolves when it may be ready for more lines; `undefined` if it is. It never holds up a sender
   * for long, even if lines will then be lost.
   */
  ready(): Promise<void> | undefined {
    const { readyMaxBytes, stallMs } = this.#options;
    if (this.#stalled || this.#queuedBytes < readyMaxBytes) return undefined;
    this.#stallTimer ??= setTimeout(() => {
      this.#stalled = true;
      this.#notify();
    }, stallMs);
    return this.#changed.promise;
  }

  /** Waits until everything is written, up to a limit. */
  async flush(limitMs: number): Promise<void> {
    if (this.#writing === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const limit = setTimeout(resolve, limitMs);
    await Promise.race([this.#writing, promise]);
    clearTimeout(limit);
  }

  /** Metrics of the log. */
  metrics(): Metric[] {
    return [{
      type: "counter",
      name: "log_lost_lines_total",
      help: "Lines of the log that were lost because nothing took them.",
      samples: [{ value: this.#lostLines }],
    }];
  }

  async #drain(): Promise<void> {
    let flows = true;
    while (this.#queue.length > 0) {
      const lines = joinBytes(this.#queue);
      this.#queue = [];
      this.#queuedBytes = 0;
      const lostAfterThem = this.#full;
      this.#full = false;
      if (lostAfterThem && flows) this.#report();
      const written = await this.#writeAll(lines);
      flows = written === lines.length;
      if (!flows) this.#lose(lines.subarray(written));
      else if (!this.#full && this.#unreported > 0) this.#report();
    }
    this.#writing = undefined;
  }

  /** Returns how many bytes were written: all of them, unless an error occurred. */
  async #writeAll(bytes: Uint8Array): Promise<number> {
    let written = 0;
    try {
      while (written < bytes.length) {
        written += await this.#options.write(bytes.subarray(written, written + WRITE_MAX_BYTES));
        this.#stalled = false;
        this.#notify();
      }
    } catch {
      // The disk is full or nobody reads the pipe. Only the log suffers from it.
      this.#notify();
    }
    return written;
  }

  #report(): void {
    const lines = this.#unreported;
    this.#unreported = 0;
    this.#options.onLost(lines);
  }

  #lose(lines: Uint8Array): void {
    const count = countLines(lines);
    this.#unreported += count;
    this.#lostLines += count;
  }

  #notify(): void {
    clearTimeout(this.#stallTimer);
    this.#stallTimer = undefined;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}
