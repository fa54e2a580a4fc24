import type { Config } from "../config/schema.ts";
import { collide } from "../net/address.ts";
import type { RunningService, Service, ServiceConfig } from "../service.ts";

/** A running service and the section that it was started with. */
export interface StartedService {
  section: ServiceConfig;
  running: RunningService;
  /** When it started, in Unix time. */
  sinceMs: number;
  /** Whether it must be restarted, even with the same section. */
  outdated?: boolean;
}

/** What a new configuration does to each service. */
export interface ReloadPlan {
  /** Services that keep running and only re-read their files. */
  unchanged: Service[];
  /** Services to start, stop or restart, in this order. */
  changed: Service[];
  /** The changed services that hold an address another changed service needs; they stop first. */
  stopFirst: Service[];
}

/**
 * Decides which services a new configuration leaves alone, and which must stop before the others.
 *
 * @param services The services to consider, in start order.
 * @param started The services that run now, by name.
 * @param config The new configuration.
 */
export function planReload(
  services: readonly Service[],
  started: ReadonlyMap<string, StartedService>,
  config: Config,
): ReloadPlan {
  const isUnchanged = ({ name }: Service) => {
    const current = started.get(name);
    return current !== undefined && !current.outdated &&
      sameSection(config.services[name], current.section);
  };
  const changed = services.filter((service) => !isUnchanged(service));
  const stopFirst = changed.filter((service) => {
    const held = started.get(service.name)?.running.addresses ?? [];
    return changed.some((other) => {
      const section = config.services[other.name];
      if (other === service || !section?.enabled) return false;
      return other.addresses(section).some((needed) => held.some((has) => collide(has, needed)));
    });
  });
  return { unchanged: services.filter(isUnchanged), changed, stopFirst };
}

/** The keys whose change takes effect only at the next start. */
export function keysForNextStart(before: Config, after: Config): string[] {
  const keys: [key: string, old: unknown, current: unknown][] = [
    ["daemon.data_dir", before.daemon.data_dir, after.daemon.data_dir],
    ["storage.url", before.storage.url, after.storage.url],
    ["bus", before.bus, after.bus],
  ];
  return keys.filter(([, old, current]) => !sameSection(old, current)).map(([key]) => key);
}

function sameSection(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
