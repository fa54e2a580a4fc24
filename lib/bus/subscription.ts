import type { Messages } from "../net/outbox.ts";
import type { Batch } from "./batch.ts";
import type { Reader } from "./reader.ts";

/** A connection that subscribes. It may have many subscriptions, and has one outbox. */
export interface Subscriber {
  /** Its outbox, and the rule for when that is full. */
  readonly reader: Reader;
  /** `false` if its own messages do not come back to it. @default {true} */
  readonly echo?: boolean;
  /** Its subscriptions. Only the bus changes this number. */
  subscriptions: number;
  /** Puts messages into the form that its protocol writes. */
  encode(batch: Batch, subscription: Subscription): Messages;
  /**
   * Whether it may hear the events of a service, on the subjects that `reserved.ts` lists.
   *
   * @param service The name of the service, such as "kv".
   * @param subject The subject of the event.
   */
  hears(service: string, subject: string): boolean;
  /** Called when a subscription has ended because it has got its maximum of messages. */
  ended?(subscription: Subscription): void;
}

/** What else a subscription can have. */
export interface SubscriptionOptions {
  /** The queue group. Each message goes to one member of a group. */
  group?: string | undefined;
  /** The subscription ends after this many messages; see {@linkcode Subscription.limit}. */
  maxMessages?: number;
  /** The subscriber's own name for it. The bus does not use it. @default {""} */
  name?: string;
  /**
   * Selects subjects instead of the pattern, which then only names the selection: the same pattern
   * must always select the same subjects. Every message on any subject is compared with every
   * selection in force.
   */
  selects?: (subject: string) => boolean;
}

/** What the bus does for a subscription. */
export interface SubscriptionOwner {
  remove(subscription: Subscription): void;
}

/** A subscriber's request for all messages that match a pattern. */
export class Subscription {
  readonly subscriber: Subscriber;
  /** The pattern and group that it shares with other subscriptions. */
  readonly interest: Interest;
  /** See {@linkcode SubscriptionOptions.name}. */
  readonly name: string;
  /** Messages handed to the subscriber so far, dropped ones included. */
  taken = 0;
  /** The number of messages after which it ends. */
  maxMessages: number;
  /** Its place in {@linkcode Interest.members}; −1 once it has ended. */
  index: number;
  readonly #owner: SubscriptionOwner;

  constructor(
    subscriber: Subscriber,
    interest: Interest,
    options: { owner: SubscriptionOwner } & Pick<SubscriptionOptions, "maxMessages" | "name">,
  ) {
    this.subscriber = subscriber;
    this.interest = interest;
    this.name = options.name ?? "";
    this.maxMessages = options.maxMessages ?? Infinity;
    this.#owner = options.owner;
    this.index = interest.members.push(this) - 1;
  }

  /** The pattern. */
  get pattern(): string {
    return this.interest.pattern;
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.index === -1;
  }

  /**
   * Sets the maximum of messages, counted from the beginning of the subscription. If it has got as
   * many already, it ends now; `ended` of the subscriber is not called.
   */
  limit(maxMessages: number): void {
    this.maxMessages = maxMessages;
    if (this.taken >= maxMessages) this.unsubscribe();
  }

  /** Ends it. Ending it again does nothing. */
  unsubscribe(): void {
    if (!this.ended) this.#owner.remove(this);
  }
}

/** Called with each batch on a subject, in the order of the subject; see `Bus.observe`. */
export type Observer = (batch: Batch) => void;

/**
 * A pattern and a queue group, with everything that is subscribed to them in this process. A link
 * between daemons subscribes once for each interest.
 */
export class Interest {
  readonly pattern: string;
  /** The queue group; `undefined` if every member gets every message. */
  readonly group: string | undefined;
  /** See {@linkcode SubscriptionOptions.selects}. */
  readonly selects: ((subject: string) => boolean) | undefined;
  /** Subscriptions, in no particular order. */
  readonly members: Subscription[] = [];
  /** Present only if there are any. */
  observers: Set<Observer> | undefined;

  constructor(
    pattern: string,
    options: { group: string | undefined; selects: ((subject: string) => boolean) | undefined },
  ) {
    this.pattern = pattern;
    this.group = options.group;
    this.selects = options.selects;
  }

  /** Whether nothing is subscribed. */
  get empty(): boolean {
    return this.members.length === 0 && this.observers === undefined;
  }

  /** Removes a member, whose place the last one takes. */
  remove(subscription: Subscription): void {
    const last = this.members.pop()!;
    if (last !== subscription) {
      this.members[subscription.index] = last;
      last.index = subscription.index;
    }
    subscription.index = -1;
  }
}
