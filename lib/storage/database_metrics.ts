/**
 * Metrics of the connections to a database.
 *
 * @module
 */

import type { Metric } from "../metrics.ts";

/** The history of a set of connections. */
export interface DatabaseMetrics {
  /** Whether the connections can be used. */
  up: boolean;
  /** How often the connections were lost. */
  losses: number;
  /** How often they were restored. */
  reconnects: number;
  /** Statements that the server refused or aborted; most aborted ones were retried. */
  errors: number;
}

/** Adds up the metrics of several sets of connections: up only if all are. */
export function sumDatabaseMetrics(all: readonly DatabaseMetrics[]): DatabaseMetrics {
  return all.reduce((sum, metrics) => ({
    up: sum.up && metrics.up,
    losses: sum.losses + metrics.losses,
    reconnects: sum.reconnects + metrics.reconnects,
    errors: sum.errors + metrics.errors,
  }));
}

/**
 * The metrics in the form in which the daemon exports them.
 *
 * @param service The service that owns the connections; it becomes a label.
 */
export function databaseMetrics(service: string, metrics: DatabaseMetrics): Metric[] {
  const metric = (type: "counter" | "gauge", name: string, help: string, value: number): Metric => (
    // The prefix is the name of the only database so far, and dashboards depend on it.
    { type, name: `postgres_${name}`, help, samples: [{ labels: { service }, value }] }
  );
  return [
    metric("gauge", "up", "1 if PostgreSQL can be used, 0 if not.", Number(metrics.up)),
    metric("counter", "losses_total", "Times the connections were lost.", metrics.losses),
    metric("counter", "reconnects_total", "Times they were restored.", metrics.reconnects),
    metric(
      "counter",
      "errors_total",
      "Statements that PostgreSQL refused or aborted, including those that were retried.",
      metrics.errors,
    ),
  ];
}
