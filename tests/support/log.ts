import { createLog, type Log, type LogLevel } from "../../lib/log.ts";

/** A log that keeps its lines. */
export class TestLog {
  readonly lines: string[] = [];
  readonly log: Log;

  constructor(level: LogLevel = "debug") {
    const decoder = new TextDecoder();
    const sink = (bytes: Uint8Array) => void this.lines.push(decoder.decode(bytes));
    this.log = createLog("test", { level, format: "text", sink });
  }

  /** The lines that contain a text. */
  matching(text: string): string[] {
    return this.lines.filter((line) => line.includes(text));
  }
}
