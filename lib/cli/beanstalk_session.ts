import { type Address, formatAddress } from "../net/address.ts";
import { BeanstalkClient } from "../task/beanstalk/client.ts";
import { CommandError, UsageError } from "./command.ts";
import { sendToken } from "./server_options.ts";

/** How long the first reply may take, before the server is taken for one of another protocol. */
const FIRST_REPLY_TIMEOUT_MS = 10_000;

/** Thrown when a server does not speak the beanstalk protocol. */
export class WrongProtocolError extends CommandError {
  override name = "WrongProtocolError";
}

/**
 * Opens a session on the beanstalk port of a server: logs in, and makes sure that it is that port.
 * The push port of the same service takes every line for an answer, so a command sent to it would
 * wait for ever.
 *
 * @param conn The connection. It is closed if the session fails.
 * @throws {UsageError} If the server expects a token and there is none.
 * @throws {CommandError} If the server rejects the token.
 * @throws {WrongProtocolError} If it does not reply, or not in the beanstalk protocol.
 * @throws {ConnectionLostError} If the connection is lost.
 */
export async function openBeanstalkSession(
  conn: Deno.Conn,
  { address, token }: { address: Address; token: string | undefined },
): Promise<BeanstalkClient> {
  const client = new BeanstalkClient(conn);
  const silence = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => silence.reject(wrongProtocol(address, "it does not reply")),
    FIRST_REPLY_TIMEOUT_MS,
  );
  try {
    await Promise.race([silence.promise, logIn(client, address, token)]);
    return client;
  } catch (error) {
    client.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function logIn(
  client: BeanstalkClient,
  address: Address,
  token: string | undefined,
): Promise<void> {
  await sendToken(client, token);
  const { words } = await client.ask("list-tube-used");
  if (words[0] === "USING") return;
  if (words[0] === "TOKEN_EXPECTED") {
    throw new UsageError("the server expects a token: give it with --token-file or QUARTET_TOKEN");
  }
  // Other error replies of the protocol are words in capitals as well.
  if (/^[A-Z]+(_[A-Z]+)+$/.test(words[0]!)) {
    throw new CommandError(`Cannot use ${formatAddress(address)}: the server said ${words[0]}`);
  }
  throw wrongProtocol(address, "it speaks another protocol");
}

function wrongProtocol(address: Address, symptom: string): WrongProtocolError {
  return new WrongProtocolError(
    `Cannot use ${formatAddress(address)}: ${symptom}, as the push port would. ` +
      'Use the beanstalk port ("beanstalk" in [task], 11300 by default), or "work --push"',
  );
}
