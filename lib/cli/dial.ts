import { retry, RetryError } from "@std/async/retry";
import { type Address, formatAddress, parseAddress } from "../net/address.ts";
import { connectWithin, type TlsTrust } from "../net/connect.ts";
import { CommandError, UsageError } from "./command.ts";

/** How long one attempt to connect may take. */
const CONNECT_TIMEOUT_MS = 10_000;

/** The attempts of `--retry`: for about half a minute, ten of them in the first two seconds. */
const RETRIES = {
  maxAttempts: 20,
  minTimeout: 50,
  multiplier: 1.5,
  maxTimeout: 3000,
  jitter: 0,
};

/**
 * Parses an address on the command line.
 *
 * @throws {UsageError} If it is malformed.
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
  /** Whether to keep trying for a while if there is no server. */
  retry: boolean;
  /** See {@linkcode TlsTrust}. */
  tls?: TlsTrust;
}

/**
 * Connects to a server.
 *
 * @param address Where it listens.
 * @param options See {@linkcode DialOptions}.
 * @throws {CommandError} If it cannot connect, or does not trust the certificate.
 */
export async function dial(address: Address, options: DialOptions): Promise<Deno.Conn> {
  try {
    return await retry(
      () => connect(address, options.tls),
      { ...(options.retry ? RETRIES : { maxAttempts: 1 }), isRetriable },
    );
  } catch (error) {
    const cause = error instanceof RetryError ? error.cause : error;
    const reason = reasonOf(cause);
    const hint = options.retry || !isRetriable(cause)
      ? ""
      : '; "--retry" keeps trying for half a minute';
    throw new CommandError(`Cannot connect to ${formatAddress(address)}: ${reason}${hint}`);
  }
}

async function connect(address: Address, tls: TlsTrust | undefined): Promise<Deno.Conn> {
  const conn = await connectWithin(address, { timeoutMs: CONNECT_TIMEOUT_MS, tls });
  if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
  return conn;
}

/** Retrying does not help with an untrusted certificate or a server that does not speak TLS. */
function isRetriable(error: unknown): boolean {
  return !(error instanceof Deno.errors.InvalidData);
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.ConnectionRefused) return "nothing listens there";
  if (error instanceof Deno.errors.NotFound) return "there is no such socket";
  if (error instanceof Error) return error.message;
  throw error;
}
