import { Batch } from "../../bus/batch.ts";
import type { Bus } from "../../bus/bus.ts";
import { SubscriptionLimitError } from "../../bus/errors.ts";
import { Publisher, type PublisherMetrics } from "../../bus/publisher.ts";
import type { Reader } from "../../bus/reader.ts";
import type { Readers } from "../../bus/readers.ts";
import { isPattern, isSubject } from "../../bus/subject.ts";
import type { Subscriber, Subscription } from "../../bus/subscription.ts";
import type { ClientDescription, Connection } from "../../net/connection.ts";
import type { Login, LoginPeer } from "../../net/login.ts";
import type { Messages } from "../../net/outbox.ts";
import { ReadBuffer } from "../../net/read_buffer.ts";
import { nextTurn, type SharedTurn } from "../../turn.ts";
import type { NatsLimits } from "../config.ts";
import { ClientRights, publishViolation } from "./client_rights.ts";
import {
  ConnectError,
  type ConnectOptions,
  DEFAULT_CONNECT_OPTIONS,
  parseConnect,
} from "./connect_options.ts";
import { formOf, messagesIn, sidOf } from "./message_form.ts";
import type { Operation, Publication } from "./operation.ts";
import { NatsParser } from "./parser.ts";
import { errorReply, ERRORS, FATAL_ERRORS, MAX_PINGS_OUT, REPLIES } from "./words.ts";

/** How many operations that are not messages to run between two looks at the clock. */
const OPERATIONS_PER_LOOK = 16;

/** The first letter of CONNECT, the only operation before the login; in lower case. */
const C = 0x63;
const LOWER = 0x20;

/** Whether messages on a subject are taken: not if it is reserved, or the rights do not allow it. */
type SubjectKind = "open" | "reserved" | "refused" | "invalid";

/** What a session needs of its server. */
export interface NatsContext {
  readonly bus: Bus;
  readonly readers: Readers;
  readonly published: PublisherMetrics;
  readonly turn: SharedTurn;
  /** They may change. After another interval of pings, call {@linkcode NatsSession.startPings}. */
  readonly limits: Readonly<NatsLimits>;
  /** Begins the login of a client; `undefined` if the service has no token. */
  beginLogin(peer: LoginPeer): Login | undefined;
  /** Whether the client may hear the events of a service on a subject. */
  admits(service: string, subject: string, login: Login | undefined): boolean;
}

/**
 * The session of one client of the NATS protocol, over any stream of bytes. It runs all operations of
 * one read, and everything that it writes goes through the outbox of its reader.
 *
 * Operations take effect in the order in which the client sent them. While a message waits for space
 * in a full queue, those behind it wait in the publisher, and the client is still read.
 */
export class NatsSession implements Subscriber {
  readonly reader: Reader;
  subscriptions = 0;

  readonly #connection: Connection;
  readonly #context: NatsContext;
  readonly #parser: NatsParser;
  readonly #input: ReadBuffer;
  readonly #publisher: Publisher;
  readonly #bySid = new Map<string, Subscription>();
  #options: Readonly<ConnectOptions> = DEFAULT_CONNECT_OPTIONS;
  #login: Login | undefined;
  /** What the client may do; `null` if its rights are not limited. */
  #rights: ClientRights | null = null;
  /** The subject last published to, and whether it is valid and the client may publish there. */
  #subject: string | undefined;
  #subjectKind: SubjectKind = "invalid";
  /** The operations that are not messages, since the clock was last looked at. */
  #operations = 0;
  /** Set once the connection is to be closed. */
  #over = false;
  /** Pending while so many replies wait that the client must not be read. */
  #repliesTaken: Promise<void> | undefined;
  /** PINGs sent since the client last sent something. */
  #pingsOut = 0;
  /** What the client had sent when it was last looked at. */
  #bytesReceived = 0;
  #pings: ReturnType<typeof setInterval> | undefined;

  constructor(connection: Connection, context: NatsContext) {
    this.#connection = connection;
    this.#context = context;
    this.#parser = new NatsParser(context.limits);
    this.#parser.joinsMessages = false;
    this.#input = new ReadBuffer({ maxBytes: this.#parser.maxInputBytes });
    this.#publisher = new Publisher(context.bus, {
      metrics: context.published,
      failed: () => this.#send(errorReply(ERRORS.unavailable)),
    });
    this.reader = context.readers.join(connection);
    connection.client = this;
  }

  /** Describes the client, for lists of connections. */
  describe(): ClientDescription {
    const { name } = this.#options;
    const state = this.subscriptions > 0 && this.#connection.reading
      ? "waits for messages"
      : undefined;
    return { protocol: "NATS", name, state };
  }

  /** See {@linkcode Subscriber.echo}. */
  get echo(): boolean {
    return this.#options.echo;
  }

  /** Whether the client expects an INFO at any time. */
  get takesInfo(): boolean {
    return this.#options.protocol > 0;
  }

  /** See {@linkcode Subscriber.hears}. */
  hears(service: string, subject: string): boolean {
    return this.#context.admits(service, subject, this.#login);
  }

  /** See {@linkcode Subscriber.encode}. */
  encode(batch: Batch, { name }: Subscription): Messages {
    if (this.#rights !== null && batch.reply !== undefined) this.#rights.received(batch.reply);
    return messagesIn(batch, name, this.#options.headers);
  }

  /** See {@linkcode Subscriber.ended}. */
  ended({ name }: Subscription): void {
    this.#bySid.delete(sidOf(name));
  }

  /** Sends the INFO; also later, to a client that takes it. */
  sendInfo(info: Uint8Array): void {
    this.#send(info);
  }

  /** Serves the client until it disconnects. The server has sent the INFO, or a listener did. */
  async serve(): Promise<void> {
    const connection = this.#connection;
    const { bus, readers } = this.#context;
    using login = this.#context.beginLogin({
      id: this.#connection.id,
      remote: this.#connection.remote,
      host: this.#connection.host,
      set tokenName(name: string | undefined) {
        connection.tokenName = name;
      },
      close: () => {
        const { authenticationRevoked, authenticationTimeout } = FATAL_ERRORS;
        this.#fail(this.#login?.pending ? authenticationTimeout : authenticationRevoked);
      },
    });
    this.#login = login;
    this.#takeRights();
    this.startPings();
    try {
      while (!this.#over && await this.#read()) await this.#runAll();
      await this.#publisher.settled();
      // When the daemon drains, other clients may still be publishing what this one must receive.
      if (this.#connection.inputCut && !this.#over) await bus.settled();
    } finally {
      this.#over = true;
      clearInterval(this.#pings);
      await bus.unsubscribe(this.#bySid.values());
      await readers.dismiss(this.reader);
    }
  }

  /** Pings the client from now on at the interval that its server has. */
  startPings(): void {
    if (this.#over) return;
    clearInterval(this.#pings);
    const { pingIntervalMs } = this.#context.limits;
    this.#pings = pingIntervalMs > 0
      ? setInterval(() => this.#checkAlive(), pingIntervalMs)
      : undefined;
  }

  #read(): Promise<boolean> {
    // The limit may have changed since the client connected.
    this.#input.maxBytes = this.#parser.maxInputBytes;
    return this.#input.fill(this.#connection);
  }

  /** Runs all complete operations of the input. */
  async #runAll(): Promise<void> {
    const input = this.#input;
    while (!this.#over) {
      if (this.#login?.pending && !this.#beginsConnect()) {
        return this.#fail(FATAL_ERRORS.authorization);
      }
      const operation = this.#parser.next(input);
      if (operation === null) return;
      this.#connection.requestCount += operation.kind === "publish" ? operation.count : 1;
      const wait = this.#take(operation);
      if (wait !== undefined) await wait;
      if (this.#repliesTaken !== undefined) await this.#repliesTaken;
      if (this.#isTimeForLook(operation) && this.#context.turn.over) await nextTurn();
    }
  }

  #take(operation: Operation): Promise<void> | void {
    switch (operation.kind) {
      case "publish":
        return this.#publish(operation);
      case "connect":
        return this.#connect(operation.json);
      case "mistake":
        return this.#fail(operation.text);
      default:
        return this.#publisher.after(() => this.#run(operation));
    }
  }

  /** A message may go to many clients; other operations are quick. */
  #isTimeForLook({ kind }: Operation): boolean {
    if (kind !== "publish" && ++this.#operations < OPERATIONS_PER_LOOK) return false;
    this.#operations = 0;
    return this.#input.start < this.#input.end;
  }

  #beginsConnect(): boolean {
    const { bytes, start, end } = this.#input;
    return start === end || (bytes[start]! | LOWER) === C;
  }

  #publish(publication: Publication): Promise<void> | void {
    const { subject, reply, hasHeaders } = publication;
    const { headers, pedantic, verbose } = this.#options;
    if (hasHeaders && !headers) return this.#fail(FATAL_ERRORS.headersOff);
    if (subject !== this.#subject) {
      this.#subject = subject;
      this.#subjectKind = this.#kindOf(subject);
    }
    const kind = reply === "" ? "invalid" : this.#subjectKind;
    const violation = this.#rights === null && kind !== "reserved"
      ? undefined
      : this.#violation(kind, publication);
    if (violation !== undefined) {
      return this.#publisher.after(() => this.#send(errorReply(violation)));
    }
    if (kind === "invalid" && pedantic) {
      this.#publisher.after(() => this.#send(errorReply(ERRORS.publishSubject)));
    }
    if (verbose) this.#publisher.after(() => this.#ok());
    // As with nats-server, a client that is not pedantic does not learn that nobody can hear it.
    if (kind === "open" || kind === "refused") {
      return this.#publisher.publish(this.#batchOf(publication, subject!));
    }
  }

  #kindOf(subject: string | undefined): SubjectKind {
    if (subject === undefined || !isSubject(subject)) return "invalid";
    if (this.#context.bus.isReserved(subject)) return "reserved";
    return this.#rights?.mayPublish(subject) === false ? "refused" : "open";
  }

  /** Why the client must not publish a message, if so. */
  #violation(kind: SubjectKind, { subject, reply }: Publication): string | undefined {
    if (kind === "reserved") return publishViolation(subject!);
    const rights = this.#rights;
    if (rights === null || kind === "invalid") return undefined;
    if (kind === "refused" && !rights.mayAnswer(subject!)) {
      return rights.refuse("publish", subject!);
    }
    if (reply === undefined || rights.mayName(reply)) return undefined;
    return rights.refuseReply(reply);
  }

  /** Copies messages out of the input. */
  #batchOf(
    { count, bytes, starts, ends, reply, headerBytes }: Publication,
    subject: string,
  ): Batch {
    const from = starts[0]!;
    const copy = bytes.slice(from, ends[count - 1]!);
    if (count > 1) {
      const payloads = { bytes: copy, starts: starts.slice(0, count), ends: ends.slice(0, count) };
      for (let i = 0; i < count; i++) {
        payloads.starts[i]! -= from;
        payloads.ends[i]! -= from;
      }
      return Batch.ofPayloads(subject, payloads, { origin: this });
    }
    return Batch.ofPayloads(subject, {
      bytes: copy,
      starts: [headerBytes],
      ends: [copy.length],
    }, {
      origin: this,
      reply,
      headers: headerBytes > 0 ? copy.subarray(0, headerBytes) : undefined,
      wantsStatus: reply !== undefined && this.#options.no_responders,
    });
  }

  #run(operation: Operation): void {
    switch (operation.kind) {
      case "ping":
        return this.#send(REPLIES.pong);
      case "pong":
        this.#pingsOut = 0;
        return;
      case "subscribe":
        return this.#subscribe(operation);
      case "unsubscribe":
        return this.#unsubscribe(operation.sid, operation.max);
    }
  }

  #subscribe({ pattern, group, sid }: Operation & { kind: "subscribe" }): void {
    if (pattern === undefined || !isPattern(pattern)) return this.#send(errorReply(ERRORS.subject));
    if (this.#rights?.maySubscribe(pattern) === false) {
      const violation = this.#rights.refuse("subscribe", pattern, group);
      return this.#send(errorReply(violation));
    }
    // The same name twice is one subscription.
    if (!this.#bySid.has(sid)) {
      try {
        const options = { group, name: formOf(sid) };
        this.#bySid.set(sid, this.#context.bus.subscribe(pattern, this, options));
      } catch (error) {
        if (!(error instanceof SubscriptionLimitError)) throw error;
        return this.#send(errorReply(ERRORS.subscriptions));
      }
    }
    this.#ok();
  }

  #unsubscribe(sid: string, max: number): void {
    const subscription = this.#bySid.get(sid);
    if (max === 0) subscription?.unsubscribe();
    else subscription?.limit(max);
    if (subscription?.ended) this.#bySid.delete(sid);
    this.#ok();
  }

  async #connect(json: Uint8Array): Promise<void> {
    await this.#publisher.settled();
    try {
      this.#options = parseConnect(json, this.#options);
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      return this.#fail(error.message);
    }
    const { auth_token, pass, verbose, pedantic } = this.#options;
    // One by one, messages can be acknowledged and refused one by one.
    this.#parser.joinsMessages = !verbose && !pedantic;
    const token = auth_token || pass;
    // Without a token, a client may have logged in with the handshake of its WebSocket.
    if (this.#login !== undefined && (this.#login.pending || token !== "")) {
      const verdict = await this.#login.showInTurn(token);
      if (verdict !== "right") return this.#fail(FATAL_ERRORS.authorization);
      this.#takeRights();
    }
    this.#ok();
  }

  /** Takes over the rights of a login that is complete. */
  #takeRights(): void {
    const login = this.#login;
    this.#rights = login === undefined || login.rights === null ? null : new ClientRights(login);
    this.#subject = undefined;
  }

  #ok(): void {
    if (this.#options.verbose) this.#send(REPLIES.ok);
  }

  #send(bytes: Uint8Array): void {
    this.#repliesTaken = this.reader.outbox.reply(bytes) ?? undefined;
  }

  /** Tells the client about an error and closes the connection. */
  #fail(text: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#publisher.after(() => this.#send(errorReply(text)));
    this.#connection.endInput();
  }

  /** Sends a PING to a client that was silent, and gives up one that has not answered. */
  #checkAlive(): void {
    const { bytesReceived, heldBack } = this.#connection;
    // It has been told, but does not even read its replies.
    if (this.#over) return this.#connection.close();
    if (heldBack || bytesReceived !== this.#bytesReceived) this.#pingsOut = 0;
    else if (this.#pingsOut === MAX_PINGS_OUT) this.#fail(FATAL_ERRORS.staleConnection);
    else {
      this.#pingsOut++;
      this.#send(REPLIES.ping);
    }
    this.#bytesReceived = bytesReceived;
  }
}
