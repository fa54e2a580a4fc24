/**
 * Addresses as they are written in the configuration: `host:port`, `[v6]:port`, `unix:/path`.
 *
 * @module
 */

import { formatIp, isMappedIpv4, parseIp } from "./ip.ts";

/** Where a service listens or a client connects. */
export type Address =
  | { transport: "tcp"; hostname: string; port: number }
  | { transport: "unix"; path: string };

/** What an address looks like; its port may still be too high. */
export const ADDRESS = /^(?:unix:(.+)|(?:\[([0-9a-fA-F:.%]+)\]|([^\s:\[\]/]+)):(\d{1,5}))$/;

const ADDRESS_FORMS = '"host:port", "[v6 address]:port" or "unix:/path"';

/**
 * Parses an address.
 *
 * @param text An address in one of the three forms; the port is 0 to 65535.
 * @throws {SyntaxError} If the text has none of these forms.
 */
export function parseAddress(text: string): Address {
  const [, path, v6, host, digits] = ADDRESS.exec(text) ?? [];
  if (path !== undefined) return { transport: "unix", path };
  if (digits === undefined || Number(digits) > 65535) {
    const fault = text === "unix:" ? "the path is missing" : `expected ${ADDRESS_FORMS}`;
    throw new SyntaxError(`Cannot read "${text}" as an address: ${fault}`);
  }
  return { transport: "tcp", hostname: (v6 ?? host)!, port: Number(digits) };
}

/** Formats an address so that {@linkcode parseAddress} can parse it. */
export function formatAddress(address: Address): string {
  if (address.transport === "unix") return `unix:${address.path}`;
  const { hostname, port } = address;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Converts an address of Deno. */
export function addressOf(address: Deno.Addr): Address {
  if (address.transport === "tcp") {
    return { transport: "tcp", hostname: address.hostname, port: address.port };
  }
  if (address.transport === "unix") return { transport: "unix", path: address.path };
  throw new TypeError(`Cannot use an address of transport "${address.transport}"`);
}

/** Whether only this machine can connect to an address. */
export function isLoopback(address: Address): boolean {
  if (address.transport === "unix") return true;
  return /^(localhost|127(\.\d{1,3}){3}|::1)$/i.test(address.hostname);
}

/** The address shown for clients of a unix socket, which have none of their own. */
export const UNIX_PEER = "unix";

/**
 * Whether a client is on this machine.
 *
 * @param host See `Connection.host`.
 */
export function isThisMachine(host: string): boolean {
  const hostname = host.replace(/^\[(.*)\]$/, "$1").replace(/^::ffff:/i, "");
  return hostname === UNIX_PEER || isLoopback({ transport: "tcp", hostname, port: 0 });
}

/** Whether a host stands for all interfaces of this machine. */
export function isAnyHost(hostname: string): boolean {
  return hostname === "0.0.0.0" || hostname === "::";
}

/** Whether two listeners cannot have these addresses at the same time. */
export function collide(a: Address, b: Address): boolean {
  if (a.transport === "unix" || b.transport === "unix") {
    return a.transport === "unix" && b.transport === "unix" && a.path === b.path;
  }
  if (a.port !== b.port || a.port === 0) return false;
  return a.hostname === b.hostname || isAnyHost(a.hostname) || isAnyHost(b.hostname);
}

/** The length of a /64. */
const NETWORK_BYTES = 8;

/**
 * The network that limits per address count as one client: an IPv4 address, also one that is mapped
 * into IPv6, or the /64 around an IPv6 address, since the owner of one address usually has all of it.
 *
 * @param host The address of a client without its port, with or without brackets. Anything else, such
 * as "unix", is returned as it is.
 */
export function clientNetwork(host: string): string {
  const address = host.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  if (!address.includes(":")) return host;
  const ip = parseIp(address);
  if (ip === undefined) return host;
  if (isMappedIpv4(ip)) return formatIp(ip);
  return `${formatIp(ip.fill(0, NETWORK_BYTES))}/64`;
}
