import type { Metric } from "../metrics.ts";
import { nextTurn, Turn } from "../turn.ts";
import { Batch } from "./batch.ts";
import type { BusLink, LinkedBus } from "./bus_link.ts";
import { BusiestSubjects } from "./busiest.ts";
import { SubscriptionLimitError } from "./errors.ts";
import { HandOut } from "./hand_out.ts";
import { Interests } from "./interests.ts";
import { busMetrics } from "./metrics.ts";
import { type BusReportJson, reportOn } from "./report.ts";
import { reservedFor } from "./reserved.ts";
import {
  type Interest,
  type Observer,
  type Subscriber,
  Subscription,
  type SubscriptionOptions,
} from "./subscription.ts";

/** Limits of a {@linkcode Bus}. */
export interface BusOptions {
  /** The maximum number of subscriptions. @default {2_000_000} */
  maxSubscriptions?: number;
  /** The maximum number of subscriptions of one subscriber. @default {200_000} */
  maxClientSubscriptions?: number;
}

/** With more subscriptions than this, a batch is handed out in turns with everything else. */
const ONE_TURN_MAX_SUBSCRIPTIONS = 1000;

/** The same if its bytes, times its subscriptions, are more: each may need a copy of its own. */
const ONE_TURN_MAX_BYTES = 8 * 1024 * 1024;

/** With a batch of more bytes than this, every step looks at the clock. */
const LARGE_BATCH_BYTES = 1024;

/** How many batches of events may wait for earlier ones on their subjects. */
const WAITING_EVENTS_MAX_BATCHES = 1000;

/** How many steps to take between two looks at the clock. */
const STEPS_PER_LOOK = 64;

const NO_RESPONDERS = new TextEncoder().encode("NATS/1.0 503\r\n\r\n");

/** How to hand out a batch. */
interface HandOutOptions {
  /** Whether to wait for readers that are not slow. @default {true} */
  patient?: boolean;
  /** Whose subscribers get it. @default {all interests that match its subject} */
  interests?: readonly Interest[];
}

/**
 * Hands messages to all who subscribe to their subject. All subscribers of a subject see its
 * messages in the same order: a batch waits until the batches before it on this subject are in the
 * outboxes, and waits nowhere else. Different subjects do not wait for each other; a
 * {@linkcode Publisher} keeps the order of one client over all its subjects.
 */
export class Bus {
  readonly #interests = new Interests();
  readonly #limits: Required<BusOptions>;
  /** The last waiting batch of each subject that has one; each waits for the one before it. */
  readonly #waiting = new Map<string, Promise<void>>();
  readonly #owner = { remove: (subscription: Subscription) => this.#remove(subscription) };
  readonly #busiest = new BusiestSubjects();
  /** What connects it with the buses of other daemons, if anything. */
  #link: BusLink | undefined;
  #subscriptions = 0;
  #waitingEvents = 0;
  #droppedEvents = 0;

  constructor(options: BusOptions = {}) {
    this.#limits = { maxSubscriptions: 2_000_000, maxClientSubscriptions: 200_000, ...options };
  }

  /**
   * Connects it with the buses of other daemons. From now on every message goes to the link, and is
   * delivered when it comes back.
   *
   * @param create Makes the link.
   */
  connect(create: (bus: LinkedBus) => BusLink): void {
    this.#link = create({
      interests: () => this.#interests,
      matching: (subject) => this.#interests.matching(subject),
      receive: (batch, interests) => this.#receive(batch, interests),
      reportSilence: (request) => this.#reportSilence(request),
    });
  }

  /** Whether it is connected with the buses of other daemons. */
  get linked(): boolean {
    return this.#link !== undefined;
  }

  /** The number of subscriptions. */
  get subscriptions(): number {
    return this.#subscriptions;
  }

  /** The number of different patterns and queue groups that are subscribed to. */
  get interests(): number {
    return this.#interests.size;
  }

  /** Its current metrics. */
  metrics(): Metric[] {
    const droppedEvents = this.#droppedEvents;
    const { subscriptions, interests } = this;
    return [
      ...busMetrics({ subscriptions, interests, droppedEvents, busiest: this.#busiest }),
      ...this.#link?.metrics() ?? [],
    ];
  }

  /** The busiest subjects, and the patterns with most subscribers. */
  report(): Promise<BusReportJson> {
    return reportOn(this.#interests, this.#busiest);
  }

  /** Why it cannot do its work; empty if it can. */
  problems(): string[] {
    return this.#link?.problems() ?? [];
  }

  /**
   * Subscribes to all messages whose subject matches a pattern, from now on.
   *
   * @param pattern A valid pattern; see `subject.ts`.
   * @param subscriber Who gets them.
   * @param options See {@linkcode SubscriptionOptions}.
   * @throws {SubscriptionLimitError} If there are too many subscriptions.
   */
  subscribe(
    pattern: string,
    subscriber: Subscriber,
    options: SubscriptionOptions = {},
  ): Subscription {
    const { maxSubscriptions, maxClientSubscriptions } = this.#limits;
    if (subscriber.subscriptions >= maxClientSubscriptions) {
      throw new SubscriptionLimitError(
        `Cannot subscribe: a client may have ${maxClientSubscriptions} subscriptions`,
      );
    }
    if (this.#subscriptions >= maxSubscriptions) {
      throw new SubscriptionLimitError(
        `Cannot subscribe: all clients together may have ${maxSubscriptions} subscriptions`,
      );
    }
    this.#subscriptions++;
    subscriber.subscriptions++;
    return new Subscription(subscriber, this.#open(pattern, options), {
      ...options,
      owner: this.#owner,
    });
  }

  /** Ends subscriptions, in turns if there are many. */
  async unsubscribe(subscriptions: Iterable<Subscription>): Promise<void> {
    const turn = new Turn();
    let steps = 0;
    for (const subscription of subscriptions) {
      subscription.unsubscribe();
      if (++steps % STEPS_PER_LOOK === 0 && turn.over) await turn.next();
    }
  }

  /**
   * Calls a function with each batch whose subject matches a pattern, in the order of the subject,
   * when it is handed to the subscribers.
   *
   * @param pattern A valid pattern; see `subject.ts`.
   * @param observer Must be quick, and must not throw.
   * @returns Ends it.
   */
  observe(pattern: string, observer: Observer): () => void {
    const interest = this.#open(pattern);
    (interest.observers ??= new Set()).add(observer);
    return () => {
      if (!interest.observers?.delete(observer) || interest.observers.size > 0) return;
      interest.observers = undefined;
      if (interest.empty) this.#close(interest);
    };
  }

  /**
   * Publishes messages.
   *
   * @param batch The messages. Its subject must not be reserved; see {@linkcode isReserved}.
   * @returns A promise if the publisher has to wait, for example for a full outbox.
   * @throws {BusUnavailableError} Through the promise, if other daemons cannot be reached.
   */
  publish(batch: Batch): Promise<void> | void {
    this.#busiest.add(batch.subject, batch.count);
    return this.#link === undefined ? this.#handOutInOrder(batch) : this.#link.publish(batch);
  }

  /**
   * Publishes events of the daemon itself. Never waits: a client whose outbox is full loses them.
   *
   * @param batch The events.
   */
  announce(batch: Batch): void {
    if (this.#waitingEvents >= WAITING_EVENTS_MAX_BATCHES) {
      this.#droppedEvents += batch.count;
      return;
    }
    this.#busiest.add(batch.subject, batch.count);
    const waits = this.#link?.events
      ? this.#link.publish(batch).catch(() => void (this.#droppedEvents += batch.count))
      : this.#handOutInOrder(batch, { patient: false });
    if (waits === undefined) return;
    this.#waitingEvents++;
    waits.finally(() => this.#waitingEvents--);
  }

  /** Whether only the daemon itself publishes on a subject. Doors refuse clients that try. */
  isReserved(subject: string): boolean {
    return reservedFor(subject) !== undefined;
  }

  /** Whether anything is subscribed to a subject, so that preparing a message pays off. */
  isHeard(subject: string): boolean {
    if (this.#link?.events) return true;
    return this.#interests.size > 0 && this.#interests.matching(subject).length > 0;
  }

  /** How many subscriptions would get a message on a subject; a queue group counts once. */
  audience(subject: string): number {
    let count = 0;
    for (const { group, members } of joinGroups(this.#interests.matching(subject))) {
      count += group === undefined ? members.length : Math.min(1, members.length);
    }
    return count;
  }

  /**
   * Resolves when every message published so far is in the outboxes or dropped.
   *
   * @param subject Waits for this subject alone. @default {every subject}
   */
  async settled(subject?: string): Promise<void> {
    for (;;) {
      const waiting = subject === undefined
        ? Promise.all(this.#waiting.values())
        : this.#waiting.get(subject);
      if (waiting === undefined || this.#waiting.size === 0) return;
      await waiting;
      // Publishers that waited as well now publish what they have read meanwhile.
      await nextTurn();
    }
  }

  #remove(subscription: Subscription): void {
    const { interest, subscriber } = subscription;
    interest.remove(subscription);
    this.#subscriptions--;
    subscriber.subscriptions--;
    if (interest.empty) this.#close(interest);
  }

  #open(pattern: string, options: SubscriptionOptions = {}): Interest {
    const before = this.#interests.size;
    const interest = this.#interests.open(pattern, options);
    if (this.#interests.size > before) this.#link?.opened(interest);
    return interest;
  }

  #close(interest: Interest): void {
    this.#interests.close(interest);
    this.#link?.closed(interest);
  }

  /** Hands messages from the link to the subscribers for whom they came. */
  #receive(batch: Batch, interests: readonly Interest[]): Promise<void> | undefined {
    const reserved = this.isReserved(batch.subject);
    if (reserved && !this.#link!.events) return undefined;
    return this.#handOutInOrder(batch, { patient: !reserved, interests });
  }

  /** Hands a batch to its subscribers once those before it on the same subject are handed out. */
  #handOutInOrder(batch: Batch, options: HandOutOptions = {}): Promise<void> | undefined {
    const { subject } = batch;
    const before = this.#waiting.size === 0 ? undefined : this.#waiting.get(subject);
    const rest = before === undefined
      ? this.#handOut(batch, options)
      : before.then(() => this.#handOut(batch, options));
    if (rest === undefined) return undefined;
    const waiting = rest.then(() => {
      if (this.#waiting.get(subject) === waiting) this.#waiting.delete(subject);
    });
    this.#waiting.set(subject, waiting);
    return waiting;
  }

  /** Hands a batch to its subscribers; returns a promise if that cannot be done at once. */
  #handOut(batch: Batch, options: HandOutOptions): Promise<void> | undefined {
    const interests = options.interests ?? this.#interests.matching(batch.subject);
    const out = new HandOut(batch, options.patient ?? true);
    let steps = 0;
    for (const { group, members, observers } of interests) {
      steps += group === undefined ? members.length : 1;
      for (const observer of observers ?? []) observer(batch);
    }
    if (
      steps > ONE_TURN_MAX_SUBSCRIPTIONS || steps * batch.byteLength > ONE_TURN_MAX_BYTES
    ) return this.#handOutInTurns(interests, out);
    for (const { group, members } of joinGroups(interests)) {
      if (group !== undefined) out.deal(members);
      // Backwards, because a member that ends gives its place to the last one.
      else for (let i = members.length - 1; i >= 0; i--) out.give(members[i]!);
    }
    if (!out.heard) this.#reportSilence(batch);
    return out.unfinished ? out.finish() : undefined;
  }

  async #handOutInTurns(interests: readonly Interest[], out: HandOut): Promise<void> {
    const turn = new Turn();
    const stepsPerLook = out.batch.byteLength > LARGE_BATCH_BYTES ? 1 : STEPS_PER_LOOK;
    let steps = 0;
    // Copies: what is subscribed from now on gets only later batches.
    const all = joinGroups(interests).map(({ group, members }) => ({
      group,
      members: members.slice(),
    }));
    for (const { group, members } of all) {
      const rounds = group === undefined ? members.length : 1;
      for (let i = 0; i < rounds; i++) {
        if (++steps % stepsPerLook === 0 && turn.over) {
          await turn.next();
          out.refreshClock();
        }
        if (group === undefined) out.give(members[i]!);
        else out.deal(members);
      }
    }
    if (!out.heard) this.#reportSilence(out.batch);
    await out.finish();
  }

  /** Tells the publisher of a request that nobody has heard it, if it wants to know. */
  #reportSilence({ reply, origin, wantsStatus }: Batch): void {
    if (!wantsStatus || reply === undefined) return;
    const status = Batch.ofPayload(reply, new Uint8Array(0), { headers: NO_RESPONDERS });
    for (const { group, members } of this.#interests.matching(reply)) {
      if (group !== undefined) continue;
      const own = members.find(({ subscriber }) => subscriber === origin);
      if (own !== undefined) return new HandOut(status, false).tell(own);
    }
  }
}

/** Those that get each message, or one of which gets it if they are a queue group. */
type Audience = Pick<Interest, "group" | "members">;

/**
 * Joins the interests of each queue group. As in NATS, a group is known by its name: a message that
 * matches several of its patterns goes to one member all the same.
 */
function joinGroups(interests: readonly Interest[]): readonly Audience[] {
  const grouped = interests.filter(({ group }) => group !== undefined);
  if (grouped.length < 2) return interests;
  const groups = new Map<string, Subscription[]>();
  for (const { group, members } of grouped) {
    const joined = groups.get(group!) ?? [];
    for (const member of members) joined.push(member);
    groups.set(group!, joined);
  }
  return [
    ...interests.filter(({ group }) => group === undefined),
    ...Array.from(groups, ([group, members]) => ({ group, members })),
  ];
}
