/**
 * The log of slow commands, for SLOWLOG.
 *
 * @module
 */

/** An entry of the log. */
export interface SlowCommand {
  /** A number that grows with each entry. */
  readonly id: number;
  /** When the command had been run, in milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** How long it took, in microseconds. */
  readonly durationUs: number;
  /** The arguments, cut to a maximum length. */
  readonly words: readonly string[];
  /** The address and the name of the client. */
  readonly remote: string;
  readonly name: string;
}

/** The maximum number of entries, whatever the setting says. An entry takes up to 5 KiB. */
const MAX_ENTRIES = 10_000;

/** Remembers the latest slow commands. */
export class SlowLog {
  /** Commands that take at least this long are logged; -1 for none. In microseconds. */
  slowerThanUs = 10_000;
  #entries: SlowCommand[] = [];
  #nextId = 0;
  #maxEntries = 128;

  /** The entries, newest first. */
  get entries(): readonly SlowCommand[] {
    return this.#entries;
  }

  /** The maximum number of entries; the oldest ones beyond it are dropped. */
  get maxEntries(): number {
    return this.#maxEntries;
  }

  set maxEntries(count: number) {
    this.#maxEntries = Math.min(count, MAX_ENTRIES);
    this.#entries.length = Math.min(this.#entries.length, this.#maxEntries);
  }

  /** Adds an entry. */
  add(command: Omit<SlowCommand, "id">): void {
    if (this.#maxEntries === 0) return;
    this.#entries.unshift({ id: this.#nextId++, ...command });
    this.#entries.length = Math.min(this.#entries.length, this.#maxEntries);
  }

  /** Drops all entries. */
  clear(): void {
    this.#entries = [];
  }
}
