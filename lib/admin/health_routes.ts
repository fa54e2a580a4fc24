import type { Metric } from "../metrics.ts";
import type { DaemonView } from "../service.ts";
import { formatMetrics, METRICS_TYPES, preferredFormat } from "./open_metrics.ts";
import { unreadiness } from "./readiness.ts";
import { json, type Route } from "./routes.ts";

/** The routes for other programs: liveness, readiness, and metrics. */
export function healthRoutes(daemon: DaemonView, metrics: () => Metric[]): Route[] {
  return [
    {
      method: "GET",
      path: /^\/healthz$/,
      open: true,
      answer: () => ({ status: 200, type: "text/plain", body: "ok\n" }),
    },
    {
      method: "GET",
      path: /^\/readyz$/,
      open: true,
      answer: (_request, _groups, visitor) => {
        const reasons = unreadiness(daemon);
        const ready = reasons.length === 0;
        const known = visitor === "stranger" ? {} : { reasons };
        return json({ ready, state: daemon.state, ...known }, ready ? 200 : 503);
      },
    },
    {
      method: "GET",
      path: /^\/metrics$/,
      answer: ({ headers }) => {
        const format = preferredFormat([headers["accept"] ?? ""].flat().join());
        return { status: 200, type: METRICS_TYPES[format], body: formatMetrics(metrics(), format) };
      },
    },
  ];
}
