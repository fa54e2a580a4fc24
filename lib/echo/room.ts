import { History } from "../bus/history.ts";
import type { Subscriber, Subscription } from "../bus/subscription.ts";
import type { LineFramerOptions } from "../net/line_framer.ts";
import type { Clients } from "./clients.ts";
import type { EchoConfig } from "./config.ts";

/** A history is copied in one go when a client comes, so it never exceeds this. */
const HISTORY_MAX_BYTES = 16 * 1024 * 1024;

/** The keys of the section that limit a history. */
type HistoryKeys = Pick<EchoConfig, "history" | "queue_bytes">;

/** The clients who hear the lines of one subject, at one port or several. */
export class Room {
  readonly clients: Clients;
  /** The subject of its messages. */
  readonly subject: string;
  /** The limits of its lines; they may change. */
  readonly limits: LineFramerOptions;
  #history: History | undefined;
  #stopHistory: (() => void) | undefined;

  /**
   * @param subject The subject of its messages.
   * @param clients What it shares with other rooms.
   * @param limits The limits of its lines.
   */
  constructor(subject: string, clients: Clients, limits: LineFramerOptions) {
    this.clients = clients;
    this.subject = subject;
    this.limits = limits;
  }

  /** Keeps the last messages from now on, as many as the section says. */
  keepHistory({ history: maxMessages, queue_bytes }: HistoryKeys): void {
    if (maxMessages === 0) return this.close();
    const limits = { maxMessages, maxBytes: Math.min(queue_bytes, HISTORY_MAX_BYTES) };
    if (this.#history !== undefined) return this.#history.setLimits(limits);
    const history = this.#history = new History(limits);
    const { bus } = this.clients;
    this.#stopHistory = bus.observe(this.subject, (batch) => history.add(batch));
  }

  /**
   * Subscribes a client to the room, and sends it the last messages before all later ones.
   *
   * @throws {SubscriptionLimitError} If there are too many subscriptions.
   */
  enter(subscriber: Subscriber): Subscription {
    const subscription = this.clients.bus.subscribe(this.subject, subscriber);
    const recent = this.#history?.recent(this.subject);
    // Not an ordinary message: the queue may be too short for them all.
    if (recent !== undefined) {
      subscriber.reader.outbox.reply(subscriber.encode(recent, subscription).bytes);
    }
    return subscription;
  }

  /** Forgets its history. */
  close(): void {
    this.#stopHistory?.();
    this.#history = this.#stopHistory = undefined;
  }
}

/** The rooms of echo, one for each subject. */
export class Rooms {
  readonly #clients: Clients;
  readonly #limits: LineFramerOptions;
  #history: HistoryKeys;
  readonly #rooms = new Map<string, Room>();

  /**
   * @param clients What the clients of all rooms share.
   * @param options The limits of lines, which may change, and those of histories.
   */
  constructor(
    clients: Clients,
    { limits, history }: { limits: LineFramerOptions; history: HistoryKeys },
  ) {
    this.#clients = clients;
    this.#limits = limits;
    this.#history = history;
  }

  /** The room of a subject. */
  open(subject: string): Room {
    let room = this.#rooms.get(subject);
    if (room === undefined) {
      room = new Room(subject, this.#clients, this.#limits);
      room.keepHistory(this.#history);
      this.#rooms.set(subject, room);
    }
    return room;
  }

  /** Changes how many of the last messages the rooms keep. */
  keepHistory(history: HistoryKeys): void {
    this.#history = history;
    for (const room of this.#rooms.values()) room.keepHistory(history);
  }

  /** Forgets the history of all rooms. */
  close(): void {
    for (const room of this.#rooms.values()) room.close();
  }
}
