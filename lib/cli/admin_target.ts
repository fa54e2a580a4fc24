/**
 * Requests to the admin service of a running daemon.
 *
 * @module
 */

import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { AdminConfig } from "../admin/config.ts";
import { type Address, formatAddress, parseAddress } from "../net/address.ts";
import type { TlsTrust } from "../net/connect.ts";
import { type CommandArguments, CommandError, type CommandOption, UsageError } from "./command.ts";
import { CONFIG_OPTIONS, readConfig } from "./config_file.ts";
import { CA_OPTION, IDENTITY_OPTIONS, identityOption, readText } from "./server_options.ts";

/** The options that say where the admin service is and how to reach it. */
export const ADMIN_OPTIONS: readonly CommandOption[] = [
  {
    name: "address",
    value: "HOST:PORT",
    help: "address of its admin service (default: the one in the configuration)",
  },
  { name: "tls", help: "speaks TLS to --address" },
  CA_OPTION,
  { name: "insecure", help: "accepts any certificate" },
  ...IDENTITY_OPTIONS,
  ...CONFIG_OPTIONS,
];

/** An admin service. */
export interface AdminTarget {
  address: Address;
  /** Whether it speaks TLS. */
  secure: boolean;
  /** The trusted certificates (PEM) beside those that Deno trusts; "any" trusts every one. */
  trust: readonly string[] | "any";
  /** The certificate to present, and its key. */
  identity?: TlsTrust["identity"];
}

/** A request. */
export interface AdminRequest {
  method: "GET" | "POST";
  path: string;
  headers?: Record<string, string>;
  /** @default {no body} */
  body?: string;
  signal: AbortSignal;
}

/** The reply to a request. Reading the body throws if the connection ends too early. */
export interface AdminReply {
  status: number;
  body: AsyncIterable<Uint8Array>;
}

/**
 * Reads {@linkcode ADMIN_OPTIONS}.
 *
 * @throws {UsageError} If the address is malformed, or names no port.
 * @throws {CommandError} If a file cannot be used, or admin is disabled.
 */
export function adminTarget(args: CommandArguments): AdminTarget {
  const given = args.text("address");
  const identity = identityOption(args);
  const ca = args.text("ca");
  const caCerts = ca === undefined ? [] : [readText(ca)];
  const secure = args.flag("tls") || identity !== undefined || ca !== undefined;
  const { ownCerts = [], ...target } = given === undefined
    ? configured(args.text("config"), args.texts("set"))
    : { address: parse(given), secure };
  const trust = args.flag("insecure") ? "any" : [...caCerts, ...ownCerts];
  return { ...target, address: reachable(target.address), identity, trust };
}

function parse(text: string): Address {
  try {
    return parseAddress(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UsageError(error.message);
  }
}

/** The address in a configuration, and the certificate that the daemon there presents. */
function configured(
  file: string | undefined,
  overrides: readonly string[],
): Pick<AdminTarget, "address" | "secure"> & { ownCerts?: string[] } {
  const admin = readConfig(file, overrides).config.services["admin"] as AdminConfig;
  if (!admin.enabled) {
    throw new CommandError("Cannot ask the daemon: admin is disabled in its configuration");
  }
  const { listen: address, tls } = admin;
  if (tls === undefined) return { address, secure: false };
  return { address, secure: true, ownCerts: [readText(tls.cert)] };
}

/** Turns an address to listen on into one to connect to. */
function reachable(address: Address): Address {
  if (address.transport === "unix") return address;
  if (address.port === 0) {
    throw new UsageError(
      "the configuration says port 0, which is any port: name it with --address",
    );
  }
  if (address.hostname === "0.0.0.0") return { ...address, hostname: "127.0.0.1" };
  return address.hostname === "::" ? { ...address, hostname: "::1" } : address;
}

/**
 * Sends a request.
 *
 * @throws {Error} If there is no reply; see {@linkcode requestFailure}.
 */
export async function askAdmin(target: AdminTarget, request: AdminRequest): Promise<AdminReply> {
  const { secure, trust, address } = target;
  return secure && trust !== "any" && address.transport === "tcp"
    ? await requestVerified({ ...target, trust }, request)
    : await requestPlain(target, request);
}

/** Says why a request has failed. */
export function requestFailure(error: unknown): string {
  const { code } = error as Error & { code?: string };
  const message = rootMessage(error as Error);
  const refused = code === "ECONNREFUSED" || code === "ENOENT" ||
    /Connection refused/.test(message);
  if (refused) return "nothing listens there";
  const fault = /invalid peer certificate: (.*?)(?:$|: client error)/.exec(message)?.[1];
  if (fault === undefined) return message;
  return `its certificate is not accepted (${fault}): trust it with --ca, or use --insecure`;
}

/** The message of the error behind an error; `fetch` hides it behind a general one. */
function rootMessage({ message, cause }: Error): string {
  return cause instanceof Error ? rootMessage(cause) : message;
}

/** Asks over TLS, and checks the certificate. `node:https` would not know the issuers of Deno. */
async function requestVerified(
  { address, identity, trust }: AdminTarget & { trust: readonly string[] },
  { path, ...request }: AdminRequest,
): Promise<AdminReply> {
  const client = Deno.createHttpClient({ caCerts: [...trust], ...identity });
  try {
    const reply = await fetch(`https://${formatAddress(address)}${path}`, { client, ...request });
    return { status: reply.status, body: closing(reply.body ?? [], client) };
  } catch (error) {
    client.close();
    throw error;
  }
}

/** The chunks of a body; closes the client after the last one. */
async function* closing(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  client: Deno.HttpClient,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    client.close();
  }
}

/** Asks over plain HTTP, or over TLS without checking the certificate. */
function requestPlain(
  { address, secure, identity }: AdminTarget,
  { path, method, headers = {}, body, signal }: AdminRequest,
): Promise<AdminReply> {
  const { promise, resolve, reject } = Promise.withResolvers<AdminReply>();
  const place = address.transport === "unix"
    ? { socketPath: address.path }
    : { host: address.hostname, port: address.port };
  // The empty list of issuers keeps the runtime from loading those of the system.
  const checks = { rejectUnauthorized: false, ca: [] };
  const options = {
    ...place,
    ...{ path, method, headers, signal, agent: false },
    ...checks,
    ...identity,
  } as const;
  const sent = (secure ? httpsRequest : httpRequest)(options, (response) => {
    resolve({ status: response.statusCode ?? 0, body: response });
  });
  sent.on("error", reject);
  sent.end(body);
  return promise;
}
