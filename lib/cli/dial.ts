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

/** A connection that can say that it sends no more. */
export type DialedConn = Deno.TcpConn | Deno.UnixConn;

/**
 * Connects to a server.
 *
 * @param address Where it listens.
 * @param options `retry`: whether to try again for a while if there is none.
 * @throws {CommandError} If there is none.
 */
export async function dial(address: Address, options: { retry: boolean }): Promise<DialedConn> {
  try {
    return await retry(
      () => deadline(connect(address), CONNECT_TIMEOUT_MS),
      options.retry ? RETRIES : { maxAttempts: 1 },
    );
  } catch (error) {
    if (!(error instanceof RetryError)) throw error;
    const reason = reasonOf(error.cause);
    const hint = options.retry ? "" : '; with "--retry" it is tried again for a while';
    throw new CommandError(`Cannot connect to ${formatAddress(address)}: ${reason}${hint}`);
  }
}

async function connect(address: Address): Promise<DialedConn> {
  if (address.transport === "unix") {
    return await Deno.connect({ transport: "unix", path: address.path });
  }
  const conn = await Deno.connect({ hostname: address.hostname, port: address.port });
  conn.setNoDelay(true);
  return conn;
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.ConnectionRefused) return "nobody listens there";
  if (error instanceof Deno.errors.NotFound) return "there is no such socket";
  if (error instanceof DOMException) return `no answer within ${CONNECT_TIMEOUT_MS / 1000} s`;
  if (error instanceof Error) return error.message;
  throw error;
}
