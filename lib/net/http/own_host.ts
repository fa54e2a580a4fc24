import { type Address, isLoopback, isThisMachine } from "../address.ts";
import type { HttpRequest } from "./messages.ts";

/**
 * Why a server on loopback must not answer a request; `undefined` if it may. A foreign web page can
 * point its own host name at 127.0.0.1 and then read this server as if it were its own ("DNS
 * rebinding"). The browser sends that name in the Host header, so on loopback the header must name
 * this machine. Clients on other machines, for whom a proxy has connected, gain nothing by that and
 * use the name of the proxy.
 *
 * @param address Where the server listens.
 * @param request Only `remote` and the header Host matter.
 */
export function refuseForeignHost(
  address: Address,
  { remote, headers }: Pick<HttpRequest, "remote" | "headers">,
): string | undefined {
  const host = headers["host"];
  if (address.transport === "unix" || !isLoopback(address) || !isThisMachine(remote)) {
    return undefined;
  }
  if (host === undefined) return undefined;
  const hostname = hostnameOf(String(host));
  if (isLoopback({ transport: "tcp", hostname, port: 0 })) return undefined;
  return `Unknown host "${host}": use ${address.hostname} or localhost.`;
}

function hostnameOf(host: string): string {
  return host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}
