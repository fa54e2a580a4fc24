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

/** What a new configuration does to a service. */
export interface ServiceChange {
  service: Service;
  /** `adjust`: it keeps running, with its connections. */
  action: "keep" | "adjust" | "restart" | "start" | "stop";
  /** The keys of its section whose values change. */
  keys: string[];
}

/** What a new configuration does to all services. */
export interface ReloadPlan {
  /** Services that keep running, adjust to their new sections and re-read their files. */
  kept: ServiceChange[];
  /** Services to start, stop or restart, in this order. */
  changed: ServiceChange[];
  /** The changed services that hold an address another changed service needs; they stop first. */
  stopFirst: Service[];
}

/**
 * Decides what a new configuration does to a service.
 *
 * @param section Its present section; `undefined` if it does not run.
 * @param next Its new section; `undefined` if it has none.
 */
export function planService(
  service: Service,
  section: ServiceConfig | undefined,
  next: ServiceConfig | undefined,
): ServiceChange {
  if (section === undefined) {
    return { service, action: next?.enabled ? "start" : "stop", keys: [] };
  }
  if (!next?.enabled) return { service, action: "stop", keys: ["enabled"] };
  const keys = changedKeys(section, next);
  if (keys.length === 0) return { service, action: "keep", keys };
  const live = keys.every((key) => service.live?.includes(key));
  return { service, action: live ? "adjust" : "restart", keys };
}

/**
 * Decides which services a new configuration leaves running, and which must stop before the others.
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
  const plans = services.map((service) => {
    const current = started.get(service.name);
    const plan = planService(service, current?.section, config.services[service.name]);
    const restarts = current?.outdated && plan.action !== "stop";
    return restarts ? { ...plan, action: "restart" as const } : plan;
  });
  const isKept = ({ action }: ServiceChange) => action === "keep" || action === "adjust";
  const changed = plans.filter((plan) => !isKept(plan));
  const stopFirst = changed.map(({ service }) => service).filter((service) => {
    const held = started.get(service.name)?.running.addresses ?? [];
    return changed.some(({ service: other }) => {
      const section = config.services[other.name];
      if (other === service || !section?.enabled) return false;
      return other.addresses(section).some((needed) => held.some((has) => collide(has, needed)));
    });
  });
  return { kept: plans.filter(isKept), changed, stopFirst };
}

/** The keys whose change takes effect only at the next start. */
export function keysForNextStart(before: Config, after: Config): string[] {
  const keys: [key: string, old: unknown, current: unknown][] = [
    ["daemon.data_dir", before.daemon.data_dir, after.daemon.data_dir],
    ["storage.url", before.storage.url, after.storage.url],
    ["bus", before.bus, after.bus],
  ];
  return keys.filter(([, old, current]) => !same(old, current)).map(([key]) => key);
}

/** The keys that have different values in two sections. */
export function changedKeys(before: object, after: object): string[] {
  const [old, next] = [before, after].map((section) => new Map(Object.entries(section)));
  const keys = new Set([...old!.keys(), ...next!.keys()]);
  return [...keys].filter((key) => !same(old!.get(key), next!.get(key)));
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
