import { History } from "../bus/history.ts";
import type { Subscriber, Subscription } from "../bus/subscription.ts";
import type { Clients } from "./clients.ts";
import type { EchoConfig } from "./config.ts";

/** A history is copied in one go when a client comes, so it never exceeds this. */
const HISTORY_MAX_BYTES = 16 * 1024 * 1024;

/** The clients who hear the lines of one subject, at one port or several. */
export class Room {
  readonly clients: Clients;
  /** The subject of its messages. */
  readonly subject: string;
  /** The maximum length of a line, in bytes. */
  readonly maxLineBytes: number;
  readonly #history: History | undefined;
  readonly #stopHistory: (() => void) | undefined;

  /**
   * @param subject The subject of its messages.
   * @param clients What it shares with other rooms.
   * @param config The limits of its lines and of its history.
   */
  constructor(subject: string, clients: Clients, config: EchoConfig) {
    this.clients = clients;
    this.subject = subject;
    this.maxLineBytes = config.max_line;
    if (config.history === 0) return;
    const history = new History({
      maxMessages: config.history,
      maxBytes: Math.min(config.queue_bytes, HISTORY_MAX_BYTES),
    });
    this.#history = history;
    this.#stopHistory = clients.bus.observe(subject, (batch) => history.add(batch));
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
  }
}

/** The rooms of echo, one for each subject. */
export class Rooms {
  readonly #clients: Clients;
  readonly #config: EchoConfig;
  readonly #rooms = new Map<string, Room>();

  constructor(clients: Clients, config: EchoConfig) {
    this.#clients = clients;
    this.#config = config;
  }

  /** The room of a subject. */
  open(subject: string): Room {
    let room = this.#rooms.get(subject);
    if (room === undefined) {
      room = new Room(subject, this.#clients, this.#config);
      this.#rooms.set(subject, room);
    }
    return room;
  }

  /** Forgets the history of all rooms. */
  close(): void {
    for (const room of this.#rooms.values()) room.close();
  }
}
