/**
 * MONITOR: clients that see every command.
 *
 * @module
 */

import type { Messages } from "../net/outbox.ts";
import type { Request } from "./resp/request.ts";
import { summarize } from "./request_summary.ts";

/** Where a monitor's lines go. */
export interface MonitorFeed {
  /**
   * Accepts a line, or drops the client if it is too slow. Never waits.
   *
   * @param sender The id of the client that sent the command.
   */
  offer(line: Messages, sender: number): void;
}

/** How much of a command is shown. A longer line could not be queued for a slow client. */
const LIMITS = { maxArguments: 128, maxChars: 1024 };

const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\x07": "\\a",
  "\b": "\\b",
  '"': '\\"',
  "\\": "\\\\",
};

/** The clients that have sent MONITOR. */
export class Monitors {
  readonly #feeds = new Set<MonitorFeed>();
  readonly #onChange: () => void;

  /** @param onChange Called when the number of monitors has changed. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** The number of monitors. */
  get size(): number {
    return this.#feeds.size;
  }

  /** Adds a monitor. */
  add(feed: MonitorFeed): void {
    this.#feeds.add(feed);
    this.#onChange();
  }

  /** Removes a monitor, if it is one. */
  remove(feed: MonitorFeed): void {
    if (this.#feeds.delete(feed)) this.#onChange();
  }

  /** Shows a command to all monitors. */
  show(request: Request, client: { id: number; db: number; remote: string }): void {
    const us = Math.round(1000 * (performance.timeOrigin + performance.now()));
    const time = `${Math.floor(us / 1e6)}.${String(us % 1e6).padStart(6, "0")}`;
    const words = summarize(request, LIMITS).map(quoted).join(" ");
    const text = `+${time} [${client.db} ${client.remote}] ${words}\r\n`;
    // Everything but printable ASCII has been escaped, so this is one byte per character.
    const bytes = new TextEncoder().encode(text);
    const line = { bytes, ends: [bytes.length] };
    for (const feed of [...this.#feeds]) feed.offer(line, client.id);
  }
}

/** A word in quotes, as Redis writes it. */
function quoted(word: string): string {
  const escaped = word.replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f"\\\x7f-\xff]/g,
    (char) => ESCAPES[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  return `"${escaped}"`;
}
