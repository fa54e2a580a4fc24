/**
 * The echo service: a bus of lines. In broadcast mode each line goes to all clients. In confirm mode
 * it goes to the log, and its sender gets a reply. Clients of NATS and WebSockets share the bus
 * through ports of their own.
 *
 * @module
 */

import {
  listenerLimits,
  listenerOptions,
  LIVE_LIMITS,
  serviceRates,
} from "../config/service_keys.ts";
import { READER_KEYS } from "../bus/reader.ts";
import type { Address } from "../net/address.ts";
import { ClientList } from "../net/client_list.ts";
import type { Connection } from "../net/connection.ts";
import { LINE_REPLIES } from "../net/line_replies.ts";
import { Listener } from "../net/listener.ts";
import { connectionMetrics, sumMetrics } from "../net/listener_metrics.ts";
import { beginLogin } from "../net/login.ts";
import type { RunningService, Service, ServiceContext } from "../service.ts";
import { Clients } from "./clients.ts";
import { type EchoConfig, echoConfigSchema, natsLimits } from "./config.ts";
import { type LineOptions, serveBroadcast } from "./lines/broadcast.ts";
import { Confirmer } from "./lines/confirm.ts";
import { echoMetrics } from "./metrics.ts";
import { openNats } from "./nats/door.ts";
import { NatsServer } from "./nats/server.ts";
import { echoRights } from "./rights.ts";
import { Rooms } from "./room.ts";
import { openWebSockets } from "./websocket/door.ts";
import type { WebSocketServer } from "./websocket/server.ts";

/** The keys that can change while it runs. */
const LIVE_KEYS = [
  ...LIVE_LIMITS,
  ...READER_KEYS,
  "origins",
  "max_line",
  "max_payload",
  "ping_interval",
  "handshake_first",
  "history",
  "reply",
] as const;

/** The echo service, as the table of services lists it. */
export const echo: Service<EchoConfig> = {
  name: "echo",
  schema: echoConfigSchema,
  rights: echoRights,
  live: LIVE_KEYS,
  addresses: (config) =>
    [
      config.listen,
      config.room.map(({ listen }) => listen),
      config.nats ?? [],
      config.websocket ?? [],
    ].flat(),
  start,
};

/** A port that is open. */
type Port = Pick<Listener, "address" | "metrics" | "reloadTls" | "setLimits" | "drain">;

/** How a client that speaks lines is served. */
type RoomOptions = LineOptions & { subject: string };

async function start(config: EchoConfig, context: ServiceContext): Promise<RunningService> {
  const { bus, log } = context;
  const clients = new Clients(config, { bus, log });
  let current = config;
  const lines = {
    get maxLineBytes() {
      return current.max_line;
    },
  };
  const confirmer = new Confirmer(config.reply, { limits: lines, log });
  const rooms = new Rooms(clients, { limits: lines, history: config });
  const nats = new NatsServer(clients, { context, limits: natsLimits(config) });
  const connected = new ClientList(log, serviceRates(config));
  const limits = {
    ...listenerOptions(config),
    clients: connected,
    maxClients: config.max_clients,
    idleTimeoutMs: config.idle_timeout,
    log,
  };
  // Not an async function, which would take another half KiB of every idle connection.
  function serveLines(connection: Connection, options: RoomOptions): Promise<void> {
    const { subject, login } = options;
    if (config.mode === "confirm") return confirmer.serve(connection, subject, login);
    return serveBroadcast(connection, rooms.open(subject), options);
  }
  const ports: Port[] = [];
  const broadcasts = config.mode === "broadcast";
  async function listen(address: Address, subject: string): Promise<Listener> {
    // Before the first client comes, because others may publish on its subject already.
    if (broadcasts) rooms.open(subject);
    async function handle(connection: Connection): Promise<void> {
      using login = beginLogin(connection, context);
      await serveLines(connection, { subject, login });
    }
    const listener = await Listener.listen(address, { ...limits, ...LINE_REPLIES, handle });
    ports.push(listener);
    return listener;
  }
  let first: Listener;
  let webSockets: WebSocketServer | undefined;
  try {
    first = await listen(config.listen, config.subject);
    for (const room of config.room) await listen(room.listen, room.subject);
    ports.push(...opened(
      await openNats(config, {
        server: nats,
        limits,
        handshakeFirstMs: () => current.handshake_first,
      }),
    ));
    webSockets = await openWebSockets(config, {
      ...{ clients, context, limits, lines, nats, serveLines },
      origins: () => current.origins,
    });
    ports.push(...opened(webSockets));
  } catch (error) {
    await Promise.all(ports.map((port) => port.drain(AbortSignal.abort())));
    rooms.close();
    throw error;
  }
  const counts = () => (broadcasts ? clients : confirmer).metrics();
  const { duration } = broadcasts ? clients.published : confirmer;
  const connections = () => sumMetrics(ports.map((port) => port.metrics()));
  return {
    addresses: ports.map(({ address }) => address),
    console: {
      get asksForToken() {
        return context.guard() !== undefined;
      },
      connect: () => first.connect("console"),
    },
    queries: { ...connected.queries, subjects: () => bus.report() },
    actions: connected.actions,
    problems: () => [],
    adjust: (next: EchoConfig) => {
      for (const port of ports) port.setLimits(listenerLimits(next));
      clients.readers.setLimits(next);
      connected.rateLimits.setRates(serviceRates(next));
      rooms.keepHistory(broadcasts ? next : { ...next, history: 0 });
      confirmer.setReply(next.reply);
      void nats.setLimits(natsLimits(next));
      webSockets?.setPingInterval(next.ping_interval);
      current = next;
    },
    reread: () => {
      for (const port of ports) port.reloadTls();
    },
    metrics: () => [
      ...connected.rateLimits.metrics("echo"),
      ...connectionMetrics("echo", connections()),
      ...echoMetrics(counts(), duration),
    ],
    drain: async (deadline) => {
      nats.lameDuck();
      await Promise.all(ports.map((port) => port.drain(deadline)));
      rooms.close();
      const { certificateExpiryMs: _, ...listeners } = connections();
      log.info("Echo stopped", { ...counts(), ...listeners });
    },
  };
}

function opened<T>(port: T | undefined): T[] {
  return port === undefined ? [] : [port];
}
