/**
 * Sends the events of keys to the channels `__keyspace@<db>__:<key>` and `__keyevent@<db>__:<event>`.
 *
 * An event never delays the command that caused it. Many events are sent in turns; beyond a limit
 * they are dropped and counted.
 *
 * @module
 */

import { nextTurn, Turn } from "../../turn.ts";
import type { Change } from "./change.ts";
import type { ChangeFeed } from "./change_feed.ts";
import { type EventClasses, parseEventClasses } from "./event_classes.ts";
import { eventsOf, type KeyEvent } from "./events.ts";

/** How many events may wait to be sent. */
const MAX_WAITING = 100_000;

/** So many events are sent at once, if that takes no longer than a turn. */
const MAX_AT_ONCE = 64;

/** So many are sent at once in any case, so that nothing its client does next overtakes them. */
const ALWAYS_AT_ONCE = 8;

/** Sends a message of the server to a channel; both have one character per byte. */
export type Announce = (channel: string, payload: string) => void;

/** The events of one service. */
export class KeyspaceEvents {
  /** Events that were not sent because too many waited. */
  dropped = 0;
  readonly #feed: ChangeFeed;
  readonly #announce: Announce;
  #classes: EventClasses = { keyspace: false, keyevent: false, classes: new Set() };
  #waiting: KeyEvent[] = [];
  #sending = false;

  /**
   * @param feed The changes of the store.
   * @param announce Sends a message. Never waits.
   */
  constructor(feed: ChangeFeed, announce: Announce) {
    this.#feed = feed;
    this.#announce = announce;
  }

  /** Selects the events; see {@linkcode parseEventClasses}. The letters must be valid. */
  select(letters: string): void {
    const selected = this.#classes = parseEventClasses(letters)!;
    const { keyspace, keyevent, classes } = selected;
    this.#feed.wishes = { news: classes.has("n"), misses: classes.has("m") };
    if ((keyspace || keyevent) && classes.size > 0) this.#feed.add(this.#take);
    else this.#feed.remove(this.#take);
  }

  readonly #take = (changes: readonly Change[]) => {
    const { classes } = this.#classes;
    const events = eventsOf(changes).filter((event) => classes.has(event.class));
    const sent = this.#sending || events.length > MAX_AT_ONCE ? 0 : this.#sendAtOnce(events);
    if (sent === events.length) return;
    const left = MAX_WAITING - this.#waiting.length;
    const waiting = events.slice(sent, sent + left);
    this.dropped += events.length - sent - waiting.length;
    // Not spread into one call: there may be more than a call takes arguments.
    for (const event of waiting) this.#waiting.push(event);
    if (!this.#sending) void this.#sendWaiting();
  };

  /** Sends events for one turn, since clients can make each of them slow; returns how many. */
  #sendAtOnce(events: readonly KeyEvent[]): number {
    const turn = new Turn();
    let sent = 0;
    while (sent < events.length && (sent < ALWAYS_AT_ONCE || !turn.over)) {
      this.#send(events[sent++]!);
    }
    return sent;
  }

  async #sendWaiting(): Promise<void> {
    this.#sending = true;
    // The command that caused them comes first.
    await nextTurn();
    const turn = new Turn();
    while (this.#waiting.length > 0) {
      const events = this.#waiting;
      this.#waiting = [];
      for (const event of events) {
        this.#send(event);
        if (turn.over) await turn.next();
      }
    }
    this.#sending = false;
  }

  #send({ name, place: { space, key } }: KeyEvent): void {
    const { keyspace, keyevent } = this.#classes;
    if (keyspace) this.#announce(`__keyspace@${space}__:${key}`, name);
    if (keyevent) this.#announce(`__keyevent@${space}__:${name}`, key);
  }
}
