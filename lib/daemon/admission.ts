/**
 * Who may hear the events of a service on the bus: the connections that could use the service.
 *
 * The bus spans all services, so a client of one could listen to the events of another: names of
 * keys, numbers of jobs. A subscription to `>` must not become a way around a token or a listening
 * address. So a connection hears the events of a service only if it could have connected there:
 *
 * - A service with tokens admits a connection whose login used one of them. If the token has limited
 *   rights there, the service says which events they are enough for.
 * - A service without tokens admits the connections that can reach one of its addresses: any, if it
 *   listens on all interfaces, and otherwise only those from this machine. Whether a client from
 *   elsewhere can reach one particular interface is not known, so it is not admitted.
 * - A service that requires client certificates instead of tokens admits nobody, since a connection
 *   to another service has not shown one to it.
 * - A browser is admitted only by a token.
 *
 * @module
 */

import type { ListenerKeys } from "../config/service_keys.ts";
import { type Address, isAnyHost, isLoopback } from "../net/address.ts";
import type { LoginGuard } from "../net/login.ts";
import type { Rights } from "../rights.ts";
import type { RunningService, Service, ServiceConfig, Visitor } from "../service.ts";

/** What decides who can use a service. */
export interface GuardedService {
  /** Checks tokens; `undefined` if none is required. */
  readonly guard: LoginGuard | undefined;
  /** The addresses it listens on. */
  readonly addresses: readonly Address[];
  /** Whether it accepts only clients with a certificate. */
  readonly needsCertificate: boolean;
  /** Whether limited rights suffice to hear the event in question. */
  hears(rights: Rights): boolean;
}

/** What decides who can use a running service, and hear its events on a subject. */
export function guarded(
  service: Service,
  { section, running, guard, subject }: {
    section: ServiceConfig & Partial<ListenerKeys>;
    running: RunningService;
    guard: LoginGuard | undefined;
    subject: string;
  },
): GuardedService {
  return {
    guard,
    addresses: running.addresses,
    needsCertificate: section.tls?.client_ca !== undefined,
    hears: (rights) => service.hears?.(rights, subject) ?? false,
  };
}

/** The host of a console on the admin page, which can open consoles of all services. */
const CONSOLE_HOST = "console";

/** Whether a connection of another service could use this one, and learn there of an event. */
export function admits(service: GuardedService, { host, login, web = false }: Visitor): boolean {
  const { guard, addresses, needsCertificate } = service;
  if (guard !== undefined) {
    const rights = login?.rightsAt(guard);
    return rights !== undefined && (rights === null || service.hears(rights));
  }
  if (needsCertificate || web) return false;
  return host === CONSOLE_HOST || addresses.some((address) => canReach(host, address));
}

/** Whether a client can connect to an address, as far as this is known. */
function canReach(host: string, address: Address): boolean {
  // The permissions of a socket file may exclude the client.
  if (address.transport === "unix") return false;
  const hostname = host.replace(/^\[(.*)\]$/, "$1").replace(/^::ffff:/i, "");
  return isAnyHost(address.hostname) || isLoopback({ transport: "tcp", hostname, port: 0 });
}
