/**
 * The slow commands of one service: counted, logged, and exported as spans.
 *
 * @module
 */

import type { Log } from "./log.ts";
import type { Metric } from "./metrics.ts";
import { fullAfter, type Rate, tokensIn } from "./token_bucket.ts";
import { traceSpan } from "./trace.ts";

/** How many slow commands are logged: ten at once, and one a second if there are more. */
const LOGGED: Rate = { intervalMs: 1000, burst: 10 };

/** How much of a key is logged. */
const LOGGED_KEY_CHARS = 100;

/** A command that has ended. */
export interface EndedCommand {
  /** Its name, without arguments. */
  command: string;
  /** The key, job or tube that it names first; left out if none. Never a value. */
  key?: string | undefined;
  durationMs: number;
  /** The number of the client's connection, if it has one. */
  client?: number;
  /** The address of the client. */
  address: string;
}

/** Notes commands that take long. */
export class SlowCommands {
  /** Commands that take at least this long are slow; `Infinity` if none is. */
  thresholdMs: number;
  /** Slow commands so far. */
  count = 0;
  readonly #service: string;
  readonly #log: Log;
  /** The token bucket of the log: when it is full again. */
  #fullAtMs = 0;
  #notLogged = 0;

  /**
   * @param service The name of the service.
   * @param log Where slow commands are logged, as many as {@linkcode LOGGED} allows.
   * @param limitMs The threshold as configured; 0 for none.
   */
  constructor(service: string, log: Log, limitMs: number) {
    this.#service = service;
    this.#log = log;
    this.thresholdMs = limitMs || Infinity;
  }

  /** Changes the threshold; 0 for none. */
  setLimit(limitMs: number): void {
    this.thresholdMs = limitMs || Infinity;
  }

  /** Notes a command if it was slow. */
  note(ended: EndedCommand, nowMs: number = performance.now()): void {
    const { command, durationMs, client, address } = ended;
    if (durationMs < this.thresholdMs) return;
    this.count++;
    const key = ended.key?.slice(0, LOGGED_KEY_CHARS);
    const about = { command, ...key === undefined ? {} : { key } };
    const who = { ...client === undefined ? {} : { client }, address };
    const endMs = Date.now();
    traceSpan({
      name: command,
      startMs: endMs - durationMs,
      endMs,
      attributes: { service: this.#service, ...about, ...who },
    });
    if (tokensIn(this.#fullAtMs, nowMs, LOGGED) === 0) {
      this.#notLogged++;
      return;
    }
    this.#fullAtMs = fullAfter(this.#fullAtMs, nowMs, { taken: 1, rate: LOGGED });
    const more = this.#notLogged === 0 ? {} : { notLogged: this.#notLogged };
    this.#notLogged = 0;
    this.#log.warn("Slow command", { ...about, ms: Math.round(durationMs), ...who, ...more });
  }

  /** Its metrics. */
  metrics(): Metric[] {
    return [{
      type: "counter",
      name: "slow_commands_total",
      help: "Commands that took at least slow_command.",
      samples: [{ labels: { service: this.#service }, value: this.count }],
    }];
  }
}
