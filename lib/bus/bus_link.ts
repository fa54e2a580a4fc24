import type { Metric } from "../metrics.ts";
import type { Batch } from "./batch.ts";
import type { Interest } from "./subscription.ts";

/** What a link needs of the bus of its daemon. */
export interface LinkedBus {
  /** Everything that is subscribed to at present. */
  interests(): Iterable<Interest>;
  /** The interests that a subject matches. */
  matching(subject: string): Interest[];
  /** Hands a batch from the link to the subscribers of some interests; a promise if they are slow. */
  receive(batch: Batch, interests: readonly Interest[]): Promise<void> | void;
  /** Tells the publisher of a request that no daemon has a subscription for it, if it wants to know. */
  reportSilence(request: Batch): void;
}

/**
 * Connects the buses of several daemons. Every message goes to the link, and is delivered when it
 * comes back, so that all daemons see the same.
 */
export interface BusLink {
  /** Whether the daemon's own events cross it. */
  readonly events: boolean;
  /**
   * Sends messages to all daemons, this one included.
   *
   * @throws {BusUnavailableError} If it is not certain that they got through.
   */
  publish(batch: Batch): Promise<void>;
  /** Asks for the messages of a new interest. */
  opened(interest: Interest): void;
  /** Ends an interest. */
  closed(interest: Interest): void;
  /** Why messages do not get through; empty if they do. */
  problems(): string[];
  /** Its current metrics. */
  metrics(): Metric[];
}
