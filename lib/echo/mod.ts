/**
 * The echo service: a bus of lines. In broadcast mode each line goes to all clients. In confirm mode
 * it goes to the log, and its sender gets a reply.
 *
 * @module
 */

import { listenerOptions } from "../config/service_keys.ts";
import type { Histogram, Metric } from "../metrics.ts";
import type { Connection } from "../net/connection.ts";
import { LINE_REPLIES } from "../net/line_replies.ts";
import { Listener } from "../net/listener.ts";
import { connectionMetrics } from "../net/listener_metrics.ts";
import { beginLogin } from "../net/login.ts";
import type { RunningService, Service, ServiceContext } from "../service.ts";
import { serveBroadcast } from "./lines/broadcast.ts";
import { type EchoConfig, echoConfigSchema } from "./config.ts";
import { Confirmer } from "./lines/confirm.ts";
import { Room, type RoomMetrics } from "./room.ts";

/** The echo service, as the table of services lists it. */
export const echo: Service<EchoConfig> = {
  name: "echo",
  schema: echoConfigSchema,
  addresses: (config) => [config.listen],
  start,
};

async function start(config: EchoConfig, context: ServiceContext): Promise<RunningService> {
  const { log } = context;
  const room = new Room(config, log);
  const confirmer = new Confirmer(config, log);
  async function handle(connection: Connection): Promise<void> {
    using login = beginLogin(connection, context);
    if (config.mode === "broadcast") await serveBroadcast(connection, room, config, login);
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
  const counted = config.mode === "broadcast" ? room : confirmer;
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
      ...echoMetrics(counted.metrics(), counted.duration),
    ],
    drain: async (deadline) => {
      await listener.drain(deadline);
      log.info("Echo stopped", { ...counted.metrics(), ...listener.metrics() });
    },
  };
}

function echoMetrics(stats: RoomMetrics, duration: Histogram): Metric[] {
  const counter = (name: string, help: string, value: number): Metric => (
    { type: "counter", name, help, samples: [{ value }] }
  );
  return [
    counter("echo_messages_total", "Messages received from clients.", stats.messages),
    counter("echo_delivered_messages_total", "Messages written to clients.", stats.delivered),
    counter(
      "echo_dropped_messages_total",
      "Messages dropped because a client was slow.",
      stats.dropped,
    ),
    counter("echo_long_lines_total", "Lines longer than max_line.", stats.longLines),
    {
      type: "gauge",
      name: "echo_slow_clients",
      help: "Clients that are slow at present.",
      samples: [{ value: stats.slowClients }],
    },
    {
      type: "histogram",
      name: "echo_message_duration_seconds",
      help: "Time from reading a message until it was queued for every client or dropped; in " +
        "confirm mode, until the reply was written.",
      samples: [{ histogram: duration }],
    },
  ];
}
