/**
 * The error of a script that had to be stopped.
 *
 * @module
 */

import { RolledBackError } from "../commands/errors.ts";

/** A script exceeded a limit. Its interpreter has to be reset. */
export class ScriptStoppedError extends RolledBackError {
  override name = "ScriptStoppedError";

  /** @param reason What it exceeded, as clients see it. */
  constructor(reason: string) {
    super(`ERR Script stopped, nothing was written: ${reason}`);
  }
}
