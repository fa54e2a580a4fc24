/**
 * The channels of one Redis client.
 *
 * @module
 */

import { Batch } from "../../bus/batch.ts";
import type { Bus } from "../../bus/bus.ts";
import { reservedFor } from "../../bus/reserved.ts";
import { BusUnavailableError, SubscriptionLimitError } from "../../bus/errors.ts";
import { Publisher, type PublisherMetrics } from "../../bus/publisher.ts";
import type { Reader } from "../../bus/reader.ts";
import type { Subscriber, Subscription } from "../../bus/subscription.ts";
import type { Messages } from "../../net/outbox.ts";
import type { MaybePromise } from "../../storage/store.ts";
import { Turn } from "../../turn.ts";
import type { ChannelKind, ClientChannels } from "../commands/context.ts";
import { ErrorReply } from "../resp/reply.ts";
import { type Channels, MAX_CHANNEL_BYTES, MAX_PATTERN_BYTES } from "./channels.ts";
import { encodeFrames } from "./message_frames.ts";

/** How many subscriptions to end between two looks at the clock. */
const STEPS_PER_LOOK = 64;

/** What the channels of a client need of its connection. */
export interface ChannelsPeer {
  /** Its reader, made when it first subscribes. From then on, its replies go through the outbox. */
  reader(): Reader;
  /** Holds messages back until the next reply is sent. */
  holdMessages(): void;
  /** The version of the Redis protocol. */
  protocol(): 2 | 3;
  /** See {@linkcode Subscriber.hears}. */
  hears(service: string, subject: string): boolean;
  /** Counts what is published. */
  readonly metrics: PublisherMetrics;
}

/** What a client has subscribed to, and its way to publish. */
export class SubscribedClient implements ClientChannels, Subscriber {
  subscriptions = 0;
  readonly #channels: Channels;
  readonly #peer: ChannelsPeer;
  readonly #names = {
    channel: new Map<string, readonly Subscription[]>(),
    pattern: new Map<string, readonly Subscription[]>(),
    shard: new Map<string, readonly Subscription[]>(),
  };
  /** One for each bus; their messages need no common order. */
  readonly #publishers = new Map<Bus, Publisher>();

  /**
   * @param channels All channels of the service.
   * @param peer The client's connection.
   */
  constructor(channels: Channels, peer: ChannelsPeer) {
    this.#channels = channels;
    this.#peer = peer;
  }

  get reader(): Reader {
    return this.#peer.reader();
  }

  get count(): number {
    return this.#names.channel.size + this.#names.pattern.size + this.#names.shard.size;
  }

  size(kind: ChannelKind): number {
    return this.#names[kind].size;
  }

  names(kind: ChannelKind): Iterable<string> {
    return this.#names[kind].keys();
  }

  subscribe(kind: ChannelKind, name: string): void {
    const names = this.#names[kind];
    if (names.has(name)) return;
    this.#checkLimits(kind, name);
    this.#peer.reader();
    this.#peer.holdMessages();
    try {
      names.set(name, this.#channels.subscribe(kind, name, this));
    } catch (error) {
      if (!(error instanceof SubscriptionLimitError)) throw error;
      throw new ErrorReply("ERR too many subscriptions");
    }
  }

  unsubscribe(kind: ChannelKind, name: string): void {
    const names = this.#names[kind];
    const subscriptions = names.get(name);
    if (subscriptions === undefined) return;
    names.delete(name);
    for (const subscription of subscriptions) subscription.unsubscribe();
    this.#channels.forget(kind, name);
  }

  async leave(): Promise<void> {
    const turn = new Turn();
    let steps = 0;
    for (const kind of ["channel", "pattern", "shard"] as const) {
      for (const name of this.#names[kind].keys()) {
        this.unsubscribe(kind, name);
        if (++steps % STEPS_PER_LOOK === 0 && turn.over) await turn.next();
      }
    }
  }

  check(channel: string): void {
    // A name that is no subject could still pass for an event among Redis clients.
    if (reservedFor(channel) === undefined) return;
    throw new ErrorReply("ERR only events of the server itself appear on this channel");
  }

  audience(channel: string): number {
    return this.#channels.audience(channel);
  }

  publish(channel: string, payload: Uint8Array): MaybePromise<void> {
    this.check(channel);
    const { bus, subject } = this.#channels.placeOf(channel);
    const batch = Batch.ofPayload(subject, payload, { origin: this });
    if (bus.linked) return this.#publishToAll(bus, batch);
    return this.#publisher(bus).publish(batch) ?? undefined;
  }

  /** With other daemons on the bus, the reply to PUBLISH says whether the message got through. */
  async #publishToAll(bus: Bus, batch: Batch): Promise<void> {
    this.#peer.metrics.messages++;
    try {
      await bus.publish(batch);
    } catch (error) {
      if (!(error instanceof BusUnavailableError)) throw error;
      throw new ErrorReply("ERR bus unavailable");
    }
  }

  /** Resolves when everything that the client has published is on its way. */
  async published(): Promise<void> {
    for (const publisher of this.#publishers.values()) await publisher.settled();
  }

  encode(batch: Batch, subscription: Subscription): Messages {
    const protocol = this.#peer.protocol();
    if (subscription.interest.selects !== undefined) {
      return encodeFrames(batch, { word: "pmessage", protocol, pattern: subscription.pattern });
    }
    const word = subscription.name === "shard" ? "smessage" : "message";
    return encodeFrames(batch, { word, protocol });
  }

  hears(service: string, subject: string): boolean {
    return this.#peer.hears(service, subject);
  }

  #publisher(bus: Bus): Publisher {
    let publisher = this.#publishers.get(bus);
    if (publisher === undefined) {
      publisher = new Publisher(bus, { metrics: this.#peer.metrics, failed: () => {} });
      this.#publishers.set(bus, publisher);
    }
    return publisher;
  }

  #checkLimits(kind: ChannelKind, name: string): void {
    const { maxClientChannels, maxPatterns } = this.#channels.limits;
    if (this.count >= maxClientChannels) {
      throw new ErrorReply(`ERR a client can subscribe to at most ${maxClientChannels} channels`);
    }
    const maxBytes = kind === "pattern" ? MAX_PATTERN_BYTES : MAX_CHANNEL_BYTES;
    if (name.length > maxBytes) {
      throw new ErrorReply(`ERR the name of a ${kind} can have at most ${maxBytes} bytes`);
    }
    if (kind === "pattern" && this.#channels.patternsFull(name)) {
      throw new ErrorReply(
        `ERR all clients together can subscribe to at most ${maxPatterns} different patterns`,
      );
    }
  }
}
