import { Duplex } from "node:stream";
import type { Socket } from "./pipe.ts";

/** How much is read at a time, at least and at most: twice what the last read brought. */
const READ_MIN_BYTES = 4096;
const READ_MAX_BYTES = 64 * 1024;

/** What `node:stream` wants to be told when something is done. */
type Done = (error?: Error | null) => void;

/**
 * The side of `node:tls` that is turned to the network: ciphertext comes from a socket and goes to
 * it. From a socket of its own `node:tls`, as Deno has it, reads on when it is told to pause, and
 * keeps what comes. Here nothing is read but by {@linkcode CipherStream.pull}, and it is known how
 * much the operating system has taken.
 */
export class CipherStream extends Duplex {
  /** How many bytes the operating system has taken. */
  takenBytes = 0;
  /** Whether the peer has closed its side of the socket. */
  peerEnded = false;
  /** Whether the operating system has yet to take something. */
  writing = false;

  readonly #conn: Socket;
  readonly #onChange: () => void;
  #readBytes = READ_MIN_BYTES;
  /** Whether all that was read has been digested. */
  #hungry = false;

  /**
   * @param conn The socket.
   * @param onChange Called whenever something has come, was taken, or has ended.
   */
  constructor(conn: Socket, onChange: () => void) {
    super();
    this.#conn = conn;
    this.#onChange = onChange;
  }

  /** Reads from the socket once, unless a read is on its way or waits to be digested. */
  pull(): void {
    if (!this.#hungry || this.destroyed) return;
    this.#hungry = false;
    const bytes = new Uint8Array(this.#readBytes);
    this.#conn.read(bytes).then((count) => {
      if (this.destroyed) return;
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
      // First, as the next write may begin before this returns.
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
