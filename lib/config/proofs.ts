import type { Service } from "../service.ts";
import type { Fault } from "./fault.ts";
import type { Config } from "./schema.ts";

/** Finds the services whose nodes would know no token to prove: all have limited rights. */
export function unprovable(config: Config, services: readonly Service[]): Fault[] {
  const proving = services.filter(({ name, proves }) => {
    const section = config.services[name];
    return section?.enabled && proves?.(section) && config.guard(name)?.prove("").length === 0;
  });
  return proving.map(({ name }) => ({
    path: [name],
    message:
      `the nodes of ${name} need one token without limited rights, to recognise each other: ` +
      `add one with services = ["${name}"]`,
  }));
}
