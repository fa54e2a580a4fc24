import { abortable } from "@std/async/abortable";
import type { Address } from "./address.ts";

/** Speaks TLS, whose certificates are taken, and what is shown in return. */
export interface TlsTrust {
  /** Issuers (PEM) that are trusted beside those that Deno trusts. */
  caCerts: string[];
  /** A certificate and its key (PEM), for servers that ask for one. */
  identity?: { cert: string; key: string } | undefined;
}

/** Options for {@linkcode connectWithin}. */
export interface ConnectOptions {
  /** How long it may take until there is a connection; over TLS, the handshake included. */
  timeoutMs: number;
  /** Without it, it speaks plainly. Not for unix sockets. */
  tls?: TlsTrust | undefined;
}

/** Thrown when a server does not answer in time. */
export class ConnectTimeoutError extends Error {
  override name = "ConnectTimeoutError";
}

/**
 * Connects, or gives up after a while.
 *
 * @param address Where the server listens. Its certificate has to be for that host.
 * @throws {ConnectTimeoutError} If that takes too long.
 * @throws {Deno.errors.InvalidData} If its certificate is not trusted, or it does not speak TLS.
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
  // A server that takes the connection and says nothing would be waited for without end. (Deno
  // lets go of the socket only when that server does; nothing of ours waits for it.)
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

/** Connects, and leaves the handshake to be done. */
async function beginTls(
  { hostname, port }: Address & { transport: "tcp" },
  { caCerts, identity }: TlsTrust,
): Promise<Deno.TlsConn> {
  // Deno shows a certificate in no other way, and then takes no options of TCP.
  if (identity !== undefined) {
    return await Deno.connectTls({ hostname, port, caCerts, ...identity });
  }
  const tcp = await Deno.connect({ hostname, port });
  // Now or never: a connection over TLS has no such options.
  tcp.setNoDelay(true);
  tcp.setKeepAlive(true);
  return await Deno.startTls(tcp, { hostname, caCerts });
}

/**
 * Why a connection was lost, in words.
 *
 * @param error What a read or a write has thrown.
 */
export function lossReason(error: Error): string {
  // Over TLS, without the word that ends it: so ends who does not like the certificate of a client.
  if (!(error instanceof Deno.errors.UnexpectedEof)) return error.message;
  return "the server has cut it, perhaps for want of a certificate";
}
