/**
 * A request of the Redis protocol: its arguments as ranges of the bytes that brought it, so that
 * nothing is copied or decoded before somebody needs it.
 *
 * @module
 */

import { latin1From, type Value, valueFrom } from "../../storage/value.ts";

/** How many arguments a request has room for at first. */
const INITIAL_ARGUMENTS = 16;

/** From so many arguments on, the room for them is given back after the request. */
const KEPT_ARGUMENTS = 1024;

/** One request. Right until the bytes behind it change; {@linkcode Request.copy} lives longer. */
export class Request {
  bytes: Uint8Array = new Uint8Array(0);
  /** Where the request begins in `bytes`. */
  base = 0;
  /** How many arguments there are, the command's name included. */
  count = 0;
  /** Start and end of each argument, counted from `base`. */
  #ranges = new Int32Array(2 * INITIAL_ARGUMENTS);

  /** Empties it. */
  clear(): void {
    this.count = 0;
    if (this.#ranges.length > 2 * KEPT_ARGUMENTS) {
      this.#ranges = new Int32Array(2 * INITIAL_ARGUMENTS);
    }
  }

  /** Adds an argument, as a range that is counted from `base`. */
  add(start: number, end: number): void {
    const at = 2 * this.count++;
    if (at === this.#ranges.length) {
      const ranges = new Int32Array(2 * at);
      ranges.set(this.#ranges);
      this.#ranges = ranges;
    }
    this.#ranges[at] = start;
    this.#ranges[at + 1] = end;
  }

  /** Where an argument begins in `bytes`. */
  start(index: number): number {
    return this.base + this.#ranges[2 * index]!;
  }

  /** Where an argument ends in `bytes`. */
  end(index: number): number {
    return this.base + this.#ranges[2 * index + 1]!;
  }

  /** An argument, or no more than the start of it, as a string with one character a byte. */
  text(index: number, maxLength = Infinity): string {
    const start = this.start(index);
    return latin1From(this.bytes, start, Math.min(this.end(index), start + maxLength));
  }

  /** An argument as a value, copied. */
  value(index: number): Value {
    return valueFrom(this.bytes, this.start(index), this.end(index));
  }

  /** An argument in upper case: an option. */
  option(index: number): string {
    // No option is longer, so nobody pays for a long value that stands in the place of one.
    return this.text(index, 64).toUpperCase();
  }

  /** How many bytes all arguments have together. */
  get byteLength(): number {
    let length = 0;
    for (let index = 0; index < this.count; index++) length += this.end(index) - this.start(index);
    return length;
  }

  /** The same request with bytes of its own. */
  copy(): Request {
    const copy = new Request();
    copy.bytes = new Uint8Array(this.byteLength);
    let at = 0;
    for (let index = 0; index < this.count; index++) {
      const start = this.start(index), end = this.end(index);
      copy.bytes.set(this.bytes.subarray(start, end), at);
      copy.add(at, at += end - start);
    }
    return copy;
  }

  /** A request made of strings with one character a byte. */
  static of(...args: string[]): Request {
    const request = new Request();
    request.bytes = Uint8Array.from(args.join(""), (char) => char.charCodeAt(0));
    let at = 0;
    for (const arg of args) request.add(at, at += arg.length);
    return request;
  }
}
