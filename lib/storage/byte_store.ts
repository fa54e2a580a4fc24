/**
 * The operations of a store on keys and values as ranges of bytes. They create no string and no
 * object per key, so the commands that busy clients send most go from the read buffer to the table
 * and from the table to the reply. An engine that keeps its data elsewhere does without them.
 *
 * All methods are synchronous. A result may depend on changes that are not durable yet: hold the
 * reply back until {@linkcode ByteStore.flushed} resolves for the version in
 * {@linkcode ByteStore.seen}.
 *
 * @module
 */

/** A range of an array. It is valid until the next call of the store. */
export interface ByteRange {
  bytes: Uint8Array;
  start: number;
  end: number;
}

/** A store's operations on ranges of bytes; a key is `bytes[start]` to `bytes[end - 1]`. */
export interface ByteStore {
  /**
   * Whether these operations can be used now. While a transaction over whole spaces runs, or too
   * much waits for the disk, they cannot: call the methods of the store, which wait.
   */
  readonly ready: boolean;
  /** The value that the last successful {@linkcode ByteStore.get} found. */
  readonly value: Readonly<ByteRange>;
  /**
   * Whether the bytes of {@linkcode ByteStore.value} will never change, because the value has an
   * array of its own and changes are made to another one (or behind its end). Such a range stays
   * valid, so a long value is sent without a copy.
   */
  readonly stable: boolean;
  /** When that entry expires, in milliseconds since the Unix epoch; 0 for never. */
  readonly expiresAtMs: number;
  /**
   * The newest change that any result depends on since the caller set this to 0; still 0 if all of
   * them are durable.
   */
  seen: number;
  /**
   * Whether so many bytes of keys and values can be added at once. If not, the methods of the store
   * make room for them, or refuse.
   */
  hasRoom(bytes: number): boolean;
  /** Finds the entry of a key; sets `value` and `expiresAtMs` and returns whether it exists. */
  get(space: number, bytes: Uint8Array, start: number, end: number): boolean;
  /** The length of a key's value; -1 if the key does not exist. */
  length(space: number, bytes: Uint8Array, start: number, end: number): number;
  /**
   * Sets the value of a key, after {@linkcode ByteStore.hasRoom}. The bytes are copied.
   *
   * @param source The array with the value, which is its range `from` to `to`. Often the same array
   * as the key's: both are in the read buffer.
   * @param expiresAtMs 0 for never.
   */
  put(
    space: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    source: Uint8Array,
    from: number,
    to: number,
    expiresAtMs: number,
  ): void;
  /** Removes a key; returns whether it existed. */
  delete(space: number, bytes: Uint8Array, start: number, end: number): boolean;
  /** Changes when an existing key expires; returns whether it exists. 0 for never. */
  expire(
    space: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    expiresAtMs: number,
  ): boolean;
  /**
   * Writes bytes into the value of an existing key, which grows if necessary; bytes between its end
   * and `offset` become zero. A long value is changed in place. Returns whether it was written: the
   * key may not exist, or its value may have to move, for which the methods of the store wait.
   *
   * @param source The array with the bytes, which are its range `from` to `to`.
   */
  write(
    space: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    offset: number,
    source: Uint8Array,
    from: number,
    to: number,
  ): boolean;
  /**
   * Resolves when a change in {@linkcode ByteStore.seen} is durable. All callers that wait for the
   * same commit share a promise.
   *
   * @throws {StorageUnavailableError} If the change was undone.
   */
  flushed(seen: number): Promise<void>;
}
