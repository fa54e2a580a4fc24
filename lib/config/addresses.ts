/**
 * Checks on all the addresses of a configuration together; the form of each is checked by its
 * schema.
 *
 * @module
 */

import { type Address, collide, formatAddress, isLoopback } from "../net/address.ts";
import type { Service, ServiceConfig } from "../service.ts";
import type { Fault } from "./fault.ts";
import type { Config } from "./schema.ts";
import type { ListenerKeys } from "./service_keys.ts";
import type { KeyPath } from "./walk.ts";

/** An address that an enabled service listens on. */
interface Listen {
  name: string;
  section: ServiceConfig & Partial<ListenerKeys>;
  address: Address;
  path: KeyPath;
}

/** Whether other machines can reach an address: by themselves, or through a proxy. */
function isReachable({ section, address }: Listen): boolean {
  return !isLoopback(address) || (section.proxy_protocol?.length ?? 0) > 0;
}

/** Finds the addresses that other machines could use without a token or a certificate. */
export function openAddresses(config: Config, services: readonly Service[]): Fault[] {
  return listens(config, services)
    .filter((listen) =>
      isReachable(listen) && !listen.section.insecure && config.guard(listen.name) === undefined &&
      listen.section.tls?.client_ca === undefined
    )
    .map(({ name, address, path }) => ({
      path,
      message: `other machines could connect to ${formatAddress(address)}` +
        `${isLoopback(address) ? " through a proxy" : ""} without a token: ` +
        `add a token for ${name} in [auth.tokens], or set ${name}.insecure = true`,
    }));
}

/** Finds the services that would listen on an address that another service has. */
export function sharedAddresses(config: Config, services: readonly Service[]): Fault[] {
  const faults: Fault[] = [];
  const taken: Listen[] = [];
  for (const listen of listens(config, services)) {
    const other = taken.find(({ address }) => collide(address, listen.address));
    if (other !== undefined) {
      faults.push({
        path: listen.path,
        otherPath: other.path,
        message: listen.name === other.name
          ? `${listen.name} cannot listen on ${formatAddress(listen.address)} twice: ` +
            "give one of its keys another port"
          : `${listen.name} and ${other.name} cannot both listen on ` +
            `${formatAddress(listen.address)}: give one of them another port, or disable it`,
      });
    }
    taken.push(listen);
  }
  return faults;
}

/** Finds the services beyond loopback where one address may take every connection. */
export function unlimitedAddresses(config: Config, services: readonly Service[]): Fault[] {
  return listens(config, services)
    .filter((listen) => isReachable(listen) && !listen.section.max_clients_per_address)
    .map(({ name, address }) => ({
      path: [name, "max_clients_per_address"],
      message: `no limit, and other machines can connect to ${formatAddress(address)}: one host ` +
        "could take every connection. Set a limit, unless all clients share one address " +
        "(NAT, a proxy)",
    }));
}

function listens(config: Config, services: readonly Service[]): Listen[] {
  return services.flatMap((service) => {
    const { name } = service;
    const section = config.services[name];
    if (!section?.enabled) return [];
    return service.addresses(section).map((address) => {
      const key = Object.entries(section).find(([, value]) => value === address)?.[0];
      return { name, section, address, path: key === undefined ? [name] : [name, key] };
    });
  });
}
