import type { Metric } from "../metrics.ts";

/** What a listener has counted. */
export interface ListenerStats {
  connections: number;
  accepted: number;
  /** Refused, since there were as many connections as there may be. */
  serverFull: number;
  /** Refused, since the address had as many as one may have. */
  addressFull: number;
  receivedBytes: number;
  sentBytes: number;
}

/** The sum of what several listeners have counted. */
export function sumStats([first, ...others]: readonly [ListenerStats, ...ListenerStats[]]) {
  const sum = { ...first };
  for (const stats of others) {
    for (const key of Object.keys(sum) as (keyof ListenerStats)[]) sum[key] += stats[key];
  }
  return sum;
}

/**
 * The figures of a listener.
 *
 * @param service The service that it belongs to; a label of every figure.
 * @param stats What it has counted.
 */
export function connectionMetrics(service: string, stats: ListenerStats): Metric[] {
  const sample = (value: number, labels = {}) => ({ labels: { service, ...labels }, value });
  const figure = (type: "counter" | "gauge", name: string, help: string, value: number): Metric => (
    { type, name, help, samples: [sample(value)] }
  );
  return [
    figure("gauge", "connections", "Connections that are open.", stats.connections),
    figure(
      "counter",
      "connections_accepted_total",
      "Connections that were accepted.",
      stats.accepted,
    ),
    {
      type: "counter",
      name: "connections_rejected_total",
      help: "Connections that were refused, by what there were too many of.",
      samples: [
        sample(stats.serverFull, { reason: "server_full" }),
        sample(stats.addressFull, { reason: "address_full" }),
      ],
    },
    figure("counter", "received_bytes_total", "Bytes read from clients.", stats.receivedBytes),
    figure("counter", "sent_bytes_total", "Bytes written to clients.", stats.sentBytes),
  ];
}
