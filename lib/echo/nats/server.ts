import type { Address } from "../../net/address.ts";
import type { Connection } from "../../net/connection.ts";
import { beginLogin, type Login } from "../../net/login.ts";
import type { ServiceContext } from "../../service.ts";
import { SharedTurn, Turn } from "../../turn.ts";
import { VERSION } from "../../version.ts";
import type { Clients } from "../clients.ts";
import type { NatsLimits } from "../config.ts";
import { type ClientInfo, infoFor } from "./info.ts";
import { NatsSession } from "./session.ts";
import { errorReply, FATAL_ERRORS } from "./words.ts";

/** Options for {@linkcode NatsServer}. */
export interface NatsServerOptions {
  /** The guard and the log of the service, and what its clients may hear of other services. */
  context: Pick<ServiceContext, "guard" | "log" | "refusals" | "admits">;
  limits: NatsLimits;
}

/** What carries the connections of a client: a port of its own, or WebSockets. */
export interface NatsCarrier {
  /** The address of the listener. */
  readonly address: Address;
  /** Whether the client must begin TLS after the INFO, and present a certificate. */
  readonly tls?: "required" | "verified" | undefined;
  /** Whether a browser may be at the other end; see `Visitor.web`. */
  readonly web?: boolean;
  /** The login of the client, if it has presented its token already. */
  readonly login?: Login | undefined;
}

/**
 * Serves the NATS protocol. A session reads and writes a {@linkcode Connection}, which can wrap any
 * stream of bytes, so the same server serves TCP connections and WebSockets.
 */
export class NatsServer {
  readonly #clients: Clients;
  readonly #context: NatsServerOptions["context"];
  /** Shared with the sessions, and changed in place. */
  readonly #limits: NatsLimits;
  /** The sessions, each with what makes its INFO. */
  readonly #sessions = new Map<NatsSession, () => Uint8Array>();
  readonly #turn = new SharedTurn();
  readonly #id = crypto.randomUUID().replaceAll("-", "").toUpperCase();
  /** The number that a client has in its INFO. Connections of several listeners share numbers. */
  readonly #clientIds = new WeakMap<Connection, number>();
  #lastClientId = 0;
  #lameDuck = false;

  /**
   * @param clients What the clients of the service share.
   * @param options See {@linkcode NatsServerOptions}.
   */
  constructor(clients: Clients, { context, limits }: NatsServerOptions) {
    this.#clients = clients;
    this.#context = context;
    this.#limits = { ...limits };
  }

  /**
   * Serves a client until it disconnects.
   *
   * @param connection Its connection. The INFO is sent unless the connection was greeted with it.
   * @param carrier What carries it.
   */
  async serve(connection: Connection, carrier: NatsCarrier): Promise<void> {
    const context = this.#context;
    const { bus, readers, published } = this.#clients;
    const session = new NatsSession(connection, {
      ...{ bus, readers, published, limits: this.#limits, turn: this.#turn },
      beginLogin: (peer) => carrier.login ?? beginLogin(peer, context),
      admits: (service, subject, login) => {
        const { host } = connection;
        return context.admits(service, subject, { host, login, web: carrier.web ?? false });
      },
    });
    const info = () => this.infoFor(connection, carrier);
    this.#sessions.set(session, info);
    try {
      if (!connection.greeted) session.sendInfo(info());
      await session.serve();
    } finally {
      this.#sessions.delete(session);
    }
  }

  /** The INFO for a client, which a listener greets it with before the client begins TLS. */
  infoFor(connection: Connection, carrier: NatsCarrier): Uint8Array<ArrayBuffer> {
    let id = this.#clientIds.get(connection);
    if (id === undefined) this.#clientIds.set(connection, id = ++this.#lastClientId);
    return this.#info(carrier, { id, host: connection.host });
  }

  /** What a client is sent that is refused because there are too many. */
  fullReply(carrier: NatsCarrier): Uint8Array {
    const info = this.#info(carrier, undefined);
    const error = errorReply(FATAL_ERRORS.connections);
    const reply = new Uint8Array(info.length + error.length);
    reply.set(info);
    reply.set(error, info.length);
    return reply;
  }

  /**
   * Changes the limits for all sessions, and tells their clients the size of messages, if that is
   * another one.
   *
   * @returns Resolves when all have been told. There may be so many that it takes turns.
   */
  async setLimits({ maxPayloadBytes, pingIntervalMs }: NatsLimits): Promise<void> {
    const limits = this.#limits;
    const pingsChange = pingIntervalMs !== limits.pingIntervalMs;
    const infoChanges = maxPayloadBytes !== limits.maxPayloadBytes;
    if (!pingsChange && !infoChanges) return;
    Object.assign(limits, { maxPayloadBytes, pingIntervalMs });
    const turn = new Turn();
    for (const [session, info] of this.#sessions) {
      if (pingsChange) session.startPings();
      if (infoChanges && session.takesInfo) session.sendInfo(info());
      if (turn.over) await turn.next();
    }
  }

  /** Asks all clients to look for another server, because this one is about to stop. */
  lameDuck(): void {
    this.#lameDuck = true;
    for (const [session, info] of this.#sessions) if (session.takesInfo) session.sendInfo(info());
  }

  #info({ address, tls }: NatsCarrier, client: ClientInfo | undefined): Uint8Array<ArrayBuffer> {
    const server = {
      id: this.#id,
      version: VERSION,
      address,
      maxPayloadBytes: this.#limits.maxPayloadBytes,
      authRequired: this.#context.guard() !== undefined,
      tls,
      linked: this.#clients.bus.linked,
      lameDuck: this.#lameDuck,
    };
    return infoFor(server, client);
  }
}
