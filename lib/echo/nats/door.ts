import { Listener, type ListenerOptions } from "../../net/listener.ts";
import type { ServiceContext } from "../../service.ts";
import type { Clients } from "../clients.ts";
import type { EchoConfig } from "../config.ts";
import { type NatsCarrier, NatsServer } from "./server.ts";

/** What the ports of echo share. */
export interface NatsDoorOptions {
  clients: Clients;
  context: ServiceContext;
  limits: Omit<ListenerOptions, "fullReply" | "handle">;
}

/** The port for NATS clients. */
export interface NatsDoor {
  server: NatsServer;
  listener: Listener;
}

/**
 * Opens the port for NATS clients.
 *
 * @param config The section of the service.
 * @param options See {@linkcode NatsDoorOptions}.
 * @returns `undefined` if the configuration has no such port.
 * @throws {Error} If it cannot listen.
 */
export async function openNats(
  config: EchoConfig,
  { clients, context, limits }: NatsDoorOptions,
): Promise<NatsDoor | undefined> {
  if (config.nats === undefined) return undefined;
  const server = new NatsServer(clients, {
    context,
    maxPayloadBytes: config.max_payload,
    pingIntervalMs: config.ping_interval,
  });
  const tls = config.nats.transport === "unix" ? undefined : config.tls;
  const security = tls === undefined
    ? {}
    : { tls: tls.client_ca ? "verified" : "required" } as const;
  // Clients are to see the port that was picked.
  const carrier = (): NatsCarrier => ({ address: listener.address, ...security });
  const listener: Listener = await Listener.listen(config.nats, {
    ...limits,
    fullReply: server.fullReply({ address: config.nats, ...security }),
    greeting: (connection) => ({
      text: server.infoFor(connection, carrier()),
      waitMs: config.handshake_first,
    }),
    handle: (connection) => server.serve(connection, carrier()),
  });
  return { server, listener };
}
