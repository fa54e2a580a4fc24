/**
 * The options that all commands which connect to a server share: trust, certificate and token.
 *
 * @module
 */

import { fileErrorReason } from "../file_error.ts";
import type { Address } from "../net/address.ts";
import type { TlsTrust } from "../net/connect.ts";
import { readTlsFiles } from "../net/tls.ts";
import type { BeanstalkClient } from "../task/beanstalk/client.ts";
import { type CommandArguments, CommandError, type CommandOption, UsageError } from "./command.ts";
import type { DialOptions } from "./dial.ts";

/** The options for a server that requires a client certificate. */
export const IDENTITY_OPTIONS: readonly CommandOption[] = [
  { name: "cert", value: "FILE", help: "presents this certificate (PEM); implies --tls" },
  { name: "key", value: "FILE", help: "private key of that certificate (PEM)" },
];

/** The option for a server whose certificate has an issuer of its own. */
export const CA_OPTION: CommandOption = {
  name: "ca",
  value: "FILE",
  help: "trusts this certificate or issuer (PEM); implies --tls",
};

/** The option for a server that requires a token. */
export const TOKEN_OPTION: CommandOption = {
  name: "token-file",
  value: "FILE",
  help: "sends the token in this file (default: the value of QUARTET_TOKEN)",
};

/** All options about a server. */
export const SERVER_OPTIONS: readonly CommandOption[] = [
  { name: "tls", help: "speaks TLS" },
  CA_OPTION,
  ...IDENTITY_OPTIONS,
  TOKEN_OPTION,
];

/**
 * Reads the options for TLS.
 *
 * @throws {UsageError} If the address cannot speak TLS.
 * @throws {CommandError} If a file cannot be read or used.
 */
export function tlsOptions(address: Address, args: CommandArguments): Pick<DialOptions, "tls"> {
  const file = args.text("ca");
  const identity = identityOption(args);
  if (file === undefined && identity === undefined && !args.flag("tls")) return {};
  if (address.transport === "unix") throw new UsageError("a unix socket does not speak TLS");
  return { tls: { caCerts: file === undefined ? [] : [readText(file)], identity } };
}

/**
 * Reads the certificate to present to the server, and its key.
 *
 * @throws {UsageError} If only one of them is given.
 * @throws {CommandError} If they cannot be read or used.
 */
export function identityOption(args: CommandArguments): TlsTrust["identity"] {
  const cert = args.text("cert");
  const key = args.text("key");
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) throw new UsageError("--cert needs --key");
  try {
    return readTlsFiles({ cert, key });
  } catch (error) {
    throw new CommandError((error as Error).message);
  }
}

/**
 * Reads the token to send to the server; `undefined` if there is none.
 *
 * @throws {CommandError} If it cannot be read or is malformed.
 */
export function tokenOption(args: CommandArguments): string | undefined {
  const file = args.text("token-file");
  const token = file === undefined ? Deno.env.get("QUARTET_TOKEN") : readText(file);
  if (file === undefined && !token) return undefined;
  const value = token!.replace(/\r?\n$/, "");
  if (/^[\x21-\x7e]+$/.test(value)) return value;
  const where = file === undefined ? "QUARTET_TOKEN" : `"${file}"`;
  throw new CommandError(`Cannot use the token in ${where}: it must be one line without blanks`);
}

/** The server rejects the token, so another attempt would fail as well. */
export class LoginError extends CommandError {
  override name = "LoginError";
}

/**
 * Logs in to a queue, if there is a token.
 *
 * @throws {LoginError} If the server rejects the token.
 * @throws {CommandError} If the server does not check it, after too many failures.
 */
export async function sendToken(client: BeanstalkClient, token: string | undefined): Promise<void> {
  if (token === undefined) return;
  const [word] = (await client.ask(`auth ${token}`)).words;
  if (word === "AUTHENTICATED") return;
  client.close();
  if (word === "TOO_MANY_FAILURES") {
    throw new CommandError("Cannot log in: too many wrong tokens came from this address");
  }
  throw new LoginError("Cannot log in: the server rejected the token");
}

/**
 * Describes the reply to a rejected token. It quotes only error replies: a server that echoes its
 * input would otherwise put the token into the message.
 */
export function loginError(answer: string): CommandError {
  if (/too many failures/.test(answer)) {
    return new CommandError("Cannot log in: too many wrong tokens came from this address");
  }
  const said = /^(?:ERR|-)/.test(answer)
    ? `the server said ${answer}`
    : "it does not expect a token";
  return new LoginError(`Cannot log in: ${said}`);
}

/**
 * Reads a text file named on the command line.
 *
 * @throws {CommandError} If it cannot be read.
 */
export function readText(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (error) {
    throw new CommandError(`Cannot read "${file}": ${fileErrorReason(error)}`);
  }
}
