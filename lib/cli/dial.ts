import { deadline } from "@std/async/deadline";
import { retry, RetryError } from "@std/async/retry";
import { type Address, formatAddress, parseAddress } from "../net/address.ts";
import { CommandError, UsageError } from "./command.ts";

/** How long one attempt to connect may take. */
const CONNECT_TIMEOUT_MS = 10_000;

/** How often `--retry` tries: for about half a minute, ten times in the first two seconds. */
const RETRIES = {
  maxAttempts: 20,
  minTimeout: 50,
  multiplier: 1.5,
  maxTimeout: 3000,
  jitter: 0,
};

/**
 * Reads the address in a command line.
 *
 * @throws {UsageError} If it is none.
 */
export function addressArgument(text: string): Address {
  try {
    return parseAddress(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(error.message);
    throw error;
  }
}

/** How {@linkcode dial} connects. */
export interface DialOptions {
  /** Whether to try again for a while if there is no server. */
  retry: boolean;
  /** Speaks TLS, and trusts these issuers (PEM) beside those that the system trusts. */
  tls?: { caCerts: string[] };
}

/**
 * Connects to a server.
 *
 * @param address Where it listens.
 * @param options See {@linkcode DialOptions}.
 * @throws {CommandError} If there is none, or its certificate is not trusted.
 */
export async function dial(address: Address, options: DialOptions): Promise<Deno.Conn> {
  try {
    return await retry(
      () => deadline(connect(address, options.tls), CONNECT_TIMEOUT_MS),
      { ...(options.retry ? RETRIES : { maxAttempts: 1 }), isRetriable },
    );
  } catch (error) {
    const cause = error instanceof RetryError ? error.cause : error;
    const reason = reasonOf(cause);
    const hint = options.retry || !isRetriable(cause)
      ? ""
      : '; with "--retry" it is tried again for a while';
    throw new CommandError(`Cannot connect to ${formatAddress(address)}: ${reason}${hint}`);
  }
}

async function connect(address: Address, tls: DialOptions["tls"]): Promise<Deno.Conn> {
  if (address.transport === "unix") {
    return await Deno.connect({ transport: "unix", path: address.path });
  }
  const { hostname, port } = address;
  const conn = await Deno.connect({ hostname, port });
  conn.setNoDelay(true);
  if (tls === undefined) return conn;
  const secure = await Deno.startTls(conn, { hostname, caCerts: tls.caCerts });
  try {
    await secure.handshake();
  } catch (error) {
    secure.close();
    throw error;
  }
  return secure;
}

/** A certificate that is not trusted, or a server that does not speak TLS, is so the next time. */
function isRetriable(error: unknown): boolean {
  return !(error instanceof Deno.errors.InvalidData);
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.ConnectionRefused) return "nobody listens there";
  if (error instanceof Deno.errors.NotFound) return "there is no such socket";
  if (error instanceof DOMException) return `no answer within ${CONNECT_TIMEOUT_MS / 1000} s`;
  if (error instanceof Error) return error.message;
  throw error;
}
