/**
 * The admin service: health checks and metrics for other programs, and a page for people. It sees the
 * other services only through the daemon's view of them.
 *
 * @module
 */

import { listenerOptions, LIVE_LIMITS, serviceRates } from "../config/service_keys.ts";
import type { Metric } from "../metrics.ts";
import { ClientList } from "../net/client_list.ts";
import { connectionMetrics } from "../net/listener_metrics.ts";
import type { RunningService, Service, ServiceContext } from "../service.ts";
import { Access } from "./access.ts";
import { backupRoutes } from "./backup.ts";
import { type AdminConfig, adminConfigSchema } from "./config.ts";
import { Consoles } from "./consoles.ts";
import { healthRoutes } from "./health_routes.ts";
import { SECURITY_HEADERS } from "../net/http/security_headers.ts";
import { type HttpLimits, HttpServer } from "../net/http/server.ts";
import { loginRoutes } from "./login_routes.ts";
import { allMetrics } from "./metrics.ts";
import { pageRoutes } from "./page_routes.ts";
import { LoopProbe } from "./process_metrics.ts";
import { Recorder } from "./recorder.ts";
import { adminRights } from "./rights.ts";
import { answer } from "./routes.ts";

/** Time limit for pending replies when the daemon stops. */
const DRAIN_MS = 2000;

/** The admin service, for the table of services. */
export const admin: Service<AdminConfig> = {
  name: "admin",
  schema: adminConfigSchema,
  rights: adminRights,
  observes: true,
  live: [...LIVE_LIMITS, "max_body"],
  addresses: (config) => [config.listen],
  start,
};

async function start(config: AdminConfig, context: ServiceContext): Promise<RunningService> {
  const { daemon, log, refusals } = context;
  const probe = new LoopProbe();
  const metrics = () => allMetrics(daemon, probe);
  const recorder = new Recorder({ metrics, log });
  const secure = config.tls !== undefined;
  let proxied = config.proxy_protocol.length > 0;
  const access = new Access({
    address: config.listen,
    secure,
    proxied: () => proxied,
    guard: context.guard,
    log,
    refusals,
  });
  const routes = [
    ...healthRoutes(daemon, metrics),
    ...loginRoutes(access),
    ...backupRoutes(daemon),
    ...pageRoutes({
      daemon,
      self: admin.name,
      access,
      metrics,
      consoles: new Consoles(),
      recorder,
    }),
  ];
  const connected = new ClientList(log, serviceRates(config));
  try {
    const server = await HttpServer.listen(config.listen, {
      ...httpLimits(config),
      tls: listenerOptions(config).tls,
      headers: SECURITY_HEADERS,
      clients: connected,
      log,
      handle: (request) => answer(routes, request, access),
    });
    return {
      addresses: [server.address],
      queries: connected.queries,
      actions: connected.actions,
      problems: () => [],
      reread: () => server.reloadTls(),
      adjust: (next: AdminConfig) => {
        server.setLimits(httpLimits(next));
        connected.rateLimits.setRates(serviceRates(next));
        proxied = next.proxy_protocol.length > 0;
      },
      metrics: () => [
        ...connected.rateLimits.metrics("admin"),
        ...connectionMetrics("admin", server.metrics()),
        answersMetric(server.answers),
      ],
      drain: async (deadline) => {
        await server.drain(AbortSignal.any([deadline, AbortSignal.timeout(DRAIN_MS)]));
        probe[Symbol.dispose]();
        recorder[Symbol.dispose]();
      },
    };
  } catch (error) {
    probe[Symbol.dispose]();
    recorder[Symbol.dispose]();
    throw error;
  }
}

function httpLimits(config: AdminConfig): HttpLimits {
  return {
    maxClients: config.max_clients,
    maxClientsPerAddress: config.max_clients_per_address || undefined,
    requestTimeoutMs: config.request_timeout,
    maxBodyBytes: config.max_body,
    proxyProtocol: config.proxy_protocol,
  };
}

function answersMetric(answers: ReadonlyMap<number, number>): Metric {
  return {
    type: "counter",
    name: "admin_answers_total",
    help: "Requests answered, by HTTP status.",
    samples: [...answers].map(([status, value]) => ({ labels: { status: `${status}` }, value })),
  };
}
