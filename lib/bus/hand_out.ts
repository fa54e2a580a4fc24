import { Turn } from "../turn.ts";
import type { Batch } from "./batch.ts";
import { reservedFor } from "./reserved.ts";
import type { Subscription } from "./subscription.ts";

/** A batch on its way into the outboxes of its subscribers. */
export class HandOut {
  readonly batch: Batch;
  /** Whether it waits for readers that are not slow. Otherwise they lose what does not fit. */
  readonly #patient: boolean;
  /** The service whose events these are, if any. */
  readonly #service: string | undefined;
  readonly #behind: Behind[] = [];
  #nowMs = performance.now();
  /** Whether any subscription has got something. */
  heard = false;

  /**
   * @param batch The batch.
   * @param patient Whether to wait for readers that are not slow.
   */
  constructor(batch: Batch, patient: boolean) {
    this.batch = batch;
    this.#patient = patient;
    this.#service = reservedFor(batch.subject);
  }

  /** Whether outboxes were full, so that {@linkcode finish} has work to do. */
  get unfinished(): boolean {
    return this.#behind.length > 0;
  }

  /** Notes that time has passed since it began. */
  refreshClock(): void {
    this.#nowMs = performance.now();
  }

  /** Puts messages, by default all, into the outbox of a subscriber, unless it may not get them. */
  give(subscription: Subscription, batch: Batch = this.batch): void {
    if (!this.#mayGet(subscription)) return;
    this.heard = true;
    const left = subscription.maxMessages - subscription.taken;
    const part = left < batch.count ? batch.slice(0, left) : batch;
    subscription.taken += part.count;
    this.#offer(subscription, part);
    if (part.count < left) return;
    subscription.unsubscribe();
    subscription.subscriber.ended?.(subscription);
  }

  /** Puts the batch into the outbox of a subscriber. It does not count as messages that it gets. */
  tell(subscription: Subscription): void {
    this.#offer(subscription, this.batch);
  }

  #offer(subscription: Subscription, batch: Batch): void {
    const { subscriber } = subscription;
    const { reader } = subscriber;
    let { count } = batch;
    let from = 0;
    if (!reader.outbox.full) {
      const messages = subscriber.encode(batch, subscription);
      count = messages.ends.length;
      from = reader.outbox.offer(messages, 0, this.#nowMs);
      if (from === count) return;
    }
    // Not the encoded messages: no limit counts their memory until the outbox takes them.
    if (this.#patient) this.#behind.push({ subscription, batch, from });
    else reader.dropped += count - from;
  }

  /**
   * Gives each message to one member of a queue group. One message goes to a random member; many are
   * dealt out in equal runs, so that each member gets them in order.
   */
  deal(members: readonly Subscription[]): void {
    const { batch } = this;
    const run = Math.ceil(batch.count / members.length);
    let at = Math.floor(Math.random() * members.length);
    for (let from = 0; from < batch.count;) {
      const member = this.#pick(members, at++);
      if (member === undefined) return;
      const left = member.maxMessages - member.taken;
      const to = Math.min(batch.count, from + Math.min(run, left));
      this.give(member, batch.slice(from, to));
      from = to;
    }
  }

  /** Waits for the readers whose outboxes were full, and applies their rule if they are slow. */
  async finish(): Promise<void> {
    const turn = new Turn();
    for (const { subscription, batch, from } of this.#behind) {
      const { subscriber } = subscription;
      const { reader } = subscriber;
      if (turn.over) await turn.next();
      if (reader.outbox.closed) continue;
      const messages = subscriber.encode(batch, subscription);
      const count = messages.ends.length;
      // While this waited for another reader, this one may have got space.
      for (let next = from; next < count;) {
        next = reader.outbox.offer(messages, next, performance.now());
        if (next === count) break;
        if (reader.outbox.slow) next = reader.overflow(count, next);
        else await reader.outbox.spaceOrSlow();
      }
    }
  }

  /** The first member from `at` on that may get the batch, if possible one that is not slow. */
  #pick(members: readonly Subscription[], at: number): Subscription | undefined {
    let slow: Subscription | undefined;
    for (let i = 0; i < members.length; i++) {
      const member = members[(at + i) % members.length]!;
      if (!this.#mayGet(member)) continue;
      if (!member.subscriber.reader.outbox.slow) return member;
      slow ??= member;
    }
    return slow;
  }

  #mayGet({ ended, subscriber }: Subscription): boolean {
    return !ended && !subscriber.reader.outbox.closed &&
      (subscriber.echo !== false || subscriber !== this.batch.origin) &&
      (this.#service === undefined || subscriber.hears(this.#service, this.batch.subject));
  }
}

/** A subscription whose outbox did not take all messages, and the index of the first one left. */
interface Behind {
  subscription: Subscription;
  batch: Batch;
  from: number;
}
