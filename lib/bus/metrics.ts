import type { Metric } from "../metrics.ts";
import type { BusiestSubjects } from "./busiest.ts";

/** What a bus has counted. */
export interface BusCounts {
  /** Subscriptions at present. */
  subscriptions: number;
  /** Different patterns and queue groups at present. */
  interests: number;
  /** Events that were discarded before they reached any outbox. */
  droppedEvents: number;
  /** Messages by subject. */
  busiest: BusiestSubjects;
}

/** The metrics of the bus. */
export function busMetrics(counts: BusCounts): Metric[] {
  const { subscriptions, interests, droppedEvents, busiest } = counts;
  return [
    {
      type: "gauge",
      name: "bus_subscriptions",
      help: "Subscriptions of clients.",
      samples: [{ value: subscriptions }],
    },
    {
      type: "gauge",
      name: "bus_interests",
      help: "Different patterns and queue groups that are subscribed to.",
      samples: [{ value: interests }],
    },
    {
      type: "counter",
      name: "bus_dropped_events_total",
      help: "Events of the daemon discarded because too many waited for delivery.",
      samples: [{ value: droppedEvents }],
    },
    {
      type: "counter",
      name: "bus_subject_messages_total",
      help: "Messages published, for the 100 busiest subjects.",
      samples: [...busiest].map(({ subject, messages }) => (
        { labels: { subject }, value: messages }
      )),
    },
  ];
}
