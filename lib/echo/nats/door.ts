import { Listener, type ListenerOptions } from "../../net/listener.ts";
import type { EchoConfig } from "../config.ts";
import type { NatsCarrier, NatsServer } from "./server.ts";

/** What the ports of echo share. */
export interface NatsDoorOptions {
  server: NatsServer;
  limits: Omit<ListenerOptions, "fullReply" | "handle">;
  /** How long a client may take to begin TLS without waiting for the INFO; it may change. */
  handshakeFirstMs: () => number;
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
  { server, limits, handshakeFirstMs }: NatsDoorOptions,
): Promise<Listener | undefined> {
  if (config.nats === undefined) return undefined;
  const tls = config.nats.transport === "unix" ? undefined : config.tls;
  const security = tls === undefined
    ? {}
    : { tls: tls.client_ca ? "verified" : "required" } as const;
  // Clients are to see the port that was picked.
  const carrier = (): NatsCarrier => ({ address: listener.address, ...security });
  const listener: Listener = await Listener.listen(config.nats, {
    ...limits,
    get fullReply() {
      return server.fullReply(carrier());
    },
    greeting: (connection) => ({
      text: server.infoFor(connection, carrier()),
      waitMs: handshakeFirstMs(),
    }),
    handle: (connection) => server.serve(connection, carrier()),
  });
  return listener;
}
