import type { Log } from "../log.ts";
import { Histogram } from "../metrics.ts";
import type { Connection } from "../net/connection.ts";
import { type Messages, Outbox } from "../net/outbox.ts";
import type { EchoConfig } from "./config.ts";

/** What a room needs of the configuration. */
export type RoomOptions = Pick<EchoConfig, "queue" | "queue_bytes" | "slow_after" | "on_full">;

/** What a room has counted. */
export interface RoomMetrics {
  clients: number;
  slowClients: number;
  /** Messages that came in. */
  messages: number;
  /** Messages that went out, one for each client that got it. */
  delivered: number;
  dropped: number;
  /** Lines that were longer than allowed. */
  longLines: number;
}

/** A client in a room. */
export class Member {
  readonly connection: Connection;
  readonly outbox: Outbox;
  /** How many messages it has lost. */
  dropped = 0;
  /** How many it had lost when it last turned slow. */
  droppedBefore = 0;

  constructor(connection: Connection, options: RoomOptions, onSlow: (slow: boolean) => void) {
    this.connection = connection;
    this.outbox = new Outbox(connection, {
      maxMessages: options.queue,
      maxBytes: options.queue_bytes,
      slowAfterMs: options.slow_after,
      onSlow,
    });
  }
}

/**
 * All clients of a broadcast. Each batch of messages goes to every member before the next one
 * does, so all see one same order.
 *
 * When a queue is full, who waits for whom? If the client reads, the publisher waits for it: a
 * queue of 100 is soon full when one read brings hundreds of lines, and a reader that never paused
 * must lose nothing. If the client is slow, it loses messages instead. It turns slow when a write
 * has been pending for `slow_after`, so that is all that it costs the others, once an episode.
 */
export class Room {
  /**
   * How long messages took from their read until every client had them in its queue or had lost
   * them, in seconds. It costs the second of two looks at the clock a batch: 0.1 µs.
   */
  readonly duration = new Histogram();
  readonly #options: RoomOptions;
  readonly #log: Log;
  readonly #members = new Set<Member>();
  /** Who has left and still has something in its outbox. */
  readonly #leaving = new Set<Member>();
  readonly #stats = { messages: 0, delivered: 0, dropped: 0, longLines: 0 };
  /** The last of the batches that have to wait, in the order in which they came. */
  #waiting: Promise<void> | undefined;

  constructor(options: RoomOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  /** Adds a client. */
  join(connection: Connection): Member {
    const member: Member = new Member(
      connection,
      this.#options,
      (slow) => this.#onSlow(member, slow),
    );
    this.#members.add(member);
    return member;
  }

  /** Removes a client from those who get messages. What is in its outbox is still written. */
  leave(member: Member): void {
    if (this.#members.delete(member)) this.#leaving.add(member);
  }

  /** Says that nothing more will be written to a client that has left. */
  gone(member: Member): void {
    if (member.outbox.slow) this.#logDrops(member, "Slow client left");
    this.#leaving.delete(member);
    this.#stats.delivered += member.outbox.delivered;
    this.#stats.dropped += member.dropped;
  }

  /**
   * Hands messages to every member.
   *
   * @param messages Nobody may change them from now on.
   * @param readMs When they were read, from `performance.now()`.
   * @returns A promise if a full queue makes the publisher wait, and nothing otherwise.
   */
  publish(messages: Messages, readMs = performance.now()): Promise<void> | void {
    const count = messages.ends.length;
    this.#stats.messages += count;
    if (this.#waiting !== undefined) {
      const turn = this.#waiting.then(() =>
        this.#finish(this.#spread(messages, performance.now()), messages)
      );
      return this.#enqueue(turn.then(() => this.#observe(readMs, count)));
    }
    const behind = this.#spread(messages, performance.now());
    if (behind.length > 0) {
      return this.#enqueue(
        this.#finish(behind, messages).then(() => this.#observe(readMs, count)),
      );
    }
    this.#observe(readMs, count);
  }

  /** Counts a line that was too long to be a message. */
  countLongLine(): void {
    this.#stats.longLines++;
  }

  /** Resolves when every message published so far is in the outboxes. */
  async settled(): Promise<void> {
    while (this.#waiting !== undefined) await this.#waiting;
  }

  /** What has been counted so far. */
  metrics(): RoomMetrics {
    const stats = { ...this.#stats, clients: this.#members.size, slowClients: 0 };
    for (const { outbox, dropped } of [...this.#members, ...this.#leaving]) {
      if (outbox.slow || outbox.isOverdue()) stats.slowClients++;
      stats.delivered += outbox.delivered;
      stats.dropped += dropped;
    }
    return stats;
  }

  #enqueue(turn: Promise<void>): Promise<void> {
    const waiting = turn.then(() => {
      if (this.#waiting === waiting) this.#waiting = undefined;
    });
    return this.#waiting = waiting;
  }

  #observe(readMs: number, messages: number): void {
    this.duration.observe((performance.now() - readMs) / 1000, messages);
  }

  /** Gives everybody what fits; returns who did not take everything. */
  #spread(messages: Messages, nowMs: number): { member: Member; from: number }[] {
    const behind: { member: Member; from: number }[] = [];
    for (const member of this.#members) {
      const from = member.outbox.offer(messages, 0, nowMs);
      if (from < messages.ends.length) behind.push({ member, from });
    }
    return behind;
  }

  async #finish(behind: { member: Member; from: number }[], messages: Messages): Promise<void> {
    for (const { member, from } of behind) {
      // Since the member could not take it all, the wait for another may have made room.
      for (let next = from; next < messages.ends.length;) {
        next = member.outbox.offer(messages, next, performance.now());
        if (next === messages.ends.length) break;
        if (member.outbox.slow) next = this.#overflow(member, messages, next);
        else await member.outbox.roomOrSlow();
      }
    }
  }

  /** Does what `on_full` says with the messages from `from`; returns which is the next. */
  #overflow(member: Member, messages: Messages, from: number): number {
    const count = messages.ends.length;
    const { on_full } = this.#options;
    if (on_full === "drop_oldest" && member.outbox.dropOldest()) {
      member.dropped++;
      return from;
    }
    if (on_full === "close") {
      this.#log.warn("Slow client closed", { client: member.connection.id });
      member.connection.close();
    }
    member.dropped += count - from;
    return count;
  }

  #onSlow(member: Member, slow: boolean): void {
    if (!slow) return this.#logDrops(member, "Slow client has caught up");
    member.droppedBefore = member.dropped;
    const { id, remote } = member.connection;
    this.#log.warn("Client is slow", { client: id, address: remote });
  }

  #logDrops(member: Member, message: string): void {
    const { id, remote } = member.connection;
    const dropped = member.dropped - member.droppedBefore;
    this.#log.warn(message, { client: id, address: remote, dropped });
  }
}
