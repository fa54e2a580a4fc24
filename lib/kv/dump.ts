/**
 * Dumps: all databases as requests of the Redis protocol, `SELECT` and `SET … PXAT`, which
 * `redis-cli --pipe` can load.
 *
 * @module
 */

import { allPages, type Scan } from "../storage/all_pages.ts";
import type { Store } from "../storage/store.ts";
import { copyValue, type Value, valueBytes } from "../storage/value.ts";
import { DATABASES } from "./commands/arguments.ts";

/** The size of a write. */
const PAGE_BYTES = 256 * 1024;

/**
 * Writes all keys of a store, with the times at which they expire. Each page shows the store at one
 * moment.
 *
 * @param write Takes the next bytes, which are valid until its promise resolves. If it resolves to
 * `false`, nothing more is written.
 * @returns The number of keys written.
 * @throws {StorageUnavailableError}
 */
export async function dumpStore(
  store: Store,
  write: (bytes: Uint8Array) => boolean | Promise<boolean>,
): Promise<number> {
  const output = new RequestBuffer(write);
  let keys = 0;
  let selected: number | undefined;
  const scan: Scan = (db, range) => store.scan(db, range);
  for await (const { space: db, page } of allPages(scan, DATABASES)) {
    if (db !== selected) await output.request("SELECT", String(selected = db));
    for (const [key, { value, expiresAtMs }] of page) {
      if (expiresAtMs === 0) await output.request("SET", key, value);
      else await output.request("SET", key, value, "PXAT", String(expiresAtMs));
      if (output.closed) return keys;
      keys++;
    }
  }
  await output.flush();
  return keys;
}

/** Collects requests and writes them in large pieces. */
class RequestBuffer {
  /** Whether nobody takes any more. */
  closed = false;
  readonly #write: (bytes: Uint8Array) => boolean | Promise<boolean>;
  readonly #bytes = new Uint8Array(PAGE_BYTES);
  #length = 0;

  constructor(write: (bytes: Uint8Array) => boolean | Promise<boolean>) {
    this.#write = write;
  }

  /** Adds a request. */
  async request(...words: Value[]): Promise<void> {
    await this.#add(`*${words.length}\r\n`);
    for (const word of words) {
      await this.#add(`$${word.length}\r\n`);
      await this.#add(word);
      await this.#add("\r\n");
    }
  }

  /** Writes everything collected. */
  async flush(): Promise<void> {
    await this.#send(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
  }

  async #add(value: Value): Promise<void> {
    if (this.#length + value.length > PAGE_BYTES) await this.flush();
    if (value.length > PAGE_BYTES) return await this.#send(valueBytes(value));
    copyValue(value, this.#bytes, this.#length);
    this.#length += value.length;
  }

  async #send(bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0 && !this.closed) this.closed = !await this.#write(bytes);
  }
}
