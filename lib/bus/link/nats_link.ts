import { delay } from "@std/async/delay";
import type { Msg, MsgHdrs, NodeConnectionOptions } from "@nats-io/transport-node";
import type { Log } from "../../log.ts";
import type { Metric } from "../../metrics.ts";
import { ignoreResets } from "../../net/ignore_resets.ts";
import type { Batch } from "../batch.ts";
import type { BusLink, LinkedBus } from "../bus_link.ts";
import { BusUnavailableError } from "../errors.ts";
import type { Interest } from "../subscription.ts";
import { type Arrival, Arrivals } from "./arrivals.ts";
import { type IncomingHeaders, incomingHeaders } from "./headers.ts";
import { linkMetrics } from "./metrics.ts";
import { Session } from "./session.ts";
import { NoJetStreamError, type StreamMessage, StreamPosition } from "./stream_reader.ts";

/** How long to wait between two attempts to connect. */
const RETRY_MS = 250;

/** How often a publisher that waits looks whether NATS answers again. */
const STALL_LOOK_MS = 20;

/** How many different refusals of NATS are logged per connection. All are counted. */
const LOGGED_MAX_REFUSALS = 20;

const NOT_YET = "not yet connected to NATS";

/** How long a start waits for the first connection. Later it goes on without it. */
const START_MAX_MS = 5000;

/** What NATS says to the publisher of a request that nobody is subscribed to. */
const NO_RESPONDERS = 503;

/** Settings of a {@linkcode NatsLink}. */
export interface NatsLinkOptions {
  /** Where and as whom to connect. */
  connection: () => NodeConnectionOptions;
  /** How long a publisher waits until its messages have got through. */
  timeoutMs: number;
  /** Whether the daemon's own events cross the link. */
  events: boolean;
  /** The size of the stream that keeps one order of all messages. @default {each sender's order} */
  streamMaxBytes?: number | undefined;
  log: Log;
}

/**
 * Connects the buses of several daemons through NATS servers. It subscribes once for each interest
 * of its daemon and publishes every message, so NATS does the rest: queue groups deliver once,
 * replies find the daemon of the requester, and a request that nobody hears is answered. Core NATS
 * keeps the order of the messages of each daemon. With a stream, all daemons see all messages in the
 * order of the stream; those of queue groups, requests and replies still come as they do without.
 */
export class NatsLink implements BusLink {
  readonly events: boolean;
  readonly #options: NatsLinkOptions;
  readonly #bus: LinkedBus;
  readonly #arrivals: Arrivals;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** The marks of publishers that do not hear themselves. */
  readonly #marks = new WeakMap<object, string>();
  readonly #id = crypto.randomUUID();
  #lastMark = 0;
  /** The connection, once everything is subscribed. */
  #session: Session | undefined;
  /** The connection while it is being prepared, and later. */
  #opening: Session | undefined;
  #connected = Promise.withResolvers<void>();
  readonly #tried = Promise.withResolvers<void>();
  /** How far the stream has been read. */
  readonly #position = new StreamPosition();
  /** The interests in a subject, for the messages that follow on the same subject. */
  #matched: { subject: string; interests: readonly Interest[] } | undefined;
  #problem = NOT_YET;
  /** What NATS has refused on this connection and the log tells. */
  readonly #refusals = new Set<string>();
  readonly #resets = ignoreResets();
  readonly #counts = { published: 0, failed: 0, refusals: 0, connections: 0 };

  /**
   * Begins to connect.
   *
   * @param options See {@linkcode NatsLinkOptions}.
   * @param bus The bus of this daemon.
   */
  constructor(options: NatsLinkOptions, bus: LinkedBus) {
    this.#options = options;
    this.#bus = bus;
    this.events = options.events;
    this.#arrivals = new Arrivals(bus);
    this.#tried.promise.catch(() => {});
    this.#running = this.#run();
  }

  /**
   * Resolves when it has tried to connect, at the latest after some seconds.
   *
   * @throws {NoJetStreamError} If a stream is needed and the servers do not offer JetStream.
   */
  async tried(): Promise<void> {
    const limit = new AbortController();
    const pause = delay(START_MAX_MS, { signal: limit.signal }).catch(() => {});
    try {
      await Promise.race([this.#tried.promise, pause]);
    } finally {
      limit.abort();
    }
  }

  publish(batch: Batch): Promise<void> {
    const session = this.#session;
    const sent = session === undefined || session.stalled
      ? this.#publishLater(batch)
      // At once, so that the messages of a publisher keep their order.
      : session.publish(batch, this.#markOf(batch));
    return sent.then(() => {
      this.#counts.published += batch.count;
    }, (error) => {
      this.#counts.failed += batch.count;
      throw error;
    });
  }

  opened(interest: Interest): void {
    this.#matched = undefined;
    this.#opening?.subscribe(interest);
  }

  closed(interest: Interest): void {
    this.#matched = undefined;
    this.#opening?.unsubscribe(interest);
  }

  problems(): string[] {
    if (this.#session === undefined) return [this.#problem];
    return this.#session.stalled ? ["NATS does not answer"] : [];
  }

  metrics(): Metric[] {
    const { received, dropped } = this.#arrivals;
    const { missed, streamsLost } = this.#position;
    const up = this.problems().length === 0;
    return linkMetrics({ ...this.#counts, received, dropped, missed, streamsLost, up });
  }

  /** Disconnects. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#opening?.close();
    await this.#running;
    this.#resets[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    const { log } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#connect();
      } catch (error) {
        const reason = (error as Error).message;
        const problem = `Cannot connect to NATS: ${reason}`;
        const refusal = error instanceof NoJetStreamError && this.#problem === NOT_YET;
        // Once, not with each of many attempts, and not if the daemon does not start.
        if (problem !== this.#problem && !refusal) log.warn("Cannot connect to NATS", { reason });
        this.#problem = problem;
        if (refusal) this.#tried.reject(error);
        else this.#tried.resolve();
      }
      await delay(RETRY_MS, { signal }).catch(() => {});
    }
  }

  /** Connects, and resolves when the connection has ended. */
  async #connect(): Promise<void> {
    const { connection, timeoutMs, streamMaxBytes: maxBytes, log } = this.#options;
    const arrived = (message: StreamMessage) => this.#arrivedInOrder(message);
    const stream = { position: this.#position, arrived, log };
    const session = await Session.open({
      connection: connection(),
      timeoutMs,
      arrived: (message, interests) => this.#arrived(session, message, interests),
      refused: (reason) => this.#refused(reason),
      ...(maxBytes === undefined ? {} : { stream: { ...stream, maxBytes } }),
    });
    this.#opening = session;
    if (this.#stop.signal.aborted) await session.close();
    await session.subscribeAll(this.#bus.interests());
    this.#session = session;
    this.#counts.connections++;
    log.info("Connected to NATS", { server: session.server });
    this.#connected.resolve();
    this.#tried.resolve();
    const reason = await session.ended;
    this.#session = this.#opening = undefined;
    this.#connected = Promise.withResolvers();
    this.#refusals.clear();
    this.#problem = `the connection to NATS is lost: ${reason}`;
    if (!this.#stop.signal.aborted) log.warn("The connection to NATS is lost", { reason });
  }

  /** Only counts and logs: a single subject is refused, so the daemon stays ready. */
  #refused(reason: string): void {
    this.#counts.refusals++;
    if (this.#refusals.has(reason) || this.#refusals.size >= LOGGED_MAX_REFUSALS) return;
    this.#refusals.add(reason);
    this.#options.log.warn("NATS refuses something", { reason });
  }

  /** Waits until messages can be sent, then sends some. */
  async #publishLater(batch: Batch): Promise<void> {
    const { timeoutMs } = this.#options;
    const endMs = performance.now() + timeoutMs;
    for (let leftMs = timeoutMs; leftMs > 0; leftMs = endMs - performance.now()) {
      const session = this.#session;
      if (session !== undefined && !session.stalled) {
        return session.publish(batch, this.#markOf(batch));
      }
      const limit = new AbortController();
      const waitMs = session === undefined ? leftMs : Math.min(leftMs, STALL_LOOK_MS);
      const pause = delay(waitMs, { signal: limit.signal }).catch(() => {});
      await Promise.race(session === undefined ? [pause, this.#connected.promise] : [pause]);
      limit.abort();
    }
    throw new BusUnavailableError(this.problems()[0] ?? "NATS does not answer");
  }

  #markOf({ origin }: Batch): string | undefined {
    if (origin === undefined || (origin as { echo?: boolean }).echo !== false) return undefined;
    let mark = this.#marks.get(origin);
    if (mark === undefined) this.#marks.set(origin, mark = `${this.#id}.${++this.#lastMark}`);
    return mark;
  }

  #arrived(session: Session, message: Msg, interests: readonly Interest[]): void {
    const { subject, data } = message;
    const received = headersOf(message);
    if (received?.code === NO_RESPONDERS && data.length === 0) {
      const request = session.takeRequest(subject);
      if (request !== undefined) return this.#bus.reportSilence(request);
    }
    const marked = incomingHeaders(received);
    // Only members of queue groups get a message before it comes through the stream.
    const streamed = marked.ordered && this.#options.streamMaxBytes !== undefined;
    if (streamed && interests[0]?.group === undefined) return;
    const reply = message.reply || undefined;
    this.#take({ subject, payload: data, reply, interests }, marked);
  }

  #arrivedInOrder({ subject, data, headers }: StreamMessage): void {
    if (this.#matched?.subject !== subject) {
      const all = this.#bus.matching(subject);
      this.#matched = { subject, interests: all.filter(({ group }) => group === undefined) };
    }
    const { interests } = this.#matched;
    if (interests.length === 0) return;
    this.#take({ subject, payload: data, interests }, incomingHeaders(headers));
  }

  #take(arrival: Arrival, { block: headers, origin: mark }: IncomingHeaders): void {
    const origin = mark?.startsWith(this.#id) ? this.#ownerOf(mark, arrival.interests) : undefined;
    this.#arrivals.take({ ...arrival, headers, origin });
  }

  /** Finds the subscriber with a mark, if it is among those who would get the message. */
  #ownerOf(mark: string, interests: readonly Interest[]): object | undefined {
    for (const { members } of interests) {
      const own = members.find(({ subscriber }) => this.#marks.get(subscriber) === mark);
      if (own !== undefined) return own.subscriber;
    }
    return undefined;
  }
}

/**
 * The headers of a message. NATS servers do not look at them, so any client can send some that the
 * library cannot read. Such a message goes on without: an error here would end the connection.
 */
function headersOf(message: Msg): MsgHdrs | undefined {
  try {
    return message.headers;
  } catch {
    return undefined;
  }
}
