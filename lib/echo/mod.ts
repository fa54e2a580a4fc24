/**
 * The echo service: a bus of lines. In broadcast mode each line goes to all clients. In confirm mode
 * it goes to the log, and its sender gets a reply. Clients of NATS share the bus through a port of
 * their own.
 *
 * @module
 */

import { listenerOptions } from "../config/service_keys.ts";
import type { Address } from "../net/address.ts";
import type { Connection } from "../net/connection.ts";
import { LINE_REPLIES } from "../net/line_replies.ts";
import { Listener } from "../net/listener.ts";
import { connectionMetrics, sumMetrics } from "../net/listener_metrics.ts";
import { beginLogin } from "../net/login.ts";
import type { RunningService, Service, ServiceContext } from "../service.ts";
import { Clients } from "./clients.ts";
import { type EchoConfig, echoConfigSchema } from "./config.ts";
import { serveBroadcast } from "./lines/broadcast.ts";
import { Confirmer } from "./lines/confirm.ts";
import { echoMetrics } from "./metrics.ts";
import { type NatsDoor, openNats } from "./nats/door.ts";
import { Rooms } from "./room.ts";

/** The echo service, as the table of services lists it. */
export const echo: Service<EchoConfig> = {
  name: "echo",
  schema: echoConfigSchema,
  addresses: (config) =>
    [config.listen, config.room.map(({ listen }) => listen), config.nats ?? []].flat(),
  start,
};

async function start(config: EchoConfig, context: ServiceContext): Promise<RunningService> {
  const { bus, log } = context;
  const clients = new Clients(config, { bus, log });
  const confirmer = new Confirmer(config, log);
  const rooms = new Rooms(clients, config);
  const limits = {
    ...listenerOptions(config),
    maxClients: config.max_clients,
    idleTimeoutMs: config.idle_timeout,
    log,
  };
  const listeners: Listener[] = [];
  const listen = async (address: Address, subject: string) => {
    const room = rooms.open(subject);
    async function handle(connection: Connection): Promise<void> {
      using login = beginLogin(connection, context);
      if (config.mode === "broadcast") await serveBroadcast(connection, room, login);
      else await confirmer.serve(connection, login);
    }
    listeners.push(await Listener.listen(address, { ...limits, ...LINE_REPLIES, handle }));
  };
  let nats: NatsDoor | undefined;
  try {
    await listen(config.listen, config.subject);
    for (const room of config.room) await listen(room.listen, room.subject);
    nats = await openNats(config, { clients, context, limits });
    if (nats !== undefined) listeners.push(nats.listener);
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener.close()));
    rooms.close();
    throw error;
  }
  const [first] = listeners as [Listener, ...Listener[]];
  const broadcasts = config.mode === "broadcast";
  const counts = () => (broadcasts ? clients : confirmer).metrics();
  const { duration } = broadcasts ? clients.published : confirmer;
  const connections = () => {
    const [metrics, ...others] = listeners.map((listener) => listener.metrics());
    return sumMetrics([metrics!, ...others]);
  };
  return {
    addresses: listeners.map(({ address }) => address),
    console: {
      get asksForToken() {
        return context.guard() !== undefined;
      },
      connect: () => first.connect("console"),
    },
    problems: () => [],
    reread: () => {
      for (const listener of listeners) listener.reloadTls();
    },
    metrics: () => [
      ...connectionMetrics("echo", connections()),
      ...echoMetrics(counts(), duration),
    ],
    drain: async (deadline) => {
      nats?.server.lameDuck();
      await Promise.all(listeners.map((listener) => listener.drain(deadline)));
      rooms.close();
      log.info("Echo stopped", { ...counts(), ...connections() });
    },
  };
}
