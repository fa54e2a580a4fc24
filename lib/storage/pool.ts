/**
 * The storages of a daemon. Services that name the same URL share one storage.
 *
 * @module
 */

import { type OpenOptions, openStorage } from "./open.ts";
import type { Storage } from "./storage.ts";

/** Opens storages and shares them. */
export class StoragePool {
  readonly #defaultUrl: string;
  readonly #options: OpenOptions;
  readonly #shared = new Map<string, { storage: Promise<Storage>; users: number }>();
  /** Storages being closed, by URL; opening one again waits for that. */
  readonly #closing = new Map<string, Promise<void>>();

  /** @param defaultUrl The URL for services that name none. */
  constructor(defaultUrl: string, options: OpenOptions) {
    this.#defaultUrl = defaultUrl;
    this.#options = options;
  }

  /**
   * Opens a storage, or shares the one that is open. Every caller closes its own; closing the last
   * one closes the storage itself.
   *
   * @throws {SyntaxError} If it is not a storage URL.
   * @throws {Error} If the storage cannot be opened; the message says why.
   */
  async open(url: string = this.#defaultUrl): Promise<Storage> {
    let shared = this.#shared.get(url);
    if (shared === undefined) {
      shared = { storage: this.#open(url), users: 0 };
      this.#shared.set(url, shared);
    }
    shared.users++;
    let storage: Storage;
    try {
      storage = await shared.storage;
    } catch (error) {
      if (this.#shared.get(url) === shared) this.#shared.delete(url);
      throw error;
    }
    let open = true;
    const close = async () => {
      if (!open) return;
      open = false;
      if (--shared.users > 0) return;
      this.#shared.delete(url);
      const closing = storage.close().finally(() => {
        if (this.#closing.get(url) === closing) this.#closing.delete(url);
      });
      this.#closing.set(url, closing);
      await closing;
    };
    return { ...storage, close };
  }

  async #open(url: string): Promise<Storage> {
    await this.#closing.get(url)?.catch(() => {
      // The caller of `close` gets the error.
    });
    return await openStorage(url, this.#options);
  }
}
