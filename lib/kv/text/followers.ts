/**
 * FOLLOW: clients of the text protocol that receive a line for every change below a prefix.
 *
 * A change never waits for a follower: it goes into a bounded queue, from which the lines are made and
 * offered one after the other. There the rule for slow readers applies. A follower that has lost
 * lines, for that reason or because the queue was full, is told how many before the next line.
 *
 * @module
 */

import type { Reader } from "../../bus/reader.ts";
import type { Readers } from "../../bus/readers.ts";
import type { Outbox } from "../../net/outbox.ts";
import { Turn } from "../../turn.ts";
import type { Change } from "../changes/change.ts";
import type { ChangeFeed } from "../changes/change_feed.ts";
import { changeLine } from "./change_lines.ts";

/** How many changes, and how many bytes of keys and values, may wait to be made into lines. */
const MAX_WAITING = 100_000;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/** What each waiting change counts on top of its key and value: the memory of its objects. */
const CHANGE_OVERHEAD_BYTES = 200;

const encoder = new TextEncoder();

/** What connections need to serve FOLLOW. */
export interface Following {
  readonly followers: Followers;
  /** What is on its way to clients that receive messages. */
  readonly readers: Readers;
}

/** One follower. */
interface Follower {
  readonly reader: Reader;
  readonly prefix: string;
  /** Lines that it has lost since it was last told. */
  lost: number;
}

/** The followers of one service. */
export class Followers {
  readonly #feed: ChangeFeed;
  readonly #followers = new Set<Follower>();
  #waiting: Change[] = [];
  #waitingBytes = 0;
  #sending = false;

  /** @param feed The changes of the store. */
  constructor(feed: ChangeFeed) {
    this.#feed = feed;
  }

  /**
   * Sends a client every change below a prefix, from now on.
   *
   * @param reader The client.
   * @param prefix With one character per byte.
   * @returns Ends it.
   */
  follow(reader: Reader, prefix: string): () => void {
    const follower: Follower = { reader, prefix, lost: 0 };
    this.#followers.add(follower);
    this.#feed.add(this.#take);
    return () => {
      this.#followers.delete(follower);
      if (this.#followers.size === 0) this.#feed.remove(this.#take);
    };
  }

  readonly #take = (changes: readonly Change[]) => {
    for (const change of changes) {
      const bytes = sizeOf(change);
      if (
        this.#waiting.length < MAX_WAITING && this.#waitingBytes + bytes <= MAX_WAITING_BYTES
      ) {
        this.#waiting.push(change);
        this.#waitingBytes += bytes;
      } else {
        for (const follower of this.#followers) this.#lose(follower);
      }
    }
    if (!this.#sending && this.#waiting.length > 0) void this.#send();
  };

  async #send(): Promise<void> {
    this.#sending = true;
    const turn = new Turn();
    while (this.#waiting.length > 0) {
      const changes = this.#waiting;
      this.#waiting = [];
      this.#waitingBytes = 0;
      for (const change of changes) {
        await this.#sendOne(change);
        if (turn.over) await turn.next();
      }
    }
    this.#sending = false;
  }

  async #sendOne(change: Change): Promise<void> {
    const lines = new Map<string, Uint8Array | undefined>();
    for (const follower of [...this.#followers]) {
      const { prefix } = follower;
      // Followers of the same prefix share the line.
      if (!lines.has(prefix)) lines.set(prefix, await changeLine(change, prefix));
      const line = lines.get(prefix);
      if (line !== undefined) await this.#offer(follower, line);
    }
  }

  async #offer(follower: Follower, line: Uint8Array): Promise<void> {
    const { reader } = follower;
    if (follower.lost > 0) {
      const notice = encoder.encode(`LOST ${follower.lost}\n`);
      if (!await offered(reader.outbox, notice)) return this.#lose(follower, reader);
      follower.lost = 0;
    }
    if (!await offered(reader.outbox, line)) this.#lose(follower, reader);
  }

  /** Counts a line that a follower does not get; closes it if its rule says so. */
  #lose(follower: Follower, slow?: Reader): void {
    follower.lost++;
    slow?.overflow(1, 0);
  }
}

/** Puts a line into an outbox; waits for space unless the client is slow. Whether it is in. */
async function offered(outbox: Outbox, line: Uint8Array): Promise<boolean> {
  const messages = { bytes: line, ends: [line.length] };
  for (;;) {
    if (outbox.offer(messages, 0, performance.now()) === 1) return true;
    if (outbox.slow) return false;
    await outbox.spaceOrSlow();
  }
}

function sizeOf(change: Change): number {
  if (!("place" in change)) return CHANGE_OVERHEAD_BYTES;
  const length = change.place.key.length + ("value" in change ? change.value.length : 0);
  return CHANGE_OVERHEAD_BYTES + length;
}
