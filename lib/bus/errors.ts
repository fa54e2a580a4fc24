/** Thrown when a client, or all clients together, would have too many subscriptions. */
export class SubscriptionLimitError extends Error {
  override name = "SubscriptionLimitError";
}

/** Thrown when a message cannot be published because the bus between the daemons is unreachable. */
export class BusUnavailableError extends Error {
  override name = "BusUnavailableError";
}
