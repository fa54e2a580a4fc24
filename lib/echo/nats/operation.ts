/**
 * Consecutive messages of a client on one subject, as ranges of the input: message `i` is
 * `bytes[starts[i]..ends[i])`. The parser reuses the object and its arrays, so it is valid only until
 * the next operation is parsed, and the bytes until the next read.
 */
export interface Publication {
  readonly kind: "publish";
  /** The number of messages; 1 if there are headers or a reply subject. */
  count: number;
  bytes: Uint8Array;
  starts: Uint32Array;
  ends: Uint32Array;
  /** `undefined` if it is not valid UTF-8; otherwise still to be checked. */
  subject: string | undefined;
  /** Where replies go; the empty string if it is not valid UTF-8. */
  reply: string | undefined;
  /** Whether the operation is HPUB. */
  hasHeaders: boolean;
  /** How many bytes of the message are headers. */
  headerBytes: number;
}

/** An operation of a client. */
export type Operation =
  | Publication
  | {
    kind: "subscribe";
    /** `undefined` if it is not valid UTF-8; otherwise still to be checked. */
    pattern: string | undefined;
    group: string | undefined;
    /** The client's name for the subscription, with one character per byte. */
    sid: string;
  }
  | {
    kind: "unsubscribe";
    sid: string;
    /** After how many messages, counted from the beginning; 0 for at once. */
    max: number;
  }
  | { kind: "connect"; json: Uint8Array }
  | { kind: "ping" | "pong" | "ignored" }
  /** The client's error: the connection is to be closed. */
  | { kind: "mistake"; text: string };
