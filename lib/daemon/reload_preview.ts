import type { Guard } from "../auth.ts";
import type { Config } from "../config/schema.ts";
import type { ReloadPreview, RunningService, Service, ServicePreview } from "../service.ts";
import {
  changedKeys,
  keysForNextStart,
  planReload,
  type ReloadPlan,
  type StartedService,
} from "./reload_plan.ts";

/** The sections outside the services whose keys a reload changes at once. */
const SECTIONS = ["daemon", "log", "auth"] as const;

/** What a daemon runs with. */
export interface InForce {
  config: Config;
  /** The services that run, by name. */
  started: ReadonlyMap<string, StartedService>;
  /** The guard that checks the tokens of a service's clients; `undefined` if it requires none. */
  guard: (service: string) => Guard | undefined;
}

/**
 * Says what a reload would do, from the plan that the reload itself follows. Whether a service can
 * start with its new section, or read its certificates again, only the reload can tell.
 *
 * @param services The table of services.
 * @param inForce What the daemon runs with.
 * @param next The new configuration, or one line for each of its faults.
 */
export function previewReload(
  services: readonly Service[],
  inForce: InForce,
  next: Config | string[],
): ReloadPreview {
  if (Array.isArray(next)) {
    return { faults: next, services: [], keysAtOnce: [], keysForNextStart: [] };
  }
  const { config, started } = inForce;
  const plan = planReload(services, started, next);
  const forNextStart = keysForNextStart(config, next);
  const keysAtOnce = SECTIONS.flatMap((section) =>
    changedKeys(config[section], next[section]).map((key) => `${section}.${key}`)
  );
  return {
    faults: [],
    services: services.map((service) => previewService(service, plan, { inForce, next })),
    keysAtOnce: keysAtOnce.filter((key) => !forNextStart.includes(key)),
    keysForNextStart: forNextStart,
  };
}

function previewService(
  service: Service,
  { kept, changed, stopFirst }: ReloadPlan,
  { inForce, next }: { inForce: InForce; next: Config },
): ServicePreview {
  const { name } = service;
  const running = inForce.started.get(name)?.running;
  const { action, keys } = [...kept, ...changed].find((change) => change.service === service)!;
  const after = next.guard(name);
  const before = running === undefined ? undefined : inForce.guard(name);
  const isKept = action === "keep" || action === "adjust";
  const revoked = next.auth.on_revoke === "close" ? before?.logins.countRevokedBy(after) ?? 0 : 0;
  return {
    name,
    action: action === "stop" && running === undefined ? "off" : action,
    keys,
    waits: action === "restart" && running?.finishLongWork !== undefined &&
      !stopFirst.includes(service),
    // Nobody can use a token at a service that does not run.
    tokens: action === "stop" ? changedTokens(undefined, undefined) : changedTokens(before, after),
    closes: isKept ? revoked : openConnections(running),
  };
}

function changedTokens(before: Guard | undefined, after: Guard | undefined) {
  const lost = new Set(before?.tokensLostAt(after));
  const gained = new Set(after?.tokensLostAt(before));
  const names = (tokens: Set<string>) => [...tokens].sort();
  return {
    added: names(gained.difference(lost)),
    removed: names(lost.difference(gained)),
    changed: names(lost.intersection(gained)),
  };
}

/** How many connections a service has, which a restart closes. */
function openConnections(running: RunningService | undefined): number {
  const metric = running?.metrics().find(({ name }) => name === "connections");
  if (metric === undefined || metric.type === "histogram") return 0;
  return metric.samples.reduce((sum, { value }) => sum + value, 0);
}
