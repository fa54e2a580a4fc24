/**
 * The storages of a daemon: services that name the same URL share one.
 *
 * @module
 */

import { type OpenOptions, openStorage, type Storage } from "./open.ts";

/** Hands out storages. */
export class StoragePool {
  readonly #defaultUrl: string;
  readonly #options: OpenOptions;
  readonly #shared = new Map<string, { storage: Promise<Storage>; users: number }>();
  /** The last one of each URL that is being closed; a new one has to wait for that. */
  readonly #closing = new Map<string, Promise<void>>();

  /** @param defaultUrl What is opened for whoever names no URL. */
  constructor(defaultUrl: string, options: OpenOptions) {
    this.#defaultUrl = defaultUrl;
    this.#options = options;
  }

  /**
   * Opens a storage, or shares the one that is open. Each caller closes what it got; the last one
   * closes it in fact.
   *
   * @throws {SyntaxError} If the URL is not one of a storage.
   * @throws {Error} If it cannot be opened; the message says why.
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
      // Whoever closes it is told.
    });
    return await openStorage(url, this.#options);
  }
}
