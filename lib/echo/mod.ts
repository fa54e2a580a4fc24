/**
 * The echo service: a bus of lines. In broadcast mode each line goes to all clients. In confirm mode
 * it goes to the log, and its sender gets a reply. Clients of NATS share the bus through a port of
 * their own.
 *
 * @module
 */

import { listenerOptions } from "../config/service_keys.ts";
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
import { openNats } from "./nats/door.ts";

/** The echo service, as the table of services lists it. */
export const echo: Service<EchoConfig> = {
  name: "echo",
  schema: echoConfigSchema,
  addresses: (config) => [config.listen, config.nats ?? []].flat(),
  start,
};

async function start(config: EchoConfig, context: ServiceContext): Promise<RunningService> {
  const { bus, log } = context;
  const clients = new Clients(config, { bus, log });
  const room = { clients, subject: config.subject, maxLineBytes: config.max_line };
  const confirmer = new Confirmer(config, log);
  async function handle(connection: Connection): Promise<void> {
    using login = beginLogin(connection, context);
    if (config.mode === "broadcast") await serveBroadcast(connection, room, login);
    else await confirmer.serve(connection, login);
  }
  const limits = {
    ...listenerOptions(config),
    maxClients: config.max_clients,
    idleTimeoutMs: config.idle_timeout,
    log,
  };
  const listener = await Listener.listen(config.listen, { ...limits, ...LINE_REPLIES, handle });
  const nats = await openNats(config, { clients, context, limits }).catch(async (error) => {
    await listener.close();
    throw error;
  });
  const listeners = [listener, nats?.listener ?? []].flat();
  const broadcasts = config.mode === "broadcast";
  const counts = () => (broadcasts ? clients : confirmer).metrics();
  const { duration } = broadcasts ? clients.published : confirmer;
  const connections = () => sumMetrics(listeners.map((listener) => listener.metrics()));
  return {
    addresses: listeners.map(({ address }) => address),
    console: {
      get asksForToken() {
        return context.guard() !== undefined;
      },
      connect: () => listener.connect("console"),
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
      log.info("Echo stopped", { ...counts(), ...connections() });
    },
  };
}
