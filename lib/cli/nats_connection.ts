import type { ConnectionOptions, NatsConnection } from "@nats-io/transport-node";
import { type Address, formatAddress } from "../net/address.ts";
import { ignoreResets } from "../net/ignore_resets.ts";
import type { TlsTrust } from "../net/connect.ts";
import { type CommandArguments, CommandError, UsageError } from "./command.ts";
import { LoginError, tlsOptions, tokenOption } from "./server_options.ts";

/** How long connecting may take, unless the command says otherwise. */
const CONNECT_TIMEOUT_MS = 10_000;

/** With `--retry`, and after a lost connection: how often to try again, and how long to wait. */
const RETRIES = { maxReconnectAttempts: 60, reconnectTimeWait: 500 } as const;

/** How {@linkcode connectNats} connects. */
export interface NatsOptions {
  /** Whether to keep trying for half a minute if there is no server yet. */
  retry: boolean;
  /** Whether to connect again for as long if the connection is lost. */
  reconnect: boolean;
  /** How long connecting may take. @default {CONNECT_TIMEOUT_MS} */
  timeoutMs?: number;
}

/**
 * Connects to a server that speaks the NATS protocol, with the token and the certificates that the
 * command line names.
 *
 * @throws {UsageError} If the address is a unix socket.
 * @throws {CommandError} If it cannot connect or log in; the message says why.
 */
export async function connectNats(
  address: Address,
  args: CommandArguments,
  { retry, reconnect, timeoutMs = CONNECT_TIMEOUT_MS }: NatsOptions,
): Promise<NatsConnection> {
  if (address.transport === "unix") throw new UsageError("a NATS server has no unix socket");
  const servers = formatAddress(address);
  const token = tokenOption(args);
  const { tls } = tlsOptions(address, args);
  const options: ConnectionOptions = {
    servers,
    timeout: timeoutMs,
    reconnect: reconnect || retry,
    waitOnFirstConnect: retry,
    ...RETRIES,
    // Only this address: a cluster may announce others, which the token is not meant for.
    ignoreClusterUpdates: true,
    ...(token === undefined ? {} : { token }),
    ...(tls === undefined ? {} : { tls: tlsFor(tls) }),
  };
  // The package logs what it did not expect of a server, with a stack trace, to standard output.
  // Commands print without the console.
  Object.assign(console, { log: () => {} });
  // To the end of the command, which has no other connection.
  ignoreResets();
  // Loaded here, because no other command needs it.
  const { connect } = await import("@nats-io/transport-node");
  try {
    return await connect(options);
  } catch (error) {
    throw connectError(error as Error, { server: servers, retry, timeoutMs });
  }
}

function tlsFor({ caCerts, identity }: TlsTrust) {
  // With an issuer of its own, no other is trusted: reading those of the system needs a permission.
  return { ...(caCerts.length === 0 ? {} : { ca: caCerts.join("\n") }), ...identity };
}

function connectError(
  error: Error,
  { server, retry, timeoutMs }: { server: string; retry: boolean; timeoutMs: number },
): CommandError {
  const { name, message } = innermost(error);
  if (name === "AuthorizationError") {
    return new LoginError("Cannot log in: the server rejected the token, or expects one");
  }
  const refused = /connection refused/i.test(message);
  const reason = refused
    ? "nothing listens there"
    : name === "TimeoutError"
    ? `it did not answer within ${timeoutMs / 1000} s, or does not speak NATS`
    : message;
  const hint = refused && !retry ? '; "--retry" keeps trying for half a minute' : "";
  return new CommandError(`Cannot connect to ${server}: ${reason}${hint}`);
}

function innermost(error: Error): Error {
  return error.name !== "AuthorizationError" && error.cause instanceof Error &&
      error.name !== "ConnectionError"
    ? innermost(error.cause)
    : error;
}
