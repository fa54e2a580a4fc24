import * as v from "valibot";
import type { TlsFiles } from "../net/tls.ts";
import { count, duration, flag, text } from "./values.ts";

const DAY_MS = 86_400_000;

/** The keys of TLS: files in PEM. With `client_ca` clients need a certificate that it has signed. */
export const TLS_KEYS = { cert: text(), key: text(), client_ca: v.optional(text()) } as const;

/** The keys that the section of every service has, to be spread into its schema. */
export const SERVICE_KEYS = {
  enabled: v.optional(flag(), true),
  /** The certificate and its key, as files; without them the service speaks plainly. */
  tls: v.optional(v.strictObject(TLS_KEYS)),
  /** How many connections an address may have; without it, as many as there may be in all. */
  max_clients_per_address: v.optional(count({ min: 1 })),
  /** How long a client may take over a request that it has begun; "off" for ever. */
  request_timeout: v.optional(duration({ min: 10, max: DAY_MS, off: true }), "2m"),
  /** Allows other machines to connect without a token. */
  insecure: v.optional(flag(), false),
} as const;

/** What {@linkcode TLS_KEYS} come to. */
export interface TlsKeys {
  cert: string;
  key: string;
  client_ca?: string | undefined;
}

/** The files that the keys of TLS name. */
export function tlsFiles({ cert, key, client_ca: clientCa }: TlsKeys): TlsFiles {
  return { cert, key, clientCa };
}

/** What {@linkcode SERVICE_KEYS} come to, as far as listeners care. */
export interface ListenerKeys {
  tls?: TlsKeys | undefined;
  max_clients_per_address?: number | undefined;
  request_timeout: number;
}

/** The options of a listener that come from the keys that every service has. */
export function listenerOptions(keys: ListenerKeys) {
  return {
    tls: keys.tls && tlsFiles(keys.tls),
    maxClientsPerAddress: keys.max_clients_per_address,
    requestTimeoutMs: keys.request_timeout,
  };
}
