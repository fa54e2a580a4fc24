/**
 * Metrics of the commands that clients send: how many, how fast, and which errors.
 *
 * @module
 */

import { Histogram } from "../metrics.ts";

/** The share of batches that are timed, one in this many; a power of two. */
const BATCHES_PER_SAMPLE = 16;

/** Counts and times commands. */
export class CommandMetrics {
  /** Calls of each Redis command, by its index in the catalogue. */
  readonly calls: Float64Array;
  /** Calls of each command of the text protocol. */
  readonly textCalls = new Map<string, number>();
  /** Requests that named no known command, or had the wrong number of arguments. */
  rejected = 0;
  /** Errors sent to clients, by code: the first word of a Redis error. */
  readonly errors = new Map<string, number>();
  /** Connections closed because of a protocol error. */
  protocolErrors = 0;
  /**
   * The duration of a command: its share of the batch it arrived in. Only one batch in
   * {@linkcode BATCHES_PER_SAMPLE} is timed, because reading the clock twice costs a tenth of what
   * a command costs in this process altogether.
   */
  readonly duration = new Histogram();
  #batches = 0;

  /** @param commands The number of commands in the catalogue, including subcommands. */
  constructor(commands: number) {
    this.calls = new Float64Array(commands);
  }

  /** The time at which a batch starts, in milliseconds; 0 if this batch is not timed. */
  batchStartMs(): number {
    return (this.#batches++ & (BATCHES_PER_SAMPLE - 1)) === 0 ? performance.now() : 0;
  }

  /** Records the duration of a batch, if it was timed. */
  batchDone(startMs: number, commands: number): void {
    if (startMs === 0 || commands === 0) return;
    const seconds = (performance.now() - startMs) / 1000;
    this.duration.observe(seconds / commands, commands);
  }

  /** Counts a call of a command of the text protocol. */
  countTextCall(name: string): void {
    this.textCalls.set(name, (this.textCalls.get(name) ?? 0) + 1);
  }

  /** Counts an error that is sent to a client. */
  countError(message: string): void {
    const [code] = /^[A-Z]+/.exec(message) ?? ["ERR"];
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  /** CONFIG RESETSTAT: starts counting Redis commands, rejections and errors from zero. */
  reset(): void {
    this.calls.fill(0);
    this.rejected = 0;
    this.errors.clear();
  }
}
