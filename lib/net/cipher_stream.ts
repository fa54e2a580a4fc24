import { Duplex } from "node:stream";
import type { Socket } from "./pipe.ts";

/** The size of a read: twice what the last read brought, between these limits. */
const READ_MIN_BYTES = 4096;
const READ_MAX_BYTES = 64 * 1024;

/** The callback that `node:stream` passes to its hooks. */
type Done = (error?: Error | null) => void;

/**
 * The network side of `node:tls`: it carries ciphertext from and to a socket. Given a socket of its
 * own, Deno's `node:tls` keeps reading when it is told to pause, and buffers without limit. This
 * stream reads only when {@linkcode CipherStream.pull} is called, and counts the bytes that the
 * operating system has accepted.
 */
export class CipherStream extends Duplex {
  /** Bytes that the operating system has accepted. */
  takenBytes = 0;
  /** Whether the peer has sent anything, or closed its side. */
  begun = false;
  /** Whether the peer has closed its side of the socket. */
  peerEnded = false;
  /** Whether a write is in progress. */
  writing = false;

  readonly #conn: Socket;
  readonly #onChange: () => void;
  #readBytes = READ_MIN_BYTES;
  /** Whether `node:tls` has consumed everything read and asks for more. */
  #hungry = false;

  /**
   * @param conn The socket.
   * @param onChange Called whenever bytes were read or written, or the stream has ended.
   */
  constructor(conn: Socket, onChange: () => void) {
    super();
    this.#conn = conn;
    this.#onChange = onChange;
  }

  /** Reads from the socket once, unless a read is pending or its bytes are not yet consumed. */
  pull(): void {
    if (!this.#hungry || this.destroyed) return;
    this.#hungry = false;
    const bytes = new Uint8Array(this.#readBytes);
    this.#conn.read(bytes).then((count) => {
      if (this.destroyed) return;
      this.begun = true;
      if (count === null) this.peerEnded = true;
      else this.#readBytes = Math.min(Math.max(2 * count, READ_MIN_BYTES), READ_MAX_BYTES);
      this.push(count === null ? null : bytes.subarray(0, count));
      this.#onChange();
    }, (error) => this.destroy(error));
  }

  override _read(): void {
    this.#hungry = true;
    this.#onChange();
  }

  override _write(bytes: Uint8Array, _encoding: string, done: Done): void {
    this.writing = true;
    const end = (error?: Error) => {
      // Set before `done` is called, which may begin the next write.
      this.writing = false;
      done(error);
      this.#onChange();
    };
    this.#writeAll(bytes).then(() => {
      this.takenBytes += bytes.length;
      end();
    }, end);
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  override _destroy(error: Error | null, done: Done): void {
    done(error);
    this.#onChange();
  }
}
