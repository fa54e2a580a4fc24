import type { AbortNotice } from "./frame.ts";

/** Why a job is cancelled: the reason of an aborted signal, if it is one for people. */
export function cancellation({ reason }: AbortSignal): SortFailedError {
  if (reason instanceof SortFailedError) return reason;
  return new SortFailedError({ node: -1, reason: "Cancelled" });
}

/** Thrown when a job fails. The message names the node at fault. */
export class SortFailedError extends Error {
  override name = "SortFailedError";
  /** The node at fault; -1 if there is none. */
  readonly node: number;

  constructor({ node, reason }: AbortNotice, options?: ErrorOptions) {
    super(reason, options);
    this.node = node;
  }
}
