import * as v from "valibot";
import type { Rates } from "../net/rate_limits.ts";
import type { ListenerLimits } from "../net/listener.ts";
import type { TlsFiles } from "../net/tls.ts";
import { rateOf } from "../token_bucket.ts";
import { trustedSenders } from "./trusted_senders.ts";
import { count, duration, flag, rate, text } from "./values.ts";

const DAY_MS = 86_400_000;

/** The keys of `tls`: PEM files. With `client_ca`, clients need a certificate that it signed. */
export const TLS_KEYS = { cert: text(), key: text(), client_ca: v.optional(text()) } as const;

/** The key of services whose commands can be slow. */
export const SLOW_KEYS = {
  /** A command that takes this long is slow; "off" for none. */
  slow_command: v.optional(duration({ min: 1, max: DAY_MS, off: true }), "100ms"),
} as const;

/** The keys that every service's section has; a service spreads them into its schema. */
export const SERVICE_KEYS = {
  enabled: v.optional(flag(), true),
  /** The files for TLS; without them the service speaks plain TCP. */
  tls: v.optional(v.strictObject(TLS_KEYS)),
  /** How many connections one address may have; 0 for no limit beyond `max_clients`. */
  max_clients_per_address: v.optional(count({ max: 1_000_000 }), 0),
  /** How long a client may take to finish a request that it has begun; "off" for no limit. */
  request_timeout: v.optional(duration({ min: 10, max: DAY_MS, off: true }), "2m"),
  /** How often one address may send a request, and how many it may send at once after a rest. */
  rate_limit: v.optional(rate(), "off"),
  rate_burst: v.optional(count({ max: 1_000_000 }), 0),
  /** The same for all clients with one token. */
  token_rate_limit: v.optional(rate(), "off"),
  token_rate_burst: v.optional(count({ max: 1_000_000 }), 0),
  /** The proxies whose connections begin with a PROXY header; see `TrustedSenders`. */
  proxy_protocol: v.optional(trustedSenders(), []),
  /** Whether other machines may connect without a token. */
  insecure: v.optional(flag(), false),
} as const;

/** The value of `tls`; see {@linkcode TLS_KEYS}. */
export interface TlsKeys {
  cert: string;
  key: string;
  client_ca?: string | undefined;
}

/** Names the files of `tls` as the network code does. */
export function tlsFiles({ cert, key, client_ca: clientCa }: TlsKeys): TlsFiles {
  return { cert, key, clientCa };
}

/** Keys that take effect on a running service, whose listeners have the limits they set. */
export const LIVE_LIMITS = [
  "max_clients",
  "max_clients_per_address",
  "idle_timeout",
  "request_timeout",
  "rate_limit",
  "rate_burst",
  "token_rate_limit",
  "token_rate_burst",
  "proxy_protocol",
  "insecure",
] as const;

/** Those {@linkcode SERVICE_KEYS} that matter to a listener; times are in milliseconds. */
export interface ListenerKeys {
  tls?: TlsKeys | undefined;
  max_clients_per_address: number;
  request_timeout: number;
  proxy_protocol: string[];
}

/** The limits of a listener by the section of its service. */
export function listenerLimits(
  keys: ListenerKeys & { max_clients: number; idle_timeout: number },
): ListenerLimits {
  return {
    maxClients: keys.max_clients,
    maxClientsPerAddress: keys.max_clients_per_address || undefined,
    idleTimeoutMs: keys.idle_timeout,
    requestTimeoutMs: keys.request_timeout,
    proxyProtocol: keys.proxy_protocol,
  };
}

/** Translates {@linkcode ListenerKeys} into the options of a listener. */
export function listenerOptions(keys: ListenerKeys) {
  return {
    tls: keys.tls && tlsFiles(keys.tls),
    proxyProtocol: keys.proxy_protocol,
    maxClientsPerAddress: keys.max_clients_per_address || undefined,
    requestTimeoutMs: keys.request_timeout,
  };
}

/** Those {@linkcode SERVICE_KEYS} that limit rates; a rate is the milliseconds between requests. */
export interface RateKeys {
  rate_limit: number;
  /** 0 for as many as the rate allows in a second. */
  rate_burst: number;
  token_rate_limit: number;
  token_rate_burst: number;
}

/** The rate limits by the section of a service. */
export function serviceRates(keys: RateKeys): Rates {
  return {
    address: rateOf(keys.rate_limit, keys.rate_burst || undefined),
    token: rateOf(keys.token_rate_limit, keys.token_rate_burst || undefined),
  };
}
