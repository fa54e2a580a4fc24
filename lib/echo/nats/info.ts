import type { Address } from "../../net/address.ts";

/**
 * The version of nats-server whose client protocol this is. Clients compare it to learn what they
 * can ask for.
 */
const PROTOCOL_OF_VERSION = "2.9.0";

/** What the server tells every client about itself. */
export interface ServerInfo {
  /** Identifies the server. */
  id: string;
  /** The version of quartet. */
  version: string;
  /** Where it listens. */
  address: Address;
  maxPayloadBytes: number;
  /** Whether clients must present a token. */
  authRequired: boolean;
  /** Whether clients must speak TLS; "verified": with a certificate of their own. */
  tls: "required" | "verified" | undefined;
  /** Whether the bus of this daemon is itself linked through NATS, so that others must not link to it. */
  linked: boolean;
  /** Whether the server is about to stop. */
  lameDuck: boolean;
}

/** What it tells one client about that client. */
export interface ClientInfo {
  id: number;
  /** The address of the client, without a port. */
  host: string;
}

const encoder = new TextEncoder();

/** The INFO operation, the first thing that a client hears. A client to be refused has no number. */
export function infoFor(
  server: ServerInfo,
  client: ClientInfo | undefined,
): Uint8Array<ArrayBuffer> {
  const { address } = server;
  const tcp = address.transport === "tcp";
  const fields = {
    server_id: server.id,
    server_name: `quartet-${server.id.slice(0, 8)}`,
    version: PROTOCOL_OF_VERSION,
    quartet: server.version,
    ...(server.linked ? { quartet_linked: true } : {}),
    proto: 1,
    host: tcp ? address.hostname : address.path,
    port: tcp ? address.port : 0,
    headers: true,
    max_payload: server.maxPayloadBytes,
    ...(client === undefined
      ? {}
      : { client_id: client.id, client_ip: client.host.replace(/^\[(.*)\]$/, "$1") }),
    // As in nats-server, a key that does not apply is left out.
    ...(server.authRequired ? { auth_required: true } : {}),
    ...(server.tls !== undefined ? { tls_required: true } : {}),
    ...(server.tls === "verified" ? { tls_verify: true } : {}),
    ...(server.lameDuck ? { ldm: true } : {}),
  };
  return encoder.encode(`INFO ${JSON.stringify(fields)} \r\n`);
}
