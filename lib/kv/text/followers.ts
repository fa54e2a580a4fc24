/**
 * FOLLOW: clients of the text protocol that receive a line for every change below a prefix.
 *
 * A change never waits for a follower: it goes into a bounded queue, from which the lines are made and
 * offered one after the other. There the rule for slow readers applies. A follower that has lost
 * lines, for that reason or because the queue was full, is told about how many before the next one.
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
  /**
   * Lines lost since it was last told. A change that found the queue full counts for every follower,
   * whatever its prefix.
   */
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
    let lost = 0;
    for (const change of changes) {
      const bytes = sizeOf(change);
      if (
        this.#waiting.length < MAX_WAITING && this.#waitingBytes + bytes <= MAX_WAITING_BYTES
      ) {
        this.#waiting.push(change);
        this.#waitingBytes += bytes;
      } else lost++;
    }
    if (lost > 0) { for (const follower of this.#followers) follower.lost += lost; }
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
        await this.#sendOne(change, turn);
      }
    }
    this.#sending = false;
  }

  async #sendOne(change: Change, turn: Turn): Promise<void> {
    const lines = new Map<string, Uint8Array | undefined>();
    for (const follower of [...this.#followers]) {
      const { prefix } = follower;
      // Followers of the same prefix share the line.
      if (!lines.has(prefix)) lines.set(prefix, await changeLine(change, prefix));
      const line = lines.get(prefix);
      if (line !== undefined) await this.#offer(follower, line);
      if (turn.over) await turn.next();
    }
  }

  async #offer(follower: Follower, line: Uint8Array): Promise<void> {
    const { reader, lost } = follower;
    // No line makes way for the notice.
    if (lost > 0 && await offered(reader.outbox, encoder.encode(`LOST ${lost}\n`))) {
      follower.lost -= lost;
    }
    while (!await offered(reader.outbox, line)) {
      // This line is lost or, with "drop_oldest", one that has waited longer.
      follower.lost++;
      if (reader.overflow(1, 0) === 1) return;
    }
  }
}

/** Puts a line into an outbox; waits for space unless the client is slow. Whether it is in. */
async function offered(outbox: Outbox, line: Uint8Array): Promise<boolean> {
  const messages = { bytes: line, ends: [line.length] };
  while (outbox.offer(messages, 0, performance.now()) === 0) {
    if (outbox.slow) return false;
    await outbox.spaceOrSlow();
  }
  return true;
}

function sizeOf(change: Change): number {
  if (!("place" in change)) return CHANGE_OVERHEAD_BYTES;
  const length = change.place.key.length + ("value" in change ? change.value.length : 0);
  return CHANGE_OVERHEAD_BYTES + length;
}
