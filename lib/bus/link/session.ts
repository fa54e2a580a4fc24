import { Buffer } from "node:buffer";
import {
  connect,
  type Msg,
  type NatsConnection,
  type NodeConnectionOptions,
  PermissionViolationError,
  type Subscription,
} from "@nats-io/transport-node";
import { Turn } from "../../turn.ts";
import type { Batch } from "../batch.ts";
import { BusUnavailableError } from "../errors.ts";
import type { Interest } from "../subscription.ts";
import { Confirmations } from "./confirmations.ts";
import { outgoingHeaders } from "./headers.ts";
import { isInternal, isOrdered, OWN_INBOXES } from "./order_subjects.ts";
import { StreamReader, type StreamReaderOptions } from "./stream_reader.ts";
import { StreamWriter } from "./stream_writer.ts";

/** How long connecting to one server may take. */
const CONNECT_TIMEOUT_MS = 5000;

/** A server that has not answered for three of these is taken for dead. */
const PING_INTERVAL_MS = 5000;
const MAX_UNANSWERED_PINGS = 2;

/**
 * How many bytes a pattern and a queue group, or a subject and a reply subject, may have together.
 * With a longer control line (nats-server's default: 4096 bytes) the server ends the connection. The
 * rest is for blanks, the name of a subscription, and sizes.
 */
const NAMES_MAX_BYTES = 4096 - 64;

/** How many subjects that NATS refuses are remembered. */
const REFUSED_MAX_SUBJECTS = 1000;

/** Settings of a {@linkcode Session}. */
export interface SessionOptions {
  /** Where and as whom to connect. */
  connection: NodeConnectionOptions;
  /** How long a message may stay unconfirmed. */
  timeoutMs: number;
  /** Called with each message that comes back. */
  arrived: (message: Msg, interests: readonly Interest[]) => void;
  /** Called when NATS refuses something. */
  refused: (reason: string) => void;
  /** Present if a stream keeps one order of all messages. */
  stream?: Omit<StreamReaderOptions, "timeoutMs" | "lost">;
}

/** The stream, as one connection uses it. */
interface StreamEnds {
  writer: StreamWriter;
  reader: StreamReader;
}

/** One connection to NATS, from its beginning to its end. It does not reconnect. */
export class Session {
  readonly #nats: NatsConnection;
  readonly #options: SessionOptions;
  readonly #confirmations: Confirmations;
  readonly #subscriptions = new Map<Interest, Subscription>();
  /** Interests that select by a function. They share one subscription to everything. */
  readonly #selections = new Set<Interest>();
  #everything: Subscription | undefined;
  /** Requests that are not confirmed yet, by the subject for replies. */
  readonly #requests = new Map<string, Batch>();
  readonly #refused = new Set<string>();
  #stream: StreamEnds | undefined;
  /** Resolves when the connection is lost or closed, with the reason. */
  readonly ended: Promise<string>;

  /**
   * Connects.
   *
   * @throws {NoJetStreamError} If a stream is needed and there is no JetStream.
   * @throws {Error} If that fails; the message says why.
   */
  static async open(options: SessionOptions): Promise<Session> {
    const nats = await connect({
      ...options.connection,
      name: "quartet",
      reconnect: false,
      timeout: CONNECT_TIMEOUT_MS,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: MAX_UNANSWERED_PINGS,
      ...(options.stream === undefined ? {} : { inboxPrefix: OWN_INBOXES }),
    });
    if ((nats.info as { quartet_linked?: boolean } | undefined)?.quartet_linked) {
      await nats.close();
      throw new Error(
        "the other end is a quartet that has a [bus] url itself, so messages could go in circles",
      );
    }
    const session = new Session(nats, options);
    try {
      await session.#openStream();
    } catch (error) {
      await session.close();
      throw error;
    }
    return session;
  }

  private constructor(nats: NatsConnection, options: SessionOptions) {
    this.#nats = nats;
    this.#options = options;
    this.#confirmations = new Confirmations(() => nats.flush(), options.timeoutMs);
    this.ended = nats.closed().then((error) => {
      const reason = error instanceof Error ? error.message : "the connection is closed";
      const failure = new BusUnavailableError(`The connection to NATS is lost: ${reason}`);
      this.#confirmations.fail(failure);
      this.#stream?.writer.close(failure);
      return reason;
    });
    this.#watch();
  }

  async #openStream(): Promise<void> {
    const { stream, timeoutMs } = this.#options;
    if (stream === undefined) return;
    // A new connection finds out what has become of the stream, and goes on at the right place.
    const lost = () => void this.close();
    const reader = await StreamReader.open(this.#nats, { ...stream, timeoutMs, lost });
    this.#stream = { reader, writer: new StreamWriter(this.#nats, { timeoutMs, lost }) };
  }

  /** The address of the server. */
  get server(): string {
    return this.#nats.getServer();
  }

  /** Whether messages that were sent have waited too long, so that no more should be sent. */
  get stalled(): boolean {
    return this.#confirmations.overdue;
  }

  /** Subscribes to interests, in turns if there are many. */
  async subscribeAll(interests: Iterable<Interest>): Promise<void> {
    const turn = new Turn();
    for (const interest of interests) {
      if (!interest.empty) this.subscribe(interest);
      if (turn.over) await turn.next();
    }
  }

  /** Subscribes to an interest, once. */
  subscribe(interest: Interest): void {
    if (this.#nats.isClosed() || this.#subscriptions.has(interest)) return;
    if (interest.selects !== undefined) {
      this.#selections.add(interest);
      this.#everything ??= this.#subscribe(">", (message) => {
        const selected = [...this.#selections].filter(({ selects }) => selects!(message.subject));
        if (selected.length > 0) this.#arrived(message, selected);
      });
      return;
    }
    const interests = [interest];
    const { pattern, group } = interest;
    if (byteLength(pattern, group) > NAMES_MAX_BYTES) {
      return this.#options.refused(`the pattern "${pattern.slice(0, 100)}…" is too long for NATS`);
    }
    const subscription = this.#subscribe(pattern, (message) => {
      this.#arrived(message, interests);
    }, group);
    if (subscription !== undefined) this.#subscriptions.set(interest, subscription);
  }

  /** Ends the subscription to an interest. */
  unsubscribe(interest: Interest): void {
    this.#subscriptions.get(interest)?.unsubscribe();
    this.#subscriptions.delete(interest);
    if (!this.#selections.delete(interest) || this.#selections.size > 0) return;
    this.#everything?.unsubscribe();
    this.#everything = undefined;
  }

  /**
   * Sends messages; resolves when they have got through.
   *
   * @param batch The messages.
   * @param origin Marks them, so that their publisher does not get them back; see `headers.ts`.
   * @throws {BusUnavailableError} If that is not certain.
   */
  async publish(batch: Batch, origin: string | undefined): Promise<void> {
    const { subject, reply } = batch;
    if (this.#refused.has(subject)) {
      throw new BusUnavailableError(`NATS does not allow publishing on "${subject}"`);
    }
    if (byteLength(subject, reply) > NAMES_MAX_BYTES) {
      throw new BusUnavailableError(
        `The subject is too long for NATS: "${subject.slice(0, 100)}…"`,
      );
    }
    const { bytes, starts, ends } = batch.payloads;
    const stream = isOrdered(batch) ? this.#stream : undefined;
    if (this.#stream !== undefined && isInternal(subject)) {
      throw new BusUnavailableError(`The bus does not carry messages on "${subject}" to NATS`);
    }
    const headers = outgoingHeaders(batch.headers, { origin, ordered: stream !== undefined });
    const options = {
      ...(headers === undefined ? {} : { headers }),
      ...(reply === undefined ? {} : { reply }),
    };
    if (reply !== undefined) this.#requests.set(reply, batch);
    try {
      for (let i = 0; i < ends.length; i++) {
        this.#nats.publish(subject, bytes.subarray(starts[i], ends[i]), { ...options });
      }
      await Promise.all([
        this.#confirmations.sent(),
        stream?.writer.publish(batch, outgoingHeaders(batch.headers, { origin })),
      ]);
    } catch (error) {
      if (error instanceof BusUnavailableError) throw error;
      // The message is too large for the server, or the connection has just been closed.
      throw new BusUnavailableError((error as Error).message, { cause: error });
    } finally {
      // The status of a request comes before the confirmation.
      if (reply !== undefined && this.#requests.get(reply) === batch) this.#requests.delete(reply);
    }
  }

  /**
   * The request that a status says nobody has heard. It is forgotten.
   *
   * @param reply The subject of the status.
   */
  takeRequest(reply: string): Batch | undefined {
    const request = this.#requests.get(reply);
    this.#requests.delete(reply);
    return request;
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    this.#stream?.reader.close();
    await this.#nats.close();
  }

  #subscribe(
    pattern: string,
    arrived: (message: Msg) => void,
    queue?: string,
  ): Subscription | undefined {
    try {
      return this.#nats.subscribe(pattern, {
        ...(queue === undefined ? {} : { queue }),
        callback: (error, message) => {
          if (error === null) arrived(message);
          else this.#options.refused(error.message);
        },
      });
    } catch (error) {
      // A pattern that the library takes for invalid, or the connection has just been closed.
      this.#options.refused((error as Error).message);
      return undefined;
    }
  }

  #arrived(message: Msg, interests: readonly Interest[]): void {
    // A subscription to everything hears what goes on between the daemons and JetStream.
    if (this.#options.stream !== undefined && isInternal(message.subject)) return;
    this.#options.arrived(message, interests);
  }

  /** Learns which subjects NATS refuses: it says so only after the fact. */
  async #watch(): Promise<void> {
    for await (const status of this.#nats.status()) {
      if (status.type !== "error") continue;
      const { error } = status;
      const operation = error instanceof PermissionViolationError ? error.operation : undefined;
      // The subscription itself has reported that already.
      if (operation !== "subscription") this.#options.refused(error.message);
      if (operation === "publish" && this.#refused.size < REFUSED_MAX_SUBJECTS) {
        this.#refused.add((error as PermissionViolationError).subject);
      }
    }
  }
}

function byteLength(first: string, second = ""): number {
  return Buffer.byteLength(first) + Buffer.byteLength(second);
}
