import type { Metric } from "../metrics.ts";

/** What a listener has counted. */
export interface ListenerMetrics {
  /** Open connections. */
  connections: number;
  accepted: number;
  /** Connections refused because the server had its maximum. */
  serverFull: number;
  /** Connections refused because their address had its maximum. */
  addressFull: number;
  /** Connections closed for their PROXY header. */
  proxyHeader: number;
  receivedBytes: number;
  sentBytes: number;
  /** When the certificate in use expires, in Unix milliseconds; `Infinity` without TLS. */
  certificateExpiryMs: number;
}

/** Adds up what listeners have counted; of their certificates, the first to expire counts. */
export function sumMetrics(all: readonly ListenerMetrics[]): ListenerMetrics {
  const sum: ListenerMetrics = {
    connections: 0,
    accepted: 0,
    serverFull: 0,
    addressFull: 0,
    proxyHeader: 0,
    receivedBytes: 0,
    sentBytes: 0,
    certificateExpiryMs: Infinity,
  };
  for (const metrics of all) {
    for (const key of Object.keys(sum) as (keyof ListenerMetrics)[]) {
      if (key === "certificateExpiryMs") sum[key] = Math.min(sum[key], metrics[key]);
      else sum[key] += metrics[key];
    }
  }
  return sum;
}

/**
 * The metrics of a listener in the form that all services report.
 *
 * @param service The service that owns the listener; a label of every sample.
 * @param counted What the listener has counted.
 */
export function connectionMetrics(service: string, counted: ListenerMetrics): Metric[] {
  const sample = (value: number, labels = {}) => ({ labels: { service, ...labels }, value });
  const metric = (type: "counter" | "gauge", name: string, help: string, value: number): Metric => (
    { type, name, help, samples: [sample(value)] }
  );
  return [
    metric("gauge", "connections", "Open connections.", counted.connections),
    metric("counter", "connections_accepted_total", "Accepted connections.", counted.accepted),
    {
      type: "counter",
      name: "connections_rejected_total",
      help: "Refused connections, by the limit that was reached or what else was wrong.",
      samples: [
        sample(counted.serverFull, { reason: "server_full" }),
        sample(counted.addressFull, { reason: "address_full" }),
        sample(counted.proxyHeader, { reason: "proxy_header" }),
      ],
    },
    metric("counter", "received_bytes_total", "Bytes read from clients.", counted.receivedBytes),
    metric("counter", "sent_bytes_total", "Bytes written to clients.", counted.sentBytes),
    ...counted.certificateExpiryMs === Infinity ? [] : [metric(
      "gauge",
      "tls_certificate_expiry_timestamp_seconds",
      "When the certificate of the service expires, in Unix time.",
      counted.certificateExpiryMs / 1000,
    )],
  ];
}
