import { isUtf8 } from "node:buffer";
import {
  BIT,
  CLOSE_CODE,
  CONTROL_MAX_BYTES,
  type Ending,
  isCloseCode,
  LENGTH,
  OPCODE,
} from "./protocol.ts";

const NEWLINE = 10;

/** The longest header of a frame with a mask. */
const HEADER_MAX_BYTES = 14;

/** The initial size of the buffer for payloads, and the size above which it is not kept. */
const OUT_INITIAL_BYTES = 1024;
const OUT_KEPT_BYTES = 64 * 1024;

/** Options for {@linkcode Decoder}. */
export interface DecoderOptions {
  /**
   * What messages stand for. "lines": each message, text or binary, is one line or several; it ends
   * with a newline even if it does not contain one. "bytes": binary messages are parts of one stream
   * of bytes, and text is refused.
   */
  form: "lines" | "bytes";
  /** The longest message, in bytes. It may change, for frames that begin later. */
  readonly maxMessageBytes: number;
}

/**
 * Turns the frames of a client (RFC 6455, section 5) into the bytes they carry. It is pure: bytes go
 * in with {@linkcode push} and come out with {@linkcode take}. A message that is not complete comes
 * out only in the form "bytes".
 */
export class Decoder {
  /** Complete messages and frames so far. */
  messages = 0;
  /** Set once the client has closed the conversation or broken the protocol. Later bytes are ignored. */
  ending: Ending | undefined;

  readonly #options: DecoderOptions;
  /** Payload bytes that can be taken are `out[start..complete)`; up to `end` follows the rest. */
  #out = new Uint8Array(OUT_INITIAL_BYTES);
  #start = 0;
  #complete = 0;
  #end = 0;

  readonly #header = new Uint8Array(HEADER_MAX_BYTES);
  #headerLength = 0;
  /** The length that the header will have, as far as is known. */
  #headerWanted = 2;
  /** Whether the payload of a frame is being read. */
  #inPayload = false;
  #payloadLeft = 0;
  /** Where the mask starts, for the next byte of the payload. */
  #maskAt = 0;
  /** The opcode of the message that has begun; 0 if there is none. */
  #message = 0;
  #messageBytes = 0;
  readonly #control = new Uint8Array(CONTROL_MAX_BYTES);
  #controlLength = 0;
  #ping: Uint8Array | undefined;

  constructor(options: DecoderOptions) {
    this.#options = options;
  }

  /** Identifies the message or frame that has begun and not ended; 0 if there is none. */
  get begun(): number {
    return this.#message !== 0 || this.#inPayload || this.#headerLength > 0 ? this.messages + 1 : 0;
  }

  /** Decodes bytes, which may be cut anywhere. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && this.ending === undefined;) {
      at = this.#inPayload ? this.#takePayload(bytes, at) : this.#takeHeader(bytes, at);
    }
  }

  /** Copies decoded bytes into an array; returns their number. */
  take(into: Uint8Array): number {
    const count = Math.min(into.length, this.#complete - this.#start);
    if (count === 0) return 0;
    into.set(this.#out.subarray(this.#start, this.#start + count));
    this.#start += count;
    if (this.#start === this.#end) {
      this.#start = this.#complete = this.#end = 0;
      if (this.#out.length > OUT_KEPT_BYTES) this.#out = new Uint8Array(OUT_INITIAL_BYTES);
    }
    return count;
  }

  /** Takes the payload of the last ping that is not answered (section 5.5.3), if there is one. */
  takePing(): Uint8Array | undefined {
    const ping = this.#ping;
    this.#ping = undefined;
    return ping;
  }

  #takeHeader(bytes: Uint8Array, at: number): number {
    while (at < bytes.length && this.#headerLength < this.#headerWanted) {
      this.#header[this.#headerLength++] = bytes[at++]!;
      if (this.#headerLength === 2) {
        const length = this.#header[1]! & ~BIT.MASK;
        this.#headerWanted = 6 +
          (length === LENGTH.TWO_BYTES ? 2 : length === LENGTH.EIGHT_BYTES ? 8 : 0);
        this.#checkStart();
        if (this.ending !== undefined) return at;
      }
    }
    if (this.#headerLength === this.#headerWanted) this.#beginPayload();
    return at;
  }

  /** Checks the first two bytes of a frame. */
  #checkStart(): void {
    const [first, second] = this.#header as unknown as [number, number];
    const opcode = first & BIT.OPCODE;
    const { form } = this.#options;
    if ((first & BIT.RESERVED) !== 0) return this.#fail("Reserved bits are set");
    if ((second & BIT.MASK) === 0) return this.#fail("The frame is not masked");
    if ((opcode & BIT.CONTROL) !== 0) {
      if (opcode > OPCODE.PONG) return this.#fail(`Unknown opcode ${opcode}`);
      if ((first & BIT.FIN) === 0) this.#fail("The control frame is fragmented");
      else if ((second & ~BIT.MASK) > CONTROL_MAX_BYTES) {
        this.#fail("The control frame is too long");
      }
      return;
    }
    if (opcode > OPCODE.BINARY) return this.#fail(`Unknown opcode ${opcode}`);
    if (opcode === OPCODE.CONTINUATION && this.#message === 0) {
      return this.#fail("There is no message to continue");
    }
    if (opcode !== OPCODE.CONTINUATION && this.#message !== 0) {
      return this.#fail("The message before is not complete");
    }
    if (opcode === OPCODE.TEXT && form === "bytes") {
      this.#fail("Only binary messages are accepted here", CLOSE_CODE.UNSUPPORTED);
    }
  }

  #beginPayload(): void {
    const opcode = this.#header[0]! & BIT.OPCODE;
    let length = this.#header[1]! & ~BIT.MASK;
    if (length >= LENGTH.TWO_BYTES) {
      length = 0;
      for (let i = 2; i < this.#headerWanted - 4; i++) length = 256 * length + this.#header[i]!;
    }
    this.#inPayload = true;
    this.#payloadLeft = length;
    this.#maskAt = this.#headerWanted - 4;
    if ((opcode & BIT.CONTROL) !== 0) this.#controlLength = 0;
    else {
      if (opcode !== OPCODE.CONTINUATION) {
        this.#message = opcode;
        this.#messageBytes = 0;
      }
      const { maxMessageBytes } = this.#options;
      this.#messageBytes += length;
      if (this.#messageBytes > maxMessageBytes) {
        return this.#fail(
          `A message may have ${maxMessageBytes} bytes`,
          CLOSE_CODE.TOO_BIG,
        );
      }
    }
    if (length === 0) this.#endFrame();
  }

  #takePayload(bytes: Uint8Array, at: number): number {
    const count = Math.min(this.#payloadLeft, bytes.length - at);
    const isControl = (this.#header[0]! & BIT.CONTROL) !== 0;
    if (!isControl) this.#makeRoom(count);
    const out = isControl ? this.#control : this.#out;
    const from = isControl ? this.#controlLength : this.#end;
    const mask = this.#header;
    const maskStart = this.#headerWanted - 4;
    const shift = this.#maskAt - maskStart;
    for (let i = 0; i < count; i++) {
      out[from + i] = bytes[at + i]! ^ mask[maskStart + ((shift + i) & 3)]!;
    }
    this.#maskAt = maskStart + ((shift + count) & 3);
    if (isControl) this.#controlLength += count;
    else {
      this.#end += count;
      if (this.#options.form === "bytes") this.#complete = this.#end;
    }
    this.#payloadLeft -= count;
    if (this.#payloadLeft === 0) this.#endFrame();
    return at + count;
  }

  #endFrame(): void {
    const first = this.#header[0]!;
    const opcode = first & BIT.OPCODE;
    this.#inPayload = false;
    this.#headerLength = 0;
    this.#headerWanted = 2;
    if ((opcode & BIT.CONTROL) !== 0) this.#endControl(opcode);
    else if ((first & BIT.FIN) !== 0) this.#endMessage();
  }

  #endControl(opcode: number): void {
    const payload = this.#control.slice(0, this.#controlLength);
    if (opcode === OPCODE.PING) this.#ping = payload;
    else if (opcode === OPCODE.CLOSE) this.#endConversation(payload);
  }

  #endConversation(payload: Uint8Array): void {
    if (payload.length === 0) {
      this.ending = { code: CLOSE_CODE.NO_CODE, reason: "" };
      return;
    }
    const code = payload.length === 1 ? 0 : 256 * payload[0]! + payload[1]!;
    if (!isCloseCode(code)) return this.#fail("The close frame has no valid code");
    const reason = payload.subarray(2);
    if (!isUtf8(reason)) return this.#failText();
    this.ending = { code, reason: new TextDecoder().decode(reason) };
  }

  #endMessage(): void {
    const isText = this.#message === OPCODE.TEXT;
    this.#message = 0;
    this.messages++;
    if (this.#options.form === "bytes") return;
    if (isText && !isUtf8(this.#out.subarray(this.#complete, this.#end))) return this.#failText();
    if (this.#end === this.#complete || this.#out[this.#end - 1] !== NEWLINE) {
      this.#makeRoom(1);
      this.#out[this.#end++] = NEWLINE;
    }
    this.#complete = this.#end;
  }

  #failText(): void {
    this.#fail("The text is not valid UTF-8", CLOSE_CODE.INVALID_TEXT);
  }

  #fail(reason: string, code: number = CLOSE_CODE.PROTOCOL_ERROR): void {
    this.ending = { code, reason };
  }

  /** Makes room for more bytes behind those that are not taken yet. */
  #makeRoom(count: number): void {
    if (this.#end + count <= this.#out.length) return;
    const kept = this.#out.subarray(this.#start, this.#end);
    const needed = kept.length + count;
    const out = needed > this.#out.length
      ? new Uint8Array(Math.max(needed, 2 * this.#out.length))
      : this.#out;
    if (out === this.#out) out.copyWithin(0, this.#start, this.#end);
    else out.set(kept);
    this.#out = out;
    this.#complete -= this.#start;
    this.#end -= this.#start;
    this.#start = 0;
  }
}
