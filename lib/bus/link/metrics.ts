import type { Metric } from "../../metrics.ts";

/** What a link has counted, in messages. */
export interface LinkCounts {
  /** Whether messages get through. */
  up: boolean;
  published: number;
  /** Published, but it is not certain that they got through. */
  failed: number;
  /** Subjects and patterns that NATS has refused. */
  refusals: number;
  received: number;
  /** Received, but dropped because too many waited for slow readers. */
  dropped: number;
  /** Discarded by the stream before they were read. */
  missed: number;
  /** How often the stream was lost. */
  streamsLost: number;
  /** Connections made so far. */
  connections: number;
}

/** The metrics of a link. */
export function linkMetrics(counts: LinkCounts): Metric[] {
  const metric = (type: "counter" | "gauge", name: string, help: string, value: number): Metric => (
    { type, name: `bus_link_${name}`, help, samples: [{ value }] }
  );
  return [
    metric("gauge", "up", "1 if messages get through to other daemons.", counts.up ? 1 : 0),
    metric("counter", "connections_total", "Connections made to NATS.", counts.connections),
    metric("counter", "published_messages_total", "Messages that got through.", counts.published),
    metric(
      "counter",
      "failed_messages_total",
      "Messages whose publisher got an error because they may not have got through.",
      counts.failed,
    ),
    metric(
      "counter",
      "refusals_total",
      "How often NATS refused to publish on a subject or to subscribe to a pattern.",
      counts.refusals,
    ),
    metric("counter", "received_messages_total", "Messages that came back.", counts.received),
    metric(
      "counter",
      "dropped_messages_total",
      "Messages that came back and were dropped because too many waited for slow readers.",
      counts.dropped,
    ),
    metric(
      "counter",
      "missed_messages_total",
      'With order = "one": messages that the stream discarded before this daemon read them.',
      counts.missed,
    ),
    metric(
      "counter",
      "lost_streams_total",
      'With order = "one": streams that were lost, with an unknown number of messages.',
      counts.streamsLost,
    ),
  ];
}
