/**
 * The echo service: a bus of lines. In broadcast mode each line goes to all clients. In confirm mode
 * it goes to the log, and its sender gets a reply.
 *
 * @module
 */

import { listenerOptions } from "../config/service_keys.ts";
import type { Connection } from "../net/connection.ts";
import { LINE_REPLIES } from "../net/line_replies.ts";
import { Listener } from "../net/listener.ts";
import { connectionMetrics } from "../net/listener_metrics.ts";
import { beginLogin } from "../net/login.ts";
import type { RunningService, Service, ServiceContext } from "../service.ts";
import { Clients } from "./clients.ts";
import { type EchoConfig, echoConfigSchema } from "./config.ts";
import { serveBroadcast } from "./lines/broadcast.ts";
import { Confirmer } from "./lines/confirm.ts";
import { echoMetrics } from "./metrics.ts";

/** The echo service, as the table of services lists it. */
export const echo: Service<EchoConfig> = {
  name: "echo",
  schema: echoConfigSchema,
  addresses: (config) => [config.listen],
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
  const listener = await Listener.listen(config.listen, {
    maxClients: config.max_clients,
    idleTimeoutMs: config.idle_timeout,
    ...listenerOptions(config),
    ...LINE_REPLIES,
    log,
    handle,
  });
  const broadcasts = config.mode === "broadcast";
  const counts = () => (broadcasts ? clients : confirmer).metrics();
  const { duration } = broadcasts ? clients.published : confirmer;
  return {
    addresses: [listener.address],
    console: {
      get asksForToken() {
        return context.guard() !== undefined;
      },
      connect: () => listener.connect("console"),
    },
    problems: () => [],
    reread: () => listener.reloadTls(),
    metrics: () => [
      ...connectionMetrics("echo", listener.metrics()),
      ...echoMetrics(counts(), duration),
    ],
    drain: async (deadline) => {
      await listener.drain(deadline);
      log.info("Echo stopped", { ...counts(), ...listener.metrics() });
    },
  };
}
