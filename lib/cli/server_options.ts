/**
 * What all commands that connect to a server have in common: how they trust it, and what they show
 * it.
 *
 * @module
 */

import type { Address } from "../net/address.ts";
import type { TlsTrust } from "../net/connect.ts";
import { readTlsFiles } from "../net/tls.ts";
import type { BeanstalkClient } from "../task/beanstalk/client.ts";
import { type CommandArguments, CommandError, type CommandOption, UsageError } from "./command.ts";
import type { DialOptions } from "./dial.ts";

/** What is shown to a server that speaks TLS and asks for a certificate. */
export const IDENTITY_OPTIONS: readonly CommandOption[] = [
  { name: "cert", value: "FILE", help: "shows this certificate (PEM); implies --tls" },
  { name: "key", value: "FILE", help: "the key of that certificate" },
];

/** The options themselves. */
export const SERVER_OPTIONS: readonly CommandOption[] = [
  { name: "tls", help: "speaks TLS" },
  { name: "ca", value: "FILE", help: "trusts this certificate or issuer (PEM); implies --tls" },
  ...IDENTITY_OPTIONS,
  {
    name: "token-file",
    value: "FILE",
    help: "shows the token in this file to the server (default: that in QUARTET_TOKEN)",
  },
];

/**
 * How the server is trusted, and what it is shown.
 *
 * @throws {UsageError} If that makes no sense for the address.
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
 * The certificate that is shown to the server, and its key.
 *
 * @throws {UsageError} If only one of them is named.
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
 * The token that is shown to the server; `undefined` if there is none.
 *
 * @throws {CommandError} If it cannot be read, or is none.
 */
export function tokenOption(args: CommandArguments): string | undefined {
  const file = args.text("token-file");
  const token = file === undefined ? Deno.env.get("QUARTET_TOKEN") : readText(file);
  if (file === undefined && !token) return undefined;
  const value = token!.replace(/\r?\n$/, "");
  if (/^[\x21-\x7e]+$/.test(value)) return value;
  const where = file === undefined ? "QUARTET_TOKEN" : `"${file}"`;
  throw new CommandError(`Cannot use the token in ${where}: it needs one line without blanks`);
}

/**
 * Shows a token, if there is one, to a server of jobs.
 *
 * @throws {CommandError} If it does not open the server.
 */
export async function showToken(client: BeanstalkClient, token: string | undefined): Promise<void> {
  if (token === undefined || await client.login(token)) return;
  client.close();
  throw new CommandError("Cannot log in: the server does not take the token");
}

/**
 * What is wrong with the answer to a token, for people. It never quotes a server that says the
 * token itself, as one that repeats every line would.
 */
export function loginError(answer: string): CommandError {
  const said = /^(?:ERR|-)/.test(answer) ? `the server said ${answer}` : "it asks for no token";
  return new CommandError(`Cannot log in: ${said}`);
}

/**
 * Reads a file that the command line names.
 *
 * @throws {CommandError} If it cannot be read.
 */
export function readText(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new CommandError(`Cannot read "${file}": ${error.message}`);
  }
}
