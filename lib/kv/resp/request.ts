/**
 * A request of the Redis protocol. Arguments are ranges of the read buffer, so that none is copied
 * or decoded before a command needs it.
 *
 * @module
 */

import { latin1From, type Value, valueFrom } from "../../storage/value.ts";

/** The initial capacity, in arguments. */
const INITIAL_ARGUMENTS = 16;

/** A shorter value is copied although it need not be: a view would keep the whole request. */
const MIN_VIEW_BYTES = 16 * 1024;

/** The capacity above which a request frees its memory when it is reused. */
const KEPT_ARGUMENTS = 1024;

/** A request. It is valid until its buffer changes; {@linkcode Request.copy} lasts longer. */
export class Request {
  bytes: Uint8Array = new Uint8Array(0);
  /** The start of the request in `bytes`. */
  base = 0;
  /** The number of arguments, including the command's name. */
  count = 0;
  /** Whether the bytes are left to the request, so that its values need no copies. */
  ownsBytes = false;
  /** The start and end of each argument, relative to `base`. */
  #ranges = new Int32Array(2 * INITIAL_ARGUMENTS);

  /** Removes all arguments. */
  clear(): void {
    this.count = 0;
    this.ownsBytes = false;
    if (this.#ranges.length > 2 * KEPT_ARGUMENTS) {
      this.#ranges = new Int32Array(2 * INITIAL_ARGUMENTS);
    }
  }

  /** Adds an argument, as a range relative to `base`. */
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

  /** The start of an argument in `bytes`. */
  start(index: number): number {
    return this.base + this.#ranges[2 * index]!;
  }

  /** The end of an argument in `bytes`. */
  end(index: number): number {
    return this.base + this.#ranges[2 * index + 1]!;
  }

  /** An argument, cut to `maxLength`, as a string with one character per byte. */
  text(index: number, maxLength = Infinity): string {
    const start = this.start(index);
    return latin1From(this.bytes, start, Math.min(this.end(index), start + maxLength));
  }

  /** A copy of an argument, as a value; a view if it is long and the request owns its bytes. */
  value(index: number): Value {
    const start = this.start(index), end = this.end(index);
    if (this.ownsBytes && end - start >= MIN_VIEW_BYTES) return this.bytes.subarray(start, end);
    return valueFrom(this.bytes, start, end);
  }

  /** An argument in upper case, to compare with the names of options. */
  option(index: number): string {
    // No option is longer than this. Do not decode a long value only to find it is not an option.
    return this.text(index, 64).toUpperCase();
  }

  /** The total size of all arguments. */
  get byteLength(): number {
    let length = 0;
    for (let index = 0; index < this.count; index++) length += this.end(index) - this.start(index);
    return length;
  }

  /** The length from the first argument to the end of the last one. */
  get span(): number {
    return this.end(this.count - 1) - this.start(0);
  }

  /** A request with the same name, and of the arguments only those from `first` to `end` - 1. */
  part(first: number, end: number): Request {
    const part = new Request();
    part.bytes = this.bytes;
    part.base = this.base;
    part.ownsBytes = this.ownsBytes;
    part.count = 1 + end - first;
    part.#ranges = new Int32Array(2 * part.count);
    part.#ranges.set(this.#ranges.subarray(0, 2));
    part.#ranges.set(this.#ranges.subarray(2 * first, 2 * end), 2);
    return part;
  }

  /** A copy of the request that owns its bytes. */
  copy(): Request {
    const copy = new Request();
    const first = this.ownsBytes ? 0 : this.start(0);
    copy.ownsBytes = true;
    copy.bytes = this.ownsBytes ? this.bytes : this.bytes.slice(first, this.end(this.count - 1));
    copy.base = this.base - first;
    copy.count = this.count;
    copy.#ranges = this.#ranges.slice(0, 2 * this.count);
    return copy;
  }

  /** Makes a request of strings with one character per byte. */
  static of(...args: string[]): Request {
    const request = new Request();
    request.bytes = Uint8Array.from(args.join(""), (char) => char.charCodeAt(0));
    let at = 0;
    for (const arg of args) request.add(at, at += arg.length);
    return request;
  }
}
