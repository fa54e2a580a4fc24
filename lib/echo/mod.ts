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
import { type EchoConfig, echoConfigSchema } from "./config.ts";
import { type LineOptions, serveBroadcast } from "./lines/broadcast.ts";
import { Confirmer } from "./lines/confirm.ts";
import { echoMetrics } from "./metrics.ts";
import { openNats } from "./nats/door.ts";
import { NatsServer } from "./nats/server.ts";
import { echoRights } from "./rights.ts";
import { Rooms } from "./room.ts";
import { openWebSockets } from "./websocket/door.ts";

/** The echo service, as the table of services lists it. */
export const echo: Service<EchoConfig> = {
  name: "echo",
  schema: echoConfigSchema,
  rights: echoRights,
  live: [...LIVE_LIMITS, ...READER_KEYS, "origins"],
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
  const confirmer = new Confirmer(config, log);
  const rooms = new Rooms(clients, config);
  const nats = new NatsServer(clients, {
    context,
    maxPayloadBytes: config.max_payload,
    pingIntervalMs: config.ping_interval,
  });
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
  let origins = config.origins;
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
  try {
    first = await listen(config.listen, config.subject);
    for (const room of config.room) await listen(room.listen, room.subject);
    ports.push(...opened(await openNats(config, { server: nats, limits })));
    const options = { clients, context, limits, nats, serveLines, origins: () => origins };
    ports.push(...opened(await openWebSockets(config, options)));
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
      origins = next.origins;
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
