import type { AbortNotice } from "./frame.ts";

/** Thrown when a job fails. The message names the node that is at fault. */
export class SortFailedError extends Error {
  override name = "SortFailedError";
  /** The node that is at fault; -1 if it is nobody's. */
  readonly node: number;

  constructor({ node, reason }: AbortNotice, options?: ErrorOptions) {
    super(reason, options);
    this.node = node;
  }
}
