/**
 * The log: one structured line per event, at four levels. Each part is passed its {@linkcode Log};
 * nothing is global, so two daemons in one process log separately.
 *
 * @module
 */

import { getJsonLinesFormatter, getLogfmtFormatter, type LogRecord } from "@logtape/logtape";

/** The levels, least important first. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

/** How important an event is. */
export type LogLevel = typeof LOG_LEVELS[number];

/** The formats of the log. */
export const LOG_FORMATS = ["text", "json"] as const;

/** `text` is logfmt (key=value), `json` is one object per line. */
export type LogFormat = typeof LOG_FORMATS[number];

/** Where one part of the daemon logs its events. */
export interface Log {
  /** Whether events of this level are written; ask before preparing an expensive one. */
  enabled(level: LogLevel): boolean;
  /** Logs an event: a sentence without a full stop, with its details as fields. */
  write(level: LogLevel, message: string, fields?: Record<string, unknown>): void;
  /**
   * Formats the common part of many similar events. A line is the head, a text escaped as in JSON,
   * and the tail. Valid until the next call.
   *
   * @param fields The common fields. Fastest if each call passes the same, unchanged object.
   * @param field The name of the field for the text.
   * @returns `undefined` if events of this level are not written.
   */
  frame(
    level: LogLevel,
    message: string,
    fields: Record<string, unknown>,
    field: string,
  ): LogFrame | undefined;
  /** Writes formatted lines, which must not change afterwards. */
  writeLines(lines: Uint8Array): void;
  /**
   * Resolves when it may be ready for more lines; `undefined` if it is. Those who write very many
   * lines ask until it is, or some could be lost.
   */
  ready(): Promise<void> | undefined;
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** See {@linkcode Log.frame}. */
export interface LogFrame {
  head: Uint8Array;
  tail: Uint8Array;
}

/** Options for {@linkcode createLog}. They are read with every event, so they may change. */
export interface LogOptions {
  /** The least important level that is written. */
  level: LogLevel;
  format: LogFormat;
  /** Writes formatted lines, which include their newlines. */
  sink: (lines: Uint8Array) => void;
  /** See {@linkcode Log.ready}. @default {always ready} */
  ready?: () => Promise<void> | undefined;
}

/** The placeholder for the text of a frame. Its blank makes every format quote it. */
const FRAME_TEXT = "the text";

const encoder = new TextEncoder();

/** A cached frame, to be used again with a new time. */
interface KeptFrame extends LogFrame {
  /** Identifies the arguments it was made from. */
  key: string;
  /** The time in its head, and the position of that time. */
  timeMs: number;
  timeAt: number;
}

const FORMATTERS = {
  text: getLogfmtFormatter({ properties: "flatten" }),
  json: getJsonLinesFormatter({ properties: "flatten" }),
};

/**
 * Makes the log of one part of the daemon.
 *
 * @param part The name of the part, such as "daemon" or "echo".
 * @param options Level, format and destination.
 */
export function createLog(part: string, options: LogOptions): Log {
  const category = [part];
  function enabled(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(options.level);
  }
  function line(
    level: LogLevel,
    message: string,
    fields: Record<string, unknown>,
    timestamp = Date.now(),
  ): string {
    const record: LogRecord = {
      category,
      level: level === "warn" ? "warning" : level,
      message: [message],
      rawMessage: message,
      timestamp,
      properties: fields,
    };
    return FORMATTERS[options.format](record);
  }
  const keptFrames = new WeakMap<Record<string, unknown>, KeptFrame>();
  function frame(
    level: LogLevel,
    message: string,
    fields: Record<string, unknown>,
    field: string,
  ): LogFrame | undefined {
    if (!enabled(level)) return undefined;
    const nowMs = Date.now();
    const key = `${options.format} ${level} ${field} ${message}`;
    const kept = keptFrames.get(fields);
    if (kept?.key === key) {
      if (kept.timeMs !== nowMs) {
        encoder.encodeInto(new Date(nowMs).toISOString(), kept.head.subarray(kept.timeAt));
        kept.timeMs = nowMs;
      }
      return kept;
    }
    const whole = line(level, message, { ...fields, [field]: FRAME_TEXT }, nowMs);
    const at = whole.lastIndexOf(FRAME_TEXT);
    const head = encoder.encode(whole.slice(0, at));
    const tail = encoder.encode(whole.slice(at + FRAME_TEXT.length));
    // Both formats begin with the time, so the first match is the right one.
    const timeAt = whole.indexOf(new Date(nowMs).toISOString());
    if (timeAt !== -1) keptFrames.set(fields, { head, tail, key, timeMs: nowMs, timeAt });
    return { head, tail };
  }
  function write(level: LogLevel, message: string, fields: Record<string, unknown> = {}): void {
    if (enabled(level)) options.sink(encoder.encode(line(level, message, fields)));
  }
  return {
    enabled,
    write,
    frame,
    writeLines: (lines) => options.sink(lines),
    ready: () => options.ready?.(),
    debug: (message, fields) => write("debug", message, fields),
    info: (message, fields) => write("info", message, fields),
    warn: (message, fields) => write("warn", message, fields),
    error: (message, fields) => write("error", message, fields),
  };
}
