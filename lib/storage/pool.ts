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
      shared = { storage: openStorage(url, this.#options), users: 0 };
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
      await storage.close();
    };
    return { ...storage, close };
  }
}
