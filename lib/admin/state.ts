import type { Metric } from "../metrics.ts";
import { formatAddress } from "../net/address.ts";
import type { DaemonView, ServiceView } from "../service.ts";
import { VERSION } from "../version.ts";
import { metricsJson } from "./metrics_json.ts";
import type { DaemonJson, ServiceJson } from "./page/daemon_json.ts";
import { unreadiness } from "./readiness.ts";

/** Options for {@linkcode daemonJson}. */
export interface DaemonJsonOptions {
  /** Name of the service that serves the page, which cannot be switched off. */
  self: string;
  metrics: readonly Metric[];
  /** Why nothing can be changed; `undefined` if changes are allowed. */
  readOnly: string | undefined;
  /** Whether the user can log out. */
  hasSession: boolean;
  /** Log position from which lines are included. */
  logAfter: number;
}

/** Everything that the page shows, as of now. */
export function daemonJson(daemon: DaemonView, options: DaemonJsonOptions): DaemonJson {
  return {
    nowMs: Date.now(),
    startedMs: performance.timeOrigin,
    version: VERSION,
    state: daemon.state,
    reasons: unreadiness(daemon),
    lastReload: daemon.lastReload,
    readOnly: options.readOnly ?? null,
    hasSession: options.hasSession,
    services: daemon.services().map((service) => serviceJson(service, options.self)),
    metrics: metricsJson(options.metrics),
    log: daemon.recentLog(options.logAfter),
  };
}

function serviceJson(service: ServiceView, self: string): ServiceJson {
  const { name, enabled, running, sinceMs } = service;
  return {
    name,
    enabled,
    running: running !== undefined,
    self: name === self,
    addresses: running?.addresses.map(formatAddress) ?? [],
    sinceMs: sinceMs ?? null,
    problems: service.problems(),
    actions: Object.keys(running?.actions ?? {}),
    console: running?.console !== undefined,
    status: running?.status?.() ?? null,
  };
}
