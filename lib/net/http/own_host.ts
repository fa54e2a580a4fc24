import { type Address, isLoopback } from "../address.ts";

/**
 * Why a server on loopback must not answer a request; `undefined` if it may. A foreign web page can
 * point its own host name at 127.0.0.1 and then read this server as if it were its own ("DNS
 * rebinding"). The browser sends that name in the Host header, so on loopback the header must name
 * this machine.
 *
 * @param address Where the server listens.
 * @param host The header, if there is one.
 */
export function refuseForeignHost(address: Address, host: string | undefined): string | undefined {
  if (address.transport === "unix" || !isLoopback(address) || host === undefined) return undefined;
  if (isLoopback({ transport: "tcp", hostname: hostnameOf(host), port: 0 })) return undefined;
  return `Unknown host "${host}": use ${address.hostname} or localhost.`;
}

function hostnameOf(host: string): string {
  return host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}
