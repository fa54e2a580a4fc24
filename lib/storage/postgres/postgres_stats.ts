import type { Metric } from "../../metrics.ts";

/** What connections to PostgreSQL have been through. */
export interface PostgresStats {
  /** Whether they can be used. */
  up: boolean;
  /** How often they were lost, and how often they came back. */
  losses: number;
  reconnects: number;
  /** Statements that the server refused or broke off; most of the latter were tried again. */
  errors: number;
}

/** Those of several as one. */
export function sumPostgresStats(all: readonly PostgresStats[]): PostgresStats {
  return all.reduce((sum, stats) => ({
    up: sum.up && stats.up,
    losses: sum.losses + stats.losses,
    reconnects: sum.reconnects + stats.reconnects,
    errors: sum.errors + stats.errors,
  }));
}

/**
 * Their figures.
 *
 * @param service The service that they belong to; a label of every figure.
 */
export function postgresMetrics(service: string, stats: PostgresStats): Metric[] {
  const figure = (type: "counter" | "gauge", name: string, help: string, value: number): Metric => (
    { type, name: `postgres_${name}`, help, samples: [{ labels: { service }, value }] }
  );
  return [
    figure("gauge", "up", "1 if PostgreSQL can be used, 0 if not.", Number(stats.up)),
    figure("counter", "losses_total", "How often PostgreSQL was lost.", stats.losses),
    figure("counter", "reconnects_total", "How often it came back.", stats.reconnects),
    figure(
      "counter",
      "errors_total",
      "Statements that PostgreSQL refused or broke off, those that were tried again too.",
      stats.errors,
    ),
  ];
}
