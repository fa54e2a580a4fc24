import type { PublisherMetrics } from "../../bus/publisher.ts";
import type { ReaderMetrics } from "../../bus/readers.ts";
import type { Metric } from "../../metrics.ts";
import type { Channels } from "./channels.ts";

/** What a service counts about its channels. */
export interface ChannelCounts {
  channels: Channels;
  /** What its clients have published. */
  published: PublisherMetrics;
  /** What was sent to subscribers. */
  readers: ReaderMetrics;
  /** Keyspace events that were not sent because too many waited. */
  droppedEvents: number;
}

/** The metrics of channels. */
export function channelMetrics(counts: ChannelCounts): Metric[] {
  const { channels, published, readers, droppedEvents } = counts;
  const one = (type: "counter" | "gauge", name: string, help: string, value: number): Metric => (
    { type, name: `kv_${name}`, help, samples: [{ value }] }
  );
  const names = channels.size("channel") + channels.size("shard");
  return [
    one("counter", "published_messages_total", "Messages published.", published.messages),
    one(
      "counter",
      "delivered_messages_total",
      "Messages written to subscribers.",
      readers.delivered,
    ),
    one(
      "counter",
      "dropped_messages_total",
      "Messages dropped because a subscriber was slow.",
      readers.dropped,
    ),
    one(
      "counter",
      "dropped_events_total",
      "Keyspace events dropped because too many waited.",
      droppedEvents,
    ),
    one("gauge", "slow_subscribers", "Subscribers that are slow at present.", readers.slowClients),
    one("gauge", "channels", "Channels with subscribers.", names),
    one("gauge", "patterns", "Different patterns with subscribers.", channels.size("pattern")),
  ];
}
