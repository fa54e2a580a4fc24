import type { Log } from "../log.ts";
import { Histogram } from "../metrics.ts";
import type { Connection } from "../net/connection.ts";
import { type Messages, Outbox } from "../net/outbox.ts";
import type { EchoConfig } from "./config.ts";

/** The keys of the configuration that a room needs. */
export type RoomOptions = Pick<EchoConfig, "queue" | "queue_bytes" | "slow_after" | "on_full">;

/** What a room has counted. */
export interface RoomMetrics {
  clients: number;
  slowClients: number;
  /** Messages received. */
  messages: number;
  /** Messages sent, counted once for each client. */
  delivered: number;
  dropped: number;
  /** Lines longer than the limit. */
  longLines: number;
}

/** A client in a room. */
export class Member {
  readonly connection: Connection;
  readonly outbox: Outbox;
  /** Messages dropped for this client. */
  dropped = 0;
  /** The value of `dropped` when the client last became slow. */
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
 * All clients of a broadcast. Every member gets a batch of messages before any member gets the next
 * batch, so all see the same order.
 *
 * When a member's queue is full, one side has to give way. If the member reads, the publisher waits:
 * one read can bring hundreds of lines and fill a queue of 100 at once, and a client that keeps
 * reading must lose nothing. If the member is slow, it loses messages. A member becomes slow when a
 * write to it has been pending for `slow_after`; so it delays the others by at most that, once per
 * slow episode.
 */
export class Room {
  /** Seconds from reading a message until it was queued for every member or dropped. */
  readonly duration = new Histogram();
  readonly #options: RoomOptions;
  readonly #log: Log;
  readonly #members = new Set<Member>();
  /** Members that have left and still have messages in their outbox. */
  readonly #leaving = new Set<Member>();
  readonly #stats = { messages: 0, delivered: 0, dropped: 0, longLines: 0 };
  /** The last waiting batch; each waits for the one before it. */
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

  /** Removes a client from the broadcast. Messages in its outbox are still written. */
  leave(member: Member): void {
    if (this.#members.delete(member)) this.#leaving.add(member);
  }

  /** Forgets a client that has left, once nothing more will be written to it. */
  gone(member: Member): void {
    if (member.outbox.slow) this.#logDrops(member, "Slow client left");
    this.#leaving.delete(member);
    this.#stats.delivered += member.outbox.delivered;
    this.#stats.dropped += member.dropped;
  }

  /**
   * Queues messages for every member.
   *
   * @param messages The messages, which must not change from now on.
   * @param readMs When they were read, from `performance.now()`.
   * @returns A promise if a full queue makes the publisher wait; otherwise nothing.
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

  /** Counts a line that was too long. */
  countLongLine(): void {
    this.#stats.longLines++;
  }

  /** Resolves when every message published so far is queued or dropped. */
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

  /** Queues what fits for every member; returns the members that have not got everything. */
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
      // While this waited for another member, this one may have got space.
      for (let next = from; next < messages.ends.length;) {
        next = member.outbox.offer(messages, next, performance.now());
        if (next === messages.ends.length) break;
        if (member.outbox.slow) next = this.#overflow(member, messages, next);
        else await member.outbox.spaceOrSlow();
      }
    }
  }

  /** Applies `on_full` to the messages from `from` on; returns the index of the next one to offer. */
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
