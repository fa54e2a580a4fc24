/**
 * The log: one line an event, structured, at four levels. Parts get a {@linkcode Log} passed to
 * them; nothing is global, so two daemons in one process keep their lines apart.
 *
 * @module
 */

import { getJsonLinesFormatter, getLogfmtFormatter, type LogRecord } from "@logtape/logtape";

/** The levels, least important first. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

/** How important an event is. */
export type LogLevel = typeof LOG_LEVELS[number];

/** The forms in which a log can be written. */
export const LOG_FORMATS = ["text", "json"] as const;

/** `text` is logfmt (key=value), `json` is one object a line. */
export type LogFormat = typeof LOG_FORMATS[number];

/** What a part writes its events to. */
export interface Log {
  /** Whether an event of this level would be written; ask before doing work for it. */
  enabled(level: LogLevel): boolean;
  /** Writes an event: a sentence without a full stop, and what it is about as fields. */
  write(level: LogLevel, message: string, fields?: Record<string, unknown>): void;
  /**
   * What the lines of many alike events have in common, for those who write them by the thousand:
   * a line is the head, a text with JSON's escapes, and the tail. Good until the next call.
   *
   * @param fields Quickest if it is the same object every time, unchanged.
   * @param field The name of the field that holds the text.
   * @returns `undefined` if events of this level are not written.
   */
  frame(
    level: LogLevel,
    message: string,
    fields: Record<string, unknown>,
    field: string,
  ): LogFrame | undefined;
  /** Writes finished lines. */
  writeLines(lines: Uint8Array): void;
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

/** Options for {@linkcode createLog}; they are read at every event, so they can change. */
export interface LogOptions {
  /** The least important level that is written. */
  level: LogLevel;
  format: LogFormat;
  /** Takes finished lines, newlines included. */
  sink: (lines: Uint8Array) => void;
}

/** Stands where the text of a frame goes. The blank makes every format put it into quotes. */
const FRAME_TEXT = "the text";

const encoder = new TextEncoder();

/** A frame that is kept to be used again, with another time in it. */
interface KeptFrame extends LogFrame {
  /** What it was made from. */
  key: string;
  /** The time that stands in its head, and where. */
  timeMs: number;
  timeAt: number;
}

const FORMATTERS = {
  text: getLogfmtFormatter({ properties: "flatten" }),
  json: getJsonLinesFormatter({ properties: "flatten" }),
};

/**
 * Makes a log of one part of the daemon.
 *
 * @param part The name of the part, such as "daemon" or "echo".
 * @param options Level, format and where lines go.
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
    // Both forms begin with the time, so no other text that looks like it can come before.
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
    debug: (message, fields) => write("debug", message, fields),
    info: (message, fields) => write("info", message, fields),
    warn: (message, fields) => write("warn", message, fields),
    error: (message, fields) => write("error", message, fields),
  };
}
