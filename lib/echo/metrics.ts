import type { Histogram, Metric } from "../metrics.ts";

/** What echo counts, in either mode. */
export interface EchoMetrics {
  clients: number;
  slowClients: number;
  /** Messages received. */
  messages: number;
  /** Messages sent, counted once for each client. */
  delivered: number;
  dropped: number;
  /** Lines longer than the limit. */
  longLines: number;
}

/**
 * The metrics of echo, apart from those of its listeners.
 *
 * @param counts What it has counted.
 * @param duration How long messages took; see the metric's help.
 */
export function echoMetrics(counts: EchoMetrics, duration: Histogram): Metric[] {
  const counter = (name: string, help: string, value: number): Metric => (
    { type: "counter", name, help, samples: [{ value }] }
  );
  return [
    counter("echo_messages_total", "Messages received from clients.", counts.messages),
    counter("echo_delivered_messages_total", "Messages written to clients.", counts.delivered),
    counter(
      "echo_dropped_messages_total",
      "Messages dropped because a client was slow.",
      counts.dropped,
    ),
    counter("echo_long_lines_total", "Lines longer than max_line.", counts.longLines),
    {
      type: "gauge",
      name: "echo_slow_clients",
      help: "Clients that are slow at present.",
      samples: [{ value: counts.slowClients }],
    },
    {
      type: "histogram",
      name: "echo_message_duration_seconds",
      help: "Time from reading a message until it was queued for every client or dropped; in " +
        "confirm mode, until the reply was written.",
      samples: [{ histogram: duration }],
    },
  ];
}
