/** A parsed line of the log. */
export interface LogLine {
  /** Unix time; `undefined` if the line has none. */
  timeMs: number | undefined;
  level: string;
  /** The part of the daemon that logged it, such as a service. */
  part: string;
  message: string;
  /** The other fields, as `key=value`. */
  rest: string;
}

/** The levels, least severe first. */
export const LEVELS: readonly string[] = ["debug", "info", "warn", "error"];

/** Parses a line in either format of the log. Any other line becomes the message as a whole. */
export function parseLogLine(line: string): LogLine {
  const fields = line.startsWith("{") ? jsonFields(line) : logfmtFields(line);
  const { time, timestamp, "@timestamp": at, level, logger, msg, message, ...rest } = fields;
  const text = msg ?? message;
  if (text === undefined) {
    return { timeMs: undefined, level: "info", part: "", message: line, rest: "" };
  }
  const timeMs = Date.parse(time ?? timestamp ?? at ?? "");
  return {
    timeMs: Number.isNaN(timeMs) ? undefined : timeMs,
    level: normalize(level ?? "info"),
    part: logger ?? "",
    message: text,
    rest: Object.entries(rest).map(([key, value]) => `${key}=${value}`).join(" "),
  };
}

function normalize(level: string): string {
  const lower = level.toLowerCase();
  return lower === "warning" ? "warn" : lower;
}

function logfmtFields(line: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [, key, quoted, plain] of line.matchAll(/([^\s=]+)=(?:("(?:[^"\\]|\\.)*")|(\S*))/g)) {
    fields[key!] = quoted === undefined ? plain! : unquote(quoted);
  }
  return fields;
}

function jsonFields(line: string): Record<string, string> {
  const fields: Record<string, string> = {};
  try {
    const { properties, ...record } = JSON.parse(line) as Record<string, unknown>;
    for (const [key, value] of Object.entries({ ...record, ...(properties as object) })) {
      fields[key] = typeof value === "string" ? value : JSON.stringify(value);
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return fields;
}

function unquote(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return text.slice(1, -1);
  }
}
