import { joinBytes } from "../../join_bytes.ts";
import type { Batch } from "../../bus/batch.ts";
import type { Messages } from "../../net/outbox.ts";

/** What the name of a form begins with; the client's name for the subscription follows. */
const FORM_PREFIX = "nats ";

/** A form for clients that do not understand headers, of messages that have some. */
const PLAIN_FORM_PREFIX = "nats-plain ";

const CR = 13;
const LF = 10;

const encoder = new TextEncoder();

/**
 * Names the form in which a subscription gets messages. Subscriptions of many clients have the same
 * name, as most clients count theirs from 1, and share the bytes.
 *
 * @param sid The client's name for the subscription, with one character per byte.
 */
export function formOf(sid: string): string {
  return FORM_PREFIX + sid;
}

/** The client's name for the subscription, from the name of its form. */
export function sidOf(form: string): string {
  return form.slice(FORM_PREFIX.length);
}

/**
 * The messages of a batch as MSG or HMSG operations.
 *
 * @param form See {@linkcode formOf}.
 * @param withHeaders Whether the client understands headers; if not, it gets none.
 */
export function messagesIn(batch: Batch, form: string, withHeaders: boolean): Messages {
  if (batch.headers === undefined) return batch.encoded(form, () => encodeAll(batch, sidOf(form)));
  const { headers } = batch;
  return withHeaders
    ? batch.encoded(form, () => encodeOne(batch, sidOf(form), headers))
    : batch.encoded(PLAIN_FORM_PREFIX + sidOf(form), () => encodeAll(batch, sidOf(form)));
}

function encodeAll(batch: Batch, sid: string): Messages {
  const { bytes, starts, ends } = batch.payloads;
  const count = ends.length;
  // Messages in a row often have one length, and then their first lines are the same.
  let size = -1;
  let line: Uint8Array = new Uint8Array(0);
  if (count === 1) {
    size = ends[0]! - starts[0]!;
    line = firstLine(`MSG ${batch.subject} `, sid, tail(batch, `${size}`));
    const encoded = new Uint8Array(line.length + size + 2);
    encoded.set(line);
    put(encoded, line.length, bytes, starts[0]!, ends[0]!);
    return { bytes: encoded, ends: [encoded.length] };
  }
  const lines: Uint8Array[] = [];
  let length = 0;
  for (let i = 0; i < count; i++) {
    const ownSize = ends[i]! - starts[i]!;
    if (ownSize !== size) {
      size = ownSize;
      line = firstLine(`MSG ${batch.subject} `, sid, tail(batch, `${size}`));
    }
    lines.push(line);
    length += line.length + size + 2;
  }
  const encoded = new Uint8Array(length);
  const encodedEnds = new Uint32Array(count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    encoded.set(lines[i]!, at);
    at = put(encoded, at + lines[i]!.length, bytes, starts[i]!, ends[i]!);
    encodedEnds[i] = at;
  }
  return { bytes: encoded, ends: encodedEnds };
}

function encodeOne(batch: Batch, sid: string, headers: Uint8Array): Messages {
  const { bytes, starts, ends } = batch.payloads;
  const size = headers.length + ends[0]! - starts[0]!;
  const sizes = `${headers.length} ${size}`;
  const line = firstLine(`HMSG ${batch.subject} `, sid, tail(batch, sizes));
  const encoded = new Uint8Array(line.length + size + 2);
  encoded.set(line);
  encoded.set(headers, line.length);
  put(encoded, line.length + headers.length, bytes, starts[0]!, ends[0]!);
  return { bytes: encoded, ends: [encoded.length] };
}

function tail({ reply }: Batch, sizes: string): string {
  return reply === undefined ? ` ${sizes}\r\n` : ` ${reply} ${sizes}\r\n`;
}

/** Encodes a first line. Subjects are UTF-8; the client's name may be any bytes. */
function firstLine(head: string, sid: string, tail: string): Uint8Array {
  if (isAscii(sid)) return encoder.encode(head + sid + tail);
  return joinBytes([
    encoder.encode(head),
    Uint8Array.from(sid, (character) => character.charCodeAt(0)),
    encoder.encode(tail),
  ]);
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

/** Copies a payload and adds its line end; returns the index after it. */
function put(
  into: Uint8Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  into.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at);
  const next = at + end - start;
  into[next] = CR;
  into[next + 1] = LF;
  return next + 2;
}
