import type { Messages } from "../net/outbox.ts";
import { linesOf, type Payloads, payloadsOf } from "./payloads.ts";

/**
 * The forms of a batch that are kept: these many of any size, and more while they have no more bytes
 * together. Each name that a NATS client gives to a subscription makes another form, and one message
 * of a megabyte may have 200,000 of them.
 */
const KEPT_FORMS = 4;
const KEPT_FORMS_MAX_BYTES = 8 * 1024 * 1024;

/** What a message can carry besides its payload. */
export interface BatchOptions {
  /** The subject for replies; only with one message. */
  reply?: string | undefined;
  /** The header block of NATS, "NATS/1.0\r\n…\r\n\r\n"; only with one message. */
  headers?: Uint8Array | undefined;
  /** The subscriber that publishes it, if any. */
  origin?: object | undefined;
  /** Whether the publisher wants to be told if nobody hears it. @default {false} */
  wantsStatus?: boolean;
}

/**
 * One or more messages of one publisher on one subject. It is stored once, shared by all subscribers,
 * and never changes. Protocols that write lines and protocols that write payloads each find their
 * form, made at most once.
 */
export class Batch {
  /** A valid subject; see `subject.ts`. */
  readonly subject: string;
  /** The number of messages. A payload with newlines is one message, although it makes more lines. */
  readonly count: number;
  /** See {@linkcode BatchOptions}. */
  readonly reply: string | undefined;
  /** See {@linkcode BatchOptions}. */
  readonly headers: Uint8Array | undefined;
  /** See {@linkcode BatchOptions}. */
  readonly origin: object | undefined;
  /** See {@linkcode BatchOptions}. */
  readonly wantsStatus: boolean;

  /** Whether it was published as lines, whose bytes, `\r` included, stay as they are. */
  readonly #fromLines: boolean;
  #lines: Messages | undefined;
  #payloads: Payloads | undefined;
  #forms: Map<string, Messages> | undefined;
  #formBytes = 0;

  private constructor(
    subject: string,
    form: { lines: Messages } | { payloads: Payloads },
    options: BatchOptions,
  ) {
    this.subject = subject;
    this.#fromLines = "lines" in form;
    if ("lines" in form) this.#lines = form.lines;
    else this.#payloads = form.payloads;
    this.count = "lines" in form ? form.lines.ends.length : form.payloads.ends.length;
    this.reply = options.reply;
    this.headers = options.headers;
    this.origin = options.origin;
    this.wantsStatus = options.wantsStatus === true;
  }

  /**
   * Makes a batch of lines.
   *
   * @param subject The subject.
   * @param lines The lines. Each ends with `\n`, and the array must not change from now on.
   * @param origin See {@linkcode BatchOptions}.
   */
  static ofLines(subject: string, lines: Messages, origin?: object): Batch {
    return new Batch(subject, { lines }, { origin });
  }

  /**
   * Makes a batch of payloads.
   *
   * @param subject The subject.
   * @param payloads The payloads, back to back or anywhere in one array, which must not change from
   * now on.
   * @param options What else the message carries.
   */
  static ofPayloads(
    subject: string,
    payloads: Messages | Payloads,
    options: BatchOptions = {},
  ): Batch {
    if ("starts" in payloads) return new Batch(subject, { payloads }, options);
    const { bytes, ends } = payloads;
    const starts = Uint32Array.from(ends, (_, i) => i === 0 ? 0 : ends[i - 1]!);
    return new Batch(subject, { payloads: { bytes, starts, ends } }, options);
  }

  /** Makes a batch of one payload, which must not change from now on. */
  static ofPayload(subject: string, payload: Uint8Array, options: BatchOptions = {}): Batch {
    const payloads = { bytes: payload, starts: [0], ends: [payload.length] };
    return new Batch(subject, { payloads }, options);
  }

  /** The size of the messages, in bytes. */
  get byteLength(): number {
    if (this.#fromLines) return this.#lines!.bytes.length;
    const { starts, ends } = this.#payloads!;
    let length = this.headers?.length ?? 0;
    for (let i = 0; i < ends.length; i++) length += ends[i]! - starts[i]!;
    return length;
  }

  /** The messages as lines. A payload with newlines becomes several. */
  get lines(): Messages {
    return this.#lines ??= linesOf(this.#payloads!);
  }

  /** The messages without line ends. */
  get payloads(): Payloads {
    return this.#payloads ??= payloadsOf(this.#lines!);
  }

  /**
   * The messages in the form of a protocol. It is made once and shared by all subscribers that ask
   * for it, unless there are so many forms that keeping them all would take too much memory.
   *
   * @param form Names the form. The same name must always stand for the same bytes.
   * @param encode Makes it.
   */
  encoded(form: string, encode: (batch: Batch) => Messages): Messages {
    let messages = this.#forms?.get(form);
    if (messages === undefined) {
      messages = encode(this);
      const forms = this.#forms ??= new Map();
      const formBytes = this.#formBytes + messages.bytes.length;
      if (forms.size >= KEPT_FORMS && formBytes > KEPT_FORMS_MAX_BYTES) return messages;
      forms.set(form, messages);
      this.#formBytes = formBytes;
    }
    return messages;
  }

  /** The messages `from` to `to` (exclusive). */
  slice(from: number, to: number): Batch {
    if (from === 0 && to === this.count) return this;
    if (this.#fromLines) {
      const { bytes, ends } = this.#lines!;
      const start = from === 0 ? 0 : ends[from - 1]!;
      const lines = {
        bytes: bytes.subarray(start, to === 0 ? 0 : ends[to - 1]),
        ends: Uint32Array.from({ length: to - from }, (_, i) => ends[from + i]! - start),
      };
      return new Batch(this.subject, { lines }, this);
    }
    const { bytes, starts, ends } = this.#payloads!;
    const payloads = {
      bytes,
      starts: Uint32Array.from({ length: to - from }, (_, i) => starts[from + i]!),
      ends: Uint32Array.from({ length: to - from }, (_, i) => ends[from + i]!),
    };
    return new Batch(this.subject, { payloads }, this);
  }

  /** Whether it can be joined with a batch that follows it; see {@linkcode joined}. */
  joins(next: Batch): boolean {
    return this.subject === next.subject && this.origin === next.origin &&
      this.#fromLines === next.#fromLines && this.#isPlain && next.#isPlain;
  }

  get #isPlain(): boolean {
    return this.reply === undefined && this.headers === undefined;
  }

  /** Joins batches, one or more, each of which {@linkcode joins} the next, into one. */
  static joined(batches: readonly Batch[]): Batch {
    const [first] = batches;
    if (batches.length === 1) return first!;
    const bytes = new Uint8Array(batches.reduce((sum, { byteLength }) => sum + byteLength, 0));
    const ends: number[] = [];
    let at = 0;
    for (const batch of batches) {
      if (batch.#fromLines) {
        const lines = batch.#lines!;
        bytes.set(lines.bytes, at);
        for (let i = 0; i < lines.ends.length; i++) ends.push(at + lines.ends[i]!);
        at += lines.bytes.length;
        continue;
      }
      const payloads = batch.#payloads!;
      for (let i = 0; i < payloads.ends.length; i++) {
        bytes.set(payloads.bytes.subarray(payloads.starts[i], payloads.ends[i]), at);
        ends.push(at += payloads.ends[i]! - payloads.starts[i]!);
      }
    }
    return first!.#fromLines
      ? Batch.ofLines(first!.subject, { bytes, ends }, first!.origin)
      : Batch.ofPayloads(first!.subject, { bytes, ends }, first!);
  }
}
