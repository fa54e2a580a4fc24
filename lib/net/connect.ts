import { abortable } from "@std/async/abortable";
import type { Address } from "./address.ts";

/** Which certificates of servers are trusted, and the certificate to present in return. */
export interface TlsTrust {
  /** Issuers (PEM) to trust beside those that Deno trusts. */
  caCerts: string[];
  /** A certificate and its key (PEM), for servers that ask for a client certificate. */
  identity?: { cert: string; key: string } | undefined;
}

/** Options for {@linkcode connectWithin}. */
export interface ConnectOptions {
  /** How long connecting may take, including the TLS handshake. */
  timeoutMs: number;
  /** Makes it a TLS connection. Ignored for unix sockets. */
  tls?: TlsTrust | undefined;
}

/** Thrown when connecting takes too long. */
export class ConnectTimeoutError extends Error {
  override name = "ConnectTimeoutError";
}

/**
 * Connects within a time limit.
 *
 * @param address The address of the server. Over TLS its certificate must be for this host.
 * @throws {ConnectTimeoutError} If it takes longer than `timeoutMs`.
 * @throws {Deno.errors.InvalidData} If the certificate is not trusted, or the server does not speak
 * TLS.
 */
export async function connectWithin(
  address: Address,
  { timeoutMs, tls }: ConnectOptions,
): Promise<Deno.Conn> {
  const limit = new AbortController();
  const timer = setTimeout(() => {
    limit.abort(new ConnectTimeoutError(`it did not answer within ${timeoutMs / 1000} s`));
  }, timeoutMs);
  try {
    return await abortable(connect(address, tls, limit.signal), limit.signal);
  } finally {
    clearTimeout(timer);
  }
}

async function connect(
  address: Address,
  tls: TlsTrust | undefined,
  signal: AbortSignal,
): Promise<Deno.Conn> {
  if (tls === undefined || address.transport === "unix") {
    const plain = address.transport === "unix"
      ? await Deno.connect({ transport: "unix", path: address.path })
      : await Deno.connect({ hostname: address.hostname, port: address.port });
    if (signal.aborted) plain.close();
    return plain;
  }
  const secure = await beginTls(address, tls);
  // A server that accepts the connection and stays silent would make this wait for ever. (Deno
  // keeps the socket until the server closes it, but nothing here waits for that.)
  const cut = () => secure.close();
  if (signal.aborted) cut();
  else signal.addEventListener("abort", cut, { once: true });
  try {
    await secure.handshake();
  } catch (error) {
    if (!signal.aborted) secure.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", cut);
  }
  return secure;
}

/** Connects, and leaves the TLS handshake to the caller. */
async function beginTls(
  { hostname, port }: Address & { transport: "tcp" },
  { caCerts, identity }: TlsTrust,
): Promise<Deno.TlsConn> {
  // The only way to present a certificate. It does not let us set TCP options.
  if (identity !== undefined) {
    return await Deno.connectTls({ hostname, port, caCerts, ...identity });
  }
  const tcp = await Deno.connect({ hostname, port });
  // It must be now: a TLS connection of Deno has no TCP options.
  tcp.setNoDelay(true);
  tcp.setKeepAlive(true);
  return await Deno.startTls(tcp, { hostname, caCerts });
}

/**
 * Says why a connection was lost.
 *
 * @param error The error of a read or a write.
 */
export function lossReason(error: Error): string {
  // The peer closed without TLS's close_notify, as servers do that reject a client certificate.
  if (!(error instanceof Deno.errors.UnexpectedEof)) return error.message;
  return "the server cut it off, and may require a client certificate";
}
