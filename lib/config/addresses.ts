/**
 * What can be wrong with the addresses of a configuration, beyond the form of each.
 *
 * @module
 */

import { type Address, collide, formatAddress, isLoopback } from "../net/address.ts";
import type { Service } from "../service.ts";
import type { Config } from "./schema.ts";
import type { TlsKeys } from "./service_keys.ts";

/**
 * Names the services that other machines could use without a token or a certificate.
 *
 * @returns A fault each; none if all is well.
 */
export function openAddresses(config: Config, services: readonly Service[]): string[] {
  const faults: string[] = [];
  for (const { name, addresses } of services) {
    const section = config.services[name];
    if (!section?.enabled || section.insecure || config.guard(name) !== undefined) continue;
    if ((section as { tls?: TlsKeys }).tls?.client_ca !== undefined) continue;
    for (const address of addresses(section)) {
      if (isLoopback(address)) continue;
      faults.push(
        `${name}: other machines could connect to ${formatAddress(address)} without a token: ` +
          `give it one in [auth.tokens], or set ${name}.insecure = true`,
      );
    }
  }
  return faults;
}

/**
 * Names the services that are to listen on one address.
 *
 * @returns A fault each; none if all is well.
 */
export function sharedAddresses(config: Config, services: readonly Service[]): string[] {
  const faults: string[] = [];
  const taken: { name: string; address: Address }[] = [];
  for (const service of services) {
    const section = config.services[service.name];
    if (!section?.enabled) continue;
    for (const address of service.addresses(section)) {
      const other = taken.find((candidate) => collide(candidate.address, address));
      if (other !== undefined) {
        faults.push(
          `${service.name} and ${other.name} cannot both listen on ${formatAddress(address)}`,
        );
      }
      taken.push({ name: service.name, address });
    }
  }
  return faults;
}
