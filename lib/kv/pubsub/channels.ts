/**
 * The channels of all Redis clients: who is subscribed to what, and publishing.
 *
 * A channel whose name is a valid subject is that subject on the bus of the daemon, which all
 * protocols share. Any other channel is a subject of a second bus, to which only Redis clients
 * subscribe. A pattern is a selection on both.
 *
 * The cost of a pattern: each message on the bus, from any protocol, is compared with every
 * different pattern in force. So their number is limited, and so is the work for one comparison.
 *
 * @module
 */

import { Batch } from "../../bus/batch.ts";
import type { Bus } from "../../bus/bus.ts";
import { SUBJECT_MAX_LENGTH } from "../../bus/subject.ts";
import type { Subscriber, Subscription } from "../../bus/subscription.ts";
import { valueBytes } from "../../storage/value.ts";
import { Turn } from "../../turn.ts";
import type { ChannelKind, ServerChannels } from "../commands/context.ts";
import { Glob } from "../../glob.ts";
import { channelOf, ownSubjectOf, subjectOf } from "./channel_name.ts";

/** The longest name of a channel that can be subscribed to, in bytes. */
export const MAX_CHANNEL_BYTES = SUBJECT_MAX_LENGTH;

/** The longest pattern that can be subscribed to, in bytes. */
export const MAX_PATTERN_BYTES = 256;

/** Comparing a channel with a pattern takes at most this many steps: some 20 microseconds. */
const MAX_MATCH_STEPS = 10_000;

/** How many channels to pass between two looks at the clock. */
const STEPS_PER_LOOK = 64;

/** Limits of {@linkcode Channels}. */
export interface ChannelLimits {
  /** How many channels and patterns one client may subscribe to. */
  maxClientChannels: number;
  /** How many different patterns all clients together may subscribe to. */
  maxPatterns: number;
}

/** All channels of a service. */
export class Channels implements ServerChannels {
  readonly limits: ChannelLimits;
  readonly #bus: Bus;
  /** For channels that are no subjects. */
  readonly #ownBus: Bus;
  /** The number of subscribers, by kind and name. */
  readonly #subscribers = {
    channel: new Map<string, number>(),
    pattern: new Map<string, number>(),
    shard: new Map<string, number>(),
  };

  #last = { subject: "", channel: "" };

  /**
   * @param bus The bus of the daemon.
   * @param ownBus A bus that nothing else uses.
   * @param limits See {@linkcode ChannelLimits}.
   */
  constructor(bus: Bus, ownBus: Bus, limits: ChannelLimits) {
    this.#bus = bus;
    this.#ownBus = ownBus;
    this.limits = limits;
  }

  /** The bus that a channel belongs to, and its subject there. */
  placeOf(channel: string): { bus: Bus; subject: string } {
    const subject = subjectOf(channel);
    return subject === undefined
      ? { bus: this.#ownBus, subject: ownSubjectOf(channel) }
      : { bus: this.#bus, subject };
  }

  /** How many subscribers a message on a channel would reach, on this daemon and of any protocol. */
  audience(channel: string): number {
    const { bus, subject } = this.placeOf(channel);
    return bus.audience(subject);
  }

  /**
   * Subscribes a client.
   *
   * @returns Its subscriptions on the buses. Those to channels have their kind as a name.
   * @throws {SubscriptionLimitError}
   */
  subscribe(kind: ChannelKind, name: string, subscriber: Subscriber): Subscription[] {
    const subscriptions = kind === "pattern"
      ? this.#select(name, subscriber)
      : [this.#subscribe(kind, name, subscriber)];
    const counts = this.#subscribers[kind];
    counts.set(name, (counts.get(name) ?? 0) + 1);
    return subscriptions;
  }

  /** Notes that a client has ended its subscriptions to a name. */
  forget(kind: ChannelKind, name: string): void {
    const counts = this.#subscribers[kind];
    const count = counts.get(name)! - 1;
    if (count === 0) counts.delete(name);
    else counts.set(name, count);
  }

  /** Sends an event of the server. Never waits. Both have one character per byte. */
  announce(channel: string, payload: string): void {
    const { bus, subject } = this.placeOf(channel);
    if (bus.isHeard(subject)) bus.announce(Batch.ofPayload(subject, valueBytes(payload)));
  }

  /** Resolves when every message published so far is on its way to the subscribers. */
  async settled(): Promise<void> {
    await this.#bus.settled();
    await this.#ownBus.settled();
  }

  /** The number of different names of a kind. */
  size(kind: ChannelKind): number {
    return this.#subscribers[kind].size;
  }

  /** Whether a pattern that nobody has subscribed to yet would exceed the limit. */
  patternsFull(pattern: string): boolean {
    const patterns = this.#subscribers.pattern;
    return patterns.size >= this.limits.maxPatterns && !patterns.has(pattern);
  }

  /** How many Redis clients are subscribed to a name. */
  subscribers(kind: ChannelKind, name: string): number {
    return this.#subscribers[kind].get(name) ?? 0;
  }

  /** The names that Redis clients are subscribed to, those that match a pattern if there is one. */
  async names(kind: ChannelKind, pattern?: string): Promise<string[]> {
    const glob = pattern === undefined ? undefined : new Glob(pattern);
    const found: string[] = [];
    const turn = new Turn();
    let steps = 0;
    for (const name of this.#subscribers[kind].keys()) {
      if (glob === undefined || glob.matches(name)) found.push(name);
      if (++steps % STEPS_PER_LOOK === 0 && turn.over) await turn.next();
    }
    return found;
  }

  #subscribe(kind: ChannelKind, channel: string, subscriber: Subscriber): Subscription {
    const { bus, subject } = this.placeOf(channel);
    return bus.subscribe(subject, subscriber, { name: kind });
  }

  #select(pattern: string, subscriber: Subscriber): Subscription[] {
    const glob = new Glob(pattern);
    const selects = (subject: string) => glob.matches(this.#channelOf(subject), MAX_MATCH_STEPS);
    const subscription = this.#bus.subscribe(pattern, subscriber, { selects });
    try {
      return [subscription, this.#ownBus.subscribe(pattern, subscriber, { selects })];
    } catch (error) {
      subscription.unsubscribe();
      throw error;
    }
  }

  /** The channel of a subject. The bus asks for the same one once for each pattern. */
  #channelOf(subject: string): string {
    if (subject !== this.#last.subject) this.#last = { subject, channel: channelOf(subject) };
    return this.#last.channel;
  }
}
