/**
 * Thrown to whatever still waits when a sort ends early: for a slot, a frame or a thread. The reason
 * why it ended was reported where it happened, so this error carries none.
 */
export class SortEndedError extends Error {
  override name = "SortEndedError";

  constructor() {
    super("The sort has ended");
  }
}
