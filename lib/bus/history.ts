import type { Messages } from "../net/outbox.ts";
import { Batch } from "./batch.ts";

/** Limits of a {@linkcode History}. */
export interface HistoryOptions {
  /** The maximum number of messages. */
  maxMessages: number;
  /** The maximum size of all messages together. */
  maxBytes: number;
}

/** The last messages on a subject, as lines, for clients that come late. */
export class History {
  #options: HistoryOptions;
  /** The oldest batches up to `#first` are forgotten. */
  #batches: Messages[] = [];
  #first = 0;
  #messages = 0;
  #bytes = 0;
  /** What {@linkcode recent} has made, until the next message. */
  #recent: Batch | undefined;

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  /** Changes the limits. Messages beyond lower ones are not shown any more, and go with the next one. */
  setLimits(limits: HistoryOptions): void {
    this.#options = limits;
    this.#recent = undefined;
  }

  /** Adds the messages of a batch, and forgets the oldest ones beyond the limits. */
  add({ lines }: Batch): void {
    this.#recent = undefined;
    this.#batches.push(lines);
    this.#messages += lines.ends.length;
    this.#bytes += lines.bytes.length;
    const { maxMessages, maxBytes } = this.#options;
    // The oldest batch stays while some of its messages are within the limits.
    for (;;) {
      const { bytes, ends } = this.#batches[this.#first]!;
      const messages = this.#messages - ends.length;
      const newer = this.#bytes - bytes.length;
      if (messages === 0 || (messages < maxMessages && newer < maxBytes)) break;
      this.#first++;
      this.#messages = messages;
      this.#bytes = newer;
    }
    if (this.#first < this.#batches.length / 2) return;
    this.#batches = this.#batches.slice(this.#first);
    this.#first = 0;
  }

  /** The last messages as one batch on a subject; `undefined` if there are none. */
  recent(subject: string): Batch | undefined {
    if (this.#messages === 0) return undefined;
    return this.#recent ??= this.#join(subject);
  }

  #join(subject: string): Batch | undefined {
    const kept = this.#batches.slice(this.#first).map((lines) => Batch.ofLines(subject, lines));
    const all = Batch.joined(kept);
    const { maxMessages, maxBytes } = this.#options;
    const { bytes, ends } = all.lines;
    let from = Math.max(0, all.count - maxMessages);
    while (from < all.count && bytes.length - (from === 0 ? 0 : ends[from - 1]!) > maxBytes) from++;
    return from === all.count ? undefined : all.slice(from, all.count);
  }
}
