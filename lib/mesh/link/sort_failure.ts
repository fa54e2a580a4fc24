import type { AbortNotice } from "./frame.ts";

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
